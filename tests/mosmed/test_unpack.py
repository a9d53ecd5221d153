"""Archives that mean no good, or are broken: one clear error, nothing outside the folder, no full disk."""

import io
import os
import shutil
import stat
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.datasets.mosmed import unpack
from ctexp.datasets.mosmed.layout import place_of
from ctexp.datasets.mosmed.unpack import open_archive
from ctexp.errors import DataError, WorkError


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A tiny NIfTI file."""
    import nibabel as nib
    import numpy as np

    path = tmp_path_factory.mktemp("scan") / "scan.nii"
    hu = np.random.default_rng(0).integers(-1000, 500, (6, 5, 4)).astype(np.int16)
    nib.save(nib.Nifti1Image(hu, np.eye(4)), path)
    return path.read_bytes()


def zipped(members: dict[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data, compress_type=method)
    return buffer.getvalue()


def unpacked(tmp_path: Path, data: bytes, hint: str | None = None) -> dict[str, int]:
    """Unpack a zip into `tmp_path/in/out`."""
    folder = tmp_path / "in" / "out"
    folder.mkdir(parents=True)
    (tmp_path / "given.zip").write_bytes(data)
    with open_archive(tmp_path / "given.zip", hint, "given.zip") as archive:
        return archive.unpack(folder, lambda done, every: None)


def files(folder: Path) -> set[str]:
    """All files below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def linked(name: str, mode: int = stat.S_IFLNK) -> zipfile.ZipInfo:
    """A member that claims to be a link, or what `mode` says."""
    info = zipfile.ZipInfo(name)
    info.external_attr = (mode | 0o777) << 16
    return info


def patched(data: bytes, name: str, offset: int, form: str, value: int, *, local: int | None = None) -> bytes:
    """Change a field of a member's entry in the central directory, and at offset `local` of its own header."""
    changed = bytearray(data)
    at = data.rindex(name.encode()) - 46
    assert data[at : at + 4] == b"PK\x01\x02"
    struct.pack_into(form, changed, at + offset, value)
    if local is not None:
        struct.pack_into(form, changed, data.index(name.encode()) - 30 + local, value)
    return bytes(changed)


def test_scans_are_taken_and_nothing_else(tmp_path: Path, scan: bytes) -> None:
    """The layout of the subset and of the full set; masks, hidden files and papers stay behind; nothing can be run."""
    program = linked("CT-0/deeper/b.nii.gz", stat.S_IFREG)
    data = zipped(
        {
            "CT-0/": b"",
            "CT-0/a.nii": scan,
            program: b"gz",
            "MosMed/studies/CT-4/c.NII.GZ": b"gz",
            "ct-1\\d.nii": scan,
            "masks/CT-1/study_mask.nii.gz": b"gz",
            "__MACOSX/CT-0/._a.nii": b"x",
            "CT-0/.hidden.nii": b"x",
            "CT-0/run.sh": b"x",
            "LICENSE": b"x",
        }
    )
    assert unpacked(tmp_path, data) == {"CT-0": 2, "CT-1": 1, "CT-4": 1}
    out = tmp_path / "in/out"
    assert files(out) == {"CT-0/a.nii", "CT-0/deeper/b.nii.gz", "CT-4/c.NII.GZ", "CT-1/d.nii"}
    assert (out / "CT-0/a.nii").read_bytes() == scan
    assert not any(os.access(out / file, os.X_OK) for file in files(out))


