"""What a zip says of its own list of members, read as Python's reader reads it."""

import io
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.scans.zips import MemberList, measure_list

NOT_ZIP64 = 0xFFFFFFFF


def zipped(members: int, comment: bytes = b"") -> bytes:
    """A zip of small members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(members):
            archive.writestr(f"{number}.dcm", b"x")
        archive.comment = comment
    return stream.getvalue()


def list_bytes(data: bytes) -> int:
    """Where the list of members lies in a plain archive: from its first entry to the end's record."""
    return data.rindex(b"PK\x05\x06") - data.index(b"PK\x01\x02")


def as_zip64(data: bytes, size: int, between: bytes = b"") -> bytes:
    """The same archive of the kind for large ones, whose record announces a size."""
    end = data.rindex(b"PK\x05\x06")
    begins = data.index(b"PK\x01\x02")
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44 + len(between), 45, 45, 0, 0, 3, 3, size, begins)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    last = bytearray(data[end:])
    last[12:20] = b"\xff" * 8
    return data[:end] + record + between + locator + bytes(last)


@given(st.integers(0, 5), st.binary(max_size=40))
def test_the_size_is_that_of_the_list(tmp_path_factory: pytest.TempPathFactory, members: int, comment: bytes) -> None:
    """Whatever stands in the comment, short of another end's record: what is announced is what is there."""
    data = zipped(members, comment.replace(b"PK", b""))
    path = tmp_path_factory.mktemp("zips") / "a.zip"
    path.write_bytes(data)
    size = list_bytes(data) if members else 0
    assert measure_list(path) == MemberList(size, is_zip64=False)


def test_a_record_within_the_record_hides_nothing(tmp_path: Path) -> None:
    """The mark of an end in the last record's own numbers does not make it a shorter one, as it does not for Python."""
    data = bytearray(zipped(3))
    end = data.rindex(b"PK\x05\x06")
    struct.pack_into("<II", data, end + 12, 1 << 30, int.from_bytes(b"PK\x05\x06", "little"))
    (tmp_path / "a.zip").write_bytes(data)
    assert measure_list(tmp_path / "a.zip") == MemberList(1 << 30, is_zip64=False)


def test_large_archives(tmp_path: Path) -> None:
    """Of zip64 the record counts, before its locator or where the locator points; without a record the end's number."""
    plain = zipped(3)
    path = tmp_path / "a.zip"
    path.write_bytes(as_zip64(plain, list_bytes(plain)))
    assert zipfile.ZipFile(path).namelist() == ["0.dcm", "1.dcm", "2.dcm"]
    assert measure_list(path) == MemberList(list_bytes(plain), is_zip64=True)
    path.write_bytes(as_zip64(plain, 1 << 40, between=bytes(100)))
    assert measure_list(path) == MemberList(1 << 40, is_zip64=True)
    path.write_bytes(as_zip64(plain, 1 << 40).replace(b"PK\x06\x06", b"PK\x06\x00"))
    assert measure_list(path) == MemberList(NOT_ZIP64, is_zip64=True)
    far = bytearray(as_zip64(plain, 77))
    struct.pack_into("<Q", far, far.rindex(b"PK\x06\x07") + 8, 1 << 63)  # no file reaches so far
    path.write_bytes(far)
    assert measure_list(path) == MemberList(77, is_zip64=True)


@pytest.mark.parametrize("data", [b"", b"PK", bytes(200), zipped(2)[:-5], b"PK\x05\x06"])
def test_no_end(tmp_path: Path, data: bytes) -> None:
    """Of what is no zip, or is cut short, nothing is said."""
    (tmp_path / "a.zip").write_bytes(data)
    assert measure_list(tmp_path / "a.zip") is None
