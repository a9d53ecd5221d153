"""NIfTI files of every kind: the same volume whatever the storage, and one line for everything that is none."""

import gzip
import math
import os
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.orientations import axcodes2ornt, ornt_transform

from ctexp.config import ScanSettings
from ctexp.errors import ScanError
from ctexp.scans import Volume, decode_nifti, prepare, read_scan, scan_suffix

AFFINE = np.array([[0.7, 0, 0, -12.0], [0, 0.9, 0, 30.0], [0, 0, 5.0, -400.0], [0, 0, 0, 1]])
HU = np.random.default_rng(3).integers(-1000, 1000, (6, 5, 4)).astype(np.float64) // 2 * 2
SETTINGS = [
    ScanSettings(shape=(8, 9, 10), geometry=geometry, resampling=resampling)
    for geometry in ("stretch", "physical")
    for resampling in ("linear", "area")
]
# Byte offsets of the NIfTI-1 header.
DIM, DATATYPE, PIXDIM, VOX_OFFSET, SLOPE, INTERCEPT = 40, 70, 76, 108, 112, 116
QFORM, SFORM, QUATERN, SROW, MAGIC = 252, 254, 256, 280, 344


def encode(
    *,
    codes: str = "RAS",
    dtype: Any = np.int16,
    slope: float = 1.0,
    intercept: float = 0.0,
    version: int = 1,
    endian: str = "<",
    hu: np.ndarray = HU,
    axes: int = 3,
) -> bytes:
    """Store the RAS volume `hu` in some way."""
    image_class, header_class = {
        1: (nib.Nifti1Image, nib.Nifti1Header),
        2: (nib.Nifti2Image, nib.Nifti2Header),
    }[version]
    turned = nib.Nifti1Image(hu, AFFINE).as_reoriented(ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes)))
    stored = ((turned.get_fdata() - intercept) / slope).astype(dtype)
    stored = stored.reshape(stored.shape + (1,) * (axes - 3))
    image = image_class(stored, turned.affine, header_class(endianness=endian))
    image.set_data_dtype(dtype)
    image.header.set_slope_inter(slope, intercept)
    return image.to_bytes()


def patch(data: bytes, offset: int, form: str, *values: float) -> bytes:
    """Overwrite some bytes."""
    changed = bytearray(data)
    struct.pack_into(form, changed, offset, *values)
    return bytes(changed)


PLAIN = encode()
EXPECTED = decode_nifti(PLAIN, "plain")
WITH_QFORM = nib.Nifti1Image.from_bytes(PLAIN)
WITH_QFORM.header.set_qform(AFFINE, code=1)
QFORM_ALONE = patch(WITH_QFORM.to_bytes(), SFORM, "<h", 0)


def assert_same(volume: Volume) -> None:
    """Compare HU, geometry and prepared arrays with those of the plain file."""
    np.testing.assert_array_equal(volume.hu, HU)
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-4)
    assert volume.spacing_mm == pytest.approx(EXPECTED.spacing_mm, rel=1e-6)
    for one in SETTINGS:
        np.testing.assert_allclose(prepare(volume, one), prepare(EXPECTED, one), atol=1e-5)


@pytest.mark.parametrize("codes", ["RAS", "LPS", "LAS", "RPI", "PIR", "SAR", "ASL", "IPL"])
def test_stored_order_does_not_matter(codes: str) -> None:
    """Any order and direction of the stored axes gives the same RAS volume."""
    assert_same(decode_nifti(encode(codes=codes), "scan"))


@pytest.mark.parametrize(
    ("dtype", "slope", "intercept"),
    [
        (np.int16, 1.0, 0.0),
        (np.int16, 2.0, 0.0),
        (np.int16, 0.5, -1024.0),
        (np.uint16, 1.0, -1024.0),
        (np.int32, 1.0, -24.0),
        (np.int64, 1.0, 0.0),
        (np.float32, 1.0, 0.0),
        (np.float32, 2.0, 8.0),
        (np.float64, 1.0, 0.0),
    ],
)
@pytest.mark.parametrize(("version", "endian"), [(1, "<"), (1, ">"), (2, "<"), (2, ">")])
def test_stored_numbers_do_not_matter(dtype: Any, slope: float, intercept: float, endian: str, version: int) -> None:
    """Any datatype, byte order, slope, intercept and NIfTI version gives the same volume."""
    data = encode(dtype=dtype, slope=slope, intercept=intercept, endian=endian, version=version, codes="LPS")
    assert struct.unpack(f"{endian}i", data[:4])[0] == {1: 348, 2: 540}[version]
    assert_same(decode_nifti(data, "scan"))