def test_the_archives_name_is_a_class(tmp_path: Path, scan: bytes) -> None:
    """`CT-0.zip` with bare files in it, or in a folder of any name, is a class; each scan its own patient."""
    assert unpacked(tmp_path, zipped({"a.nii": scan, "new folder/b.nii": scan}), hint="CT-0") == {"CT-0": 2}
    assert files(tmp_path / "in/out") == {"CT-0/a.nii", "CT-0/b.nii"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("/etc/a.nii", "a name must be relative"),
        ("//host/share/a.nii", "a name must be relative"),
        ("\\\\host\\a.nii", "a name must be relative"),
        ("C:\\CT-0\\a.nii", "a name must be relative"),
        ("c:a.nii", "a name must be relative"),
        ("../../CT-0/a.nii", "a name must not lead upwards"),
        ("CT-0/../../../a.nii", "a name must not lead upwards"),
        ("CT-0\\..\\..\\a.nii", "a name must not lead upwards"),
        ("CT-0/..", "a name must not lead upwards"),
        ("../readme.txt", "a name must not lead upwards"),
        ("CT-0/a\x1b[31m.nii", "a name must be without control characters"),
        ("CT-0/a\u2028b.nii", "a name must be without control characters"),
        ("CT-0/a\u202etxt.nii", "a name must be without control characters"),
        ("other/a.nii", r"a scan must lie in a class folder \(CT-0, .*\)"),
        (linked("CT-0/a.nii"), "must be a file or a folder, this is a link or a device"),
        (linked("CT-0"), "must be a file or a folder"),
        (linked("CT-0/a.nii", stat.S_IFIFO), "must be a file or a folder"),
        (linked("CT-0/a.nii", stat.S_IFCHR), "must be a file or a folder"),
    ],
    ids=str,
)
def test_nothing_leaves_the_folder(tmp_path: Path, scan: bytes, name: str | zipfile.ZipInfo, says: str) -> None:
    """One member that no honest archive has, and none is unpacked: not even the good ones."""
    with pytest.raises(DataError, match=rf"^given\.zip: .*{says}.*; nothing was unpacked$") as caught:
        unpacked(tmp_path, zipped({"CT-0/good.nii": scan, name: b"/etc/passwd"}))
    assert str(caught.value).isascii()
    assert files(tmp_path) == {"given.zip"}


def test_names_that_are_one_on_some_disks(tmp_path: Path, scan: bytes) -> None:
    """Two members for one file, also where the disk does not tell letter cases apart, are refused."""
    for other in ("CT-0/A.nii", "ct-0/a.NII", "x/CT-0/a.nii"):
        with pytest.raises(DataError, match="must be there once, another member has the same name"):
            unpacked(tmp_path / other.replace("/", "-"), zipped({"CT-0/a.nii": scan, other: scan}))


def test_a_bomb_by_its_announcement(tmp_path: Path) -> None:
    """Zeros without end are refused by the sizes in the directory."""
    with pytest.raises(DataError, match=r"at most 64 GiB and 200 times its size, got 20,000,000 bytes out of"):
        unpacked(tmp_path, zipped({"CT-0/a.nii": bytes(20_000_000)}))
    assert files(tmp_path) == {"given.zip"}


def test_a_bomb_of_many_members_of_one_content(tmp_path: Path) -> None:
    """Members that share their bytes count once each."""
    data = bytearray(zipped({f"CT-0/{number:03}.nii": bytes(3_000) for number in range(40)}))
    ends = data.rindex(b"PK\x05\x06")
    begins = struct.unpack_from("<L", data, ends + 16)[0]
    at = begins
    while at < ends:  # all entries point to the first member's bytes
        struct.pack_into("<L", data, at + 42, 0)
        at += 46 + struct.unpack_from("<H", data, at + 28)[0]
    squeezed = bytearray(data[:30] + data[30 : data.index(b"PK\x03\x04", 4)] + data[begins:])
    struct.pack_into("<L", squeezed, squeezed.rindex(b"PK\x05\x06") + 16, squeezed.index(b"PK\x01\x02"))
    with pytest.raises(DataError, match=r"must (be whole|unpack to)"):
        unpacked(tmp_path, bytes(squeezed))


