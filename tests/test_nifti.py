"""NIfTI files of every kind: the same volume whatever the storage."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from helpers.nifti_files import (
    PIXDIM,
    PLAIN,
    QFORM,
    QFORM_ALONE,
    VOX_OFFSET,
    assert_same,
    encode,
    patch,
)

from ctexp.scans import decode_nifti, read_scan, scan_suffix


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


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1.0), ("unknown", 1.0), ("meter", 1000.0), ("micron", 0.001)])
def test_spacing_is_in_mm_whatever_the_headers_unit(unit: str, factor: float) -> None:
    """A header in metres or microns gives the same millimetres."""
    image = nib.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.diag([2 / factor, 2 / factor, 5 / factor, 1]))
    image.header.set_xyzt_units(unit)
    assert decode_nifti(image.to_bytes(), "scan").spacing_mm == pytest.approx((2, 2, 5))