@pytest.mark.parametrize(("dtype", "low"), [(np.uint8, 0), (np.int8, -128)])
def test_eight_bits(dtype: Any, low: int) -> None:
    """Voxels of one byte with slope and intercept are HU like any other."""
    hu = np.arange(low, low + 120, dtype=np.float64).reshape(6, 5, 4) * 8 - 1000
    volume = decode_nifti(encode(dtype=dtype, slope=8.0, intercept=-1000.0, hu=hu), "scan")
    np.testing.assert_array_equal(volume.hu, np.where(hu <= -1024, -1000, hu))


@pytest.mark.parametrize("axes", [4, 5])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_one_volume_with_more_axes_is_3d(axes: int, pack: Callable[[bytes], bytes]) -> None:
    """Trailing axes of length 1 do not matter, packed or not."""
    assert_same(decode_nifti(pack(encode(axes=axes)), "scan"))


def test_one_way_of_saying_where_the_axes_point_is_enough() -> None:
    """A file with the qform alone, even an old one without its sign, is read as the same volume."""
    assert_same(decode_nifti(patch(PLAIN, QFORM, "<h", 0), "scan"))
    assert_same(decode_nifti(QFORM_ALONE, "scan"))
    assert_same(decode_nifti(patch(QFORM_ALONE, PIXDIM, "<f", 0.0), "scan"))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_offset_of_nothing_is_the_end_of_the_header(pack: Callable[[bytes], bytes]) -> None:
    """A file that does not say where its voxels start has them right behind the header, as the C library reads it."""
    data = patch(PLAIN, VOX_OFFSET, "<f", 0.0)
    assert_same(decode_nifti(pack(data[:348] + data[352:]), "scan"))


def test_extension_before_the_voxels() -> None:
    """Voxels that start behind a header extension are found."""
    image = nib.Nifti1Image.from_bytes(PLAIN)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"made by a scanner " * 20))
    for data in (image.to_bytes(), gzip.compress(image.to_bytes())):
        assert len(data) != len(PLAIN)
        assert_same(decode_nifti(data, "scan"))


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "a scan, größer 肺.NII.GZ", "packed.nii"])
def test_files_are_read_by_content(name: str, tmp_path: Path) -> None:
    """A name may have spaces, any script and any case, and need not say whether the file is packed."""
    path = tmp_path / name
    path.write_bytes(gzip.compress(PLAIN) if name != "scan.nii" else PLAIN)
    assert scan_suffix(path) == (".nii.gz" if name.lower().endswith("gz") else ".nii")
    assert_same(read_scan(path))


@pytest.mark.parametrize(
    ("name", "suffix"), [("a.nii", ".nii"), ("A.NII.GZ", ".nii.gz"), ("a.nii.zip", None), ("nii", None), ("a.gz", None)]
)
def test_suffix(name: str, suffix: str | None) -> None:
    """Only .nii and .nii.gz, in any case, are scans by name."""
    assert scan_suffix(Path("folder.nii") / name) == suffix


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
    with pytest.raises(ScanError, match=r"none\.nii: a scan must be a file, there is none"):
        read_scan(tmp_path / "none.nii")
    (tmp_path / "folder.nii").mkdir()
    with pytest.raises(ScanError, match=r"folder\.nii: a scan must be a NIfTI file or hold DICOM files, there is none"):
        read_scan(tmp_path / "folder.nii")
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


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1.0), ("unknown", 1.0), ("meter", 1000.0), ("micron", 0.001)])
def test_spacing_is_in_mm_whatever_the_headers_unit(unit: str, factor: float) -> None:
    """A header in metres or microns gives the same millimetres."""
    image = nib.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.diag([2 / factor, 2 / factor, 5 / factor, 1]))
    image.header.set_xyzt_units(unit)
    assert decode_nifti(image.to_bytes(), "scan").spacing_mm == pytest.approx((2, 2, 5))
