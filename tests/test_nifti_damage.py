"""Damaged, absurd and hostile NIfTI files: one line for everything that is no volume."""

import gzip
import math
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from helpers.nifti_files import (
    DATATYPE,
    DIM,
    INTERCEPT,
    MAGIC,
    PIXDIM,
    PLAIN,
    QFORM_ALONE,
    QUATERN,
    SETTINGS,
    SLOPE,
    SROW,
    VOX_OFFSET,
    assert_same,
    encode,
    patch,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from ctexp.errors import ScanError
from ctexp.scans import decode_nifti, prepare, read_scan

NAN, INF = math.nan, math.inf
HARD: dict[str, tuple[bytes, str | None]] = {
    # name: (content, what the message says, or None where the file is read)
    "empty": (b"", "the file is empty"),
    "two bytes": (b"ab", "no NIfTI header"),
    "text": (b"This is not a scan.\n" * 40, "no NIfTI header"),
    "half a header": (PLAIN[:200], "no NIfTI header"),
    "header only": (PLAIN[:348], "bytes of voxels"),
    "one voxel missing": (PLAIN[:-2], "bytes of voxels"),
    "bytes after the voxels": (PLAIN + b"tail", None),
    "pair": (patch(PLAIN, MAGIC, "4s", b"ni1\0"), r"\.hdr/\.img pair"),
    "magic": (patch(PLAIN, MAGIC, "4s", b"abc\0"), "magic"),
    "datatype 0": (patch(PLAIN, DATATYPE, "<h", 0), "datatype|damaged|voxels"),
    "datatype 99": (patch(PLAIN, DATATYPE, "<h", 99), "damaged"),
    "datatype 1": (patch(PLAIN, DATATYPE, "<h", 1), "voxels must be single real numbers|damaged"),
    "complex": (patch(PLAIN, DATATYPE, "<h", 32), "datatype is complex"),
    "colour": (patch(PLAIN, DATATYPE, "<h", 128), "RGB"),
    "colour and alpha": (patch(PLAIN, DATATYPE, "<h", 2304), "RGB"),
    "zero spacing": (patch(PLAIN, PIXDIM + 4, "<f", 0.0), "spacing must be finite and above 0"),
    "negative spacing": (patch(PLAIN, PIXDIM + 8, "<f", -1.0), "spacing must be finite and above 0"),
    "NaN spacing": (patch(PLAIN, PIXDIM + 12, "<f", NAN), "spacing must be finite and above 0"),
    "spacing of a mountain": (patch(PLAIN, SROW, "<f", 2e3), "spacing must be from"),
    "spacing of an atom": (patch(PLAIN, SROW, "<f", 1e-7), "spacing must be from"),
    "NaN affine": (patch(PLAIN, SROW + 4, "<f", NAN), "affine must be finite"),
    "infinite affine": (patch(PLAIN, SROW + 12, "<f", INF), "affine must be finite"),
    "two axes in one direction": (patch(PLAIN, SROW, "<12f", 1, 1, 0, 0, 0, 1e-3, 0, 0, 0, 0, 1, 0), "three direct"),
    "zero affine": (patch(PLAIN, SROW, "<12f", *[0] * 12), "spacing must be from"),
    "several volumes": (patch(PLAIN, DIM, "<5h", 4, 6, 5, 2, 2), "2 volumes"),
    "five axes": (patch(PLAIN, DIM, "<6h", 5, 6, 5, 2, 1, 2), "2 volumes"),
    "two axes": (patch(PLAIN, DIM, "<3h", 2, 6, 20), "2 axes"),
    "no axes": (patch(PLAIN, DIM, "<h", 0), "axes"),
    "absurd number of axes": (patch(PLAIN, DIM, "<h", 31000), "no NIfTI|damaged|axis|volumes"),
    "one slice": (patch(PLAIN, DIM, "<4h", 3, 6, 20, 1), "at least 2 voxels"),
    "negative axis": (patch(PLAIN, DIM, "<4h", 3, 6, -5, 4), "at least 2 voxels"),
    "minus one axis": (patch(PLAIN, DIM, "<4h", 3, -1, 1, 1), "size is damaged"),
    "terabytes": (patch(PLAIN, DIM, "<4h", 3, 32767, 32767, 32767), "at most .* voxels are read"),
    "gigabytes": (patch(PLAIN, DIM, "<4h", 3, 1000, 1000, 1000), "must hold 2000000000 bytes"),
    "offset beyond the end": (patch(PLAIN, VOX_OFFSET, "<f", 1e6), "bytes of voxels"),
    "absurd offset": (patch(PLAIN, VOX_OFFSET, "<f", 1e12), "vox_offset"),
    "negative offset": (patch(PLAIN, VOX_OFFSET, "<f", -352.0), "vox_offset"),
    "quaternion longer than one": (patch(QFORM_ALONE, QUATERN, "<3f", 1, 1, 1), "orientation is damaged"),
    "impossible sign": (patch(QFORM_ALONE, PIXDIM, "<f", 5.0), "orientation is damaged"),
    "NaN offset": (patch(PLAIN, VOX_OFFSET, "<f", NAN), "vox_offset"),
    "NaN slope": (patch(PLAIN, SLOPE, "<f", NAN), None),
    "zero slope": (patch(PLAIN, SLOPE, "<f", 0.0), None),
    "huge slope": (patch(PLAIN, SLOPE, "<f", 1e30), "slope and intercept must be at most"),
    "NaN intercept": (patch(PLAIN, INTERCEPT, "<f", NAN), "slope and intercept are damaged"),
    "huge intercept": (patch(PLAIN, INTERCEPT, "<f", -1e30), "slope and intercept must be at most"),
    "NaN voxel": (patch(encode(dtype=np.float32), 352, "<f", NAN), "1 are NaN"),
    "infinite voxels": (patch(encode(dtype=np.float64), 352, "<2d", INF, -INF), "2 are NaN"),
    "voxel beyond float32": (patch(encode(dtype=np.float64), 352, "<d", -1e300), "1 are NaN"),
    "gzip of nothing": (gzip.compress(b""), "gzip archive is cut short"),
    "gzip of text": (gzip.compress(b"This is not a scan.\n" * 40), "no NIfTI header"),
    "gzip magic alone": (b"\x1f\x8b", "gzip"),
    "gzip cut": (gzip.compress(PLAIN)[:-30], "gzip"),
    "gzip header only": (gzip.compress(PLAIN[:348]), "gzip archive is cut short"),
    "gzip of gigabytes": (gzip.compress(patch(PLAIN, DIM, "<4h", 3, 1000, 1000, 1000)), "gzip archive is cut short"),
    "two gzip members": (gzip.compress(PLAIN[:400]) + gzip.compress(PLAIN[400:]), None),
    "garbage after gzip": (gzip.compress(PLAIN) + b"\0garbage", None),
    "gzip twice": (gzip.compress(gzip.compress(PLAIN)), "gzip archive is cut short|no NIfTI header"),
}


@pytest.mark.parametrize("name", HARD)
def test_hard_files(name: str, tmp_path: Path) -> None:
    """A damaged file raises one line, `path: rule, value`, in little memory; one that only looks damaged is read."""
    content, says = HARD[name]
    path = tmp_path / f"{name}.nii"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        if says is None:
            assert_same(read_scan(path))
            return
        with pytest.raises(ScanError, match=says) as caught:
            read_scan(path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_every_cut_of_a_packed_scan_is_noticed() -> None:
    """A download that broke off anywhere is never taken for a scan."""
    packed = gzip.compress(PLAIN)
    for cut in range(len(packed)):
        with pytest.raises(ScanError, match=r"^scan: "):
            decode_nifti(packed[:cut], "scan")


def test_what_is_no_file(tmp_path: Path) -> None:
    """A missing file and a folder without scans are named as what they are."""
    with pytest.raises(ScanError, match=r"none\.nii: a scan must be a file or a folder, there is none"):
        read_scan(tmp_path / "none.nii")
    (tmp_path / "folder.nii").mkdir()
    with pytest.raises(ScanError, match=r"folder\.nii: a scan must be a NIfTI file or hold DICOM files, there is none"):
        read_scan(tmp_path / "folder.nii")
    inner = tmp_path / "folder.nii" / "CT-0" / "b.nii.gz"
    inner.parent.mkdir()
    inner.touch()
    (inner.parent / "notes.txt").touch()
    with pytest.raises(ScanError) as told:
        read_scan(tmp_path / "folder.nii")
    rule = "a scan must be a NIfTI file or hold DICOM files, this folder holds NIfTI files (1); name the file: "
    assert str(told.value) == f"{tmp_path / 'folder.nii'}: {rule}{inner}"
    with pytest.raises(ScanError, match="must be readable"):
        read_scan(tmp_path / ("long" * 200 + ".nii"))
    with (tmp_path / "huge.nii").open("wb") as stream:
        stream.truncate((4 << 30) + 1)  # a hole, no bytes on the disk
    with pytest.raises(ScanError, match="at most 4 GiB"):
        read_scan(tmp_path / "huge.nii")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads every file")
def test_file_without_permission(tmp_path: Path) -> None:
    """A file that may not be read raises the same kind of line."""
    path = tmp_path / "locked.nii"
    path.write_bytes(PLAIN)
    path.chmod(0)
    with pytest.raises(ScanError, match=r"locked\.nii: must be readable"):
        read_scan(path)


HEADERS = [
    encode(dtype=dtype, version=version, endian=endian)
    for dtype in (np.int16, np.float64)
    for version in (1, 2)
    for endian in ("<", ">")
]


@settings(max_examples=150)
@given(
    st.sampled_from(HEADERS),
    st.lists(st.tuples(st.integers(0, 560), st.one_of(st.sampled_from([0, 1, 127, 128, 255]), st.integers(0, 255)))),
)
@pytest.mark.filterwarnings("error")
def test_any_header_is_read_or_refused(data: bytes, changes: list[tuple[int, int]]) -> None:
    """Whatever bytes a header has, the file is read into finite numbers or refused by one line, without a warning."""
    changed = bytearray(data)
    for place, value in changes:
        changed[place] = value
    try:
        volume = decode_nifti(bytes(changed), "scan")
    except ScanError as error:
        message = str(error)
    else:
        message = "scan: "
        assert np.isfinite(volume.hu).all()
        for one in SETTINGS:
            array = prepare(volume, one)
            assert array.shape == one.shape
            assert 0 <= array.min() <= array.max() <= 1
    assert message.startswith("scan: ")
    assert "\n" not in message