def test_a_bomb_that_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than was announced never reaches the disk."""
    data = zipped({"CT-0/a.nii": bytes(20_000_000)})
    for number, announced in enumerate((100, 1_000_000)):
        lie = patched(data, "CT-0/a.nii", 24, "<L", announced, local=22)
        with pytest.raises(DataError, match=r"CT-0/a\.nii: must be whole"):
            unpacked(tmp_path / str(number), lie)
        assert sum(file.stat().st_size for file in (tmp_path / str(number) / "in").rglob("*.nii")) <= announced
    monkeypatch.setattr(unpack.Archive, "_chunks", lambda self, member: iter([b"x" * 70, b"x" * 70]))
    with pytest.raises(DataError, match="must have the size announced, more comes out"):
        unpacked(tmp_path / "reader", zipped({"CT-0/a.nii": bytes(100)}))


def test_memory_stays_bounded(tmp_path: Path, scan: bytes) -> None:
    """A huge announced directory is refused before it is read; a large member is never held whole."""
    data = bytearray(zipped({"CT-0/a.nii": scan}))
    struct.pack_into("<L", data, data.rindex(b"PK\x05\x06") + 12, 0xF0000000)
    with pytest.raises(DataError, match="must list its members in 16 MiB, got 4,026,531,840 bytes"):
        unpacked(tmp_path / "directory", bytes(data))
    noise = os.urandom(100_000)
    large = zipped({"CT-0/a.nii": noise + bytes(15_000_000)})
    tracemalloc.start()
    try:
        unpacked(tmp_path / "large", large)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_whose_readers_are_not_bounded(tmp_path: Path, scan: bytes, method: int) -> None:
    """bzip2 and LZMA members could inflate to gigabytes in one read."""
    with pytest.raises(DataError, match=f"must be stored or deflated, method {method} is not"):
        unpacked(tmp_path, zipped({"CT-0/a.nii": scan}, method))


def test_encrypted_members(tmp_path: Path, scan: bytes) -> None:
    """No password is asked for."""
    with pytest.raises(DataError, match="must not be encrypted; give an archive without a password"):
        unpacked(tmp_path, patched(zipped({"CT-0/a.nii": scan}), "CT-0/a.nii", 8, "<H", 1, local=6))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_wrong_checksum(tmp_path: Path, scan: bytes, method: int) -> None:
    """A member whose bytes are not those that were packed is refused."""
    data = patched(zipped({"CT-0/a.nii": scan}, method), "CT-0/a.nii", 16, "<L", zlib.crc32(scan) ^ 1, local=14)
    with pytest.raises(DataError, match=r"^given\.zip: CT-0/a\.nii: must be whole: Bad CRC-32"):
        unpacked(tmp_path, data)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "must be a zip that can be read: File is not a zip file"),
        (b"PK\x03\x04" + bytes(1000), "must be a zip that can be read: File is not a zip file"),
        (zipped({}), "must hold scans"),
        (zipped({"CT-0/": b"", "masks/CT-0/a.nii": b"x"}), r"must hold scans \(\.nii or \.nii\.gz\), it has none"),
    ],
    ids=["empty", "cut", "nothing", "no scans"],
)
def test_no_archive_of_scans(tmp_path: Path, data: bytes, says: str) -> None:
    """What is no zip, or a zip of something else, is told apart."""
    with pytest.raises(DataError, match=says):
        unpacked(tmp_path, data)


def test_the_disk_is_asked_first(tmp_path: Path, scan: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is unpacked onto a disk that is full before the end."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 256 << 20))
    with pytest.raises(WorkError, match=r"must have room for 0 MB and some more, 268 MB are free"):
        unpacked(tmp_path, zipped({"CT-0/a.nii": scan}))
    assert files(tmp_path) == {"given.zip"}


@given(st.data())
def test_a_damaged_archive_is_one_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Wherever bytes are changed, the answer is the scans as they were or a DataError of one line."""
    whole = bytearray(zipped({"CT-0/a.nii": b"scan" * 50, "masks/b.nii": b"x"}))
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=6)):
        whole[at] = value
    folder = tmp_path_factory.mktemp("damaged")
    line = ""
    try:
        unpacked(folder, bytes(whole[: data.draw(st.integers(len(whole) // 2, len(whole)))]))
    except DataError as error:
        line = str(error)
    assert len(line.splitlines()) <= 1
    assert line or all(file.read_bytes() in (b"scan" * 50, b"x") for file in (folder / "in").rglob("*.nii"))
    assert {path.parts[0] for path in map(PurePosixPath, files(folder))} <= {"in", "given.zip"}


@given(st.lists(st.sampled_from(["CT-0", "ct-23", "studies", "masks", ".x", "a.nii", "b.nii.gz", "c.txt"]), min_size=1))
def test_a_place_is_always_in_its_class(parts: list[str]) -> None:
    """Whatever the path, a scan's place begins with a class and keeps the file's name."""
    place = place_of(tuple(parts), "CT-1")
    if place is None:
        assert not parts[-1].endswith((".nii", ".nii.gz")) or {"masks", ".x"} & set(parts)
    else:
        assert place.parts[0] in {"CT-0", "CT-1", "CT-23"}
        assert place.name == parts[-1]
