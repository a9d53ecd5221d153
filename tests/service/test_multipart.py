"""Forms with a file: read in pieces of any size, damaged ones refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.service.multipart import FormReader
from ctexp.service.refusals import RefusalError

TYPE = "multipart/form-data; boundary=xyz"


def part(head: str, body: bytes) -> bytes:
    """One part of a form."""
    return f"--xyz\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + body + b"\r\n"


FILE = 'name="scan"; filename="a.nii.gz"'
END = b"--xyz--\r\n"


def read(form: bytes, size: int = 1 << 16) -> tuple[bytes, str | None]:
    """The file's bytes and name, the form read in pieces."""
    got = bytearray()
    reader = FormReader(TYPE, got.extend)
    for start in range(0, len(form), size):
        reader.feed(form[start : start + size])
    reader.finish()
    return bytes(got), reader.name


@given(st.binary(max_size=300), st.integers(1, 40))
def test_file_is_read_whole_in_any_pieces(content, size) -> None:
    """Bytes that look like a boundary or not: the file comes out as it went in."""
    form = part('name="note"', b"text") + part(FILE, content) + END
    assert read(form, size) == (content, "a.nii.gz")


@pytest.mark.parametrize(
    "form",
    [
        b"", b"nonsense", END, part(FILE, b"abc"), part('name="scan"', b"abc") + END,
        part(FILE, b"a") + part(FILE, b"b") + END, part("x" * 9000, b"a") + END,
    ],
)  # fmt: skip
def test_form_without_one_whole_file_is_refused(form) -> None:
    """No file, two, no end, or headers without one are a damaged request, said in one sentence."""
    with pytest.raises(RefusalError) as error:
        read(form)
    assert error.value.status == 400
    assert error.value.text.startswith("upload: ")


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=" + "x" * 999])
def test_form_without_a_proper_boundary_is_refused(kind) -> None:
    """Without a boundary no part can be found."""
    with pytest.raises(RefusalError):
        FormReader(kind, bytearray().extend)
