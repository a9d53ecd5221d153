"""One small volume, stored as NIfTI in every way."""

import struct
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, ornt_transform

from ctexp.config import ScanSettings
from ctexp.scans import Volume, decode_nifti, prepare

AFFINE = np.array([[0.7, 0, 0, -12.0], [0, 0.9, 0, 30.0], [0, 0, 5.0, -400.0], [0, 0, 0, 1]])
HU = np.random.default_rng(3).integers(-1000, 1000, (6, 5, 4)).astype(np.float64) // 2 * 2
SETTINGS = [
    ScanSettings(shape=(8, 9, 10), geometry=geometry, resampling=resampling)
    for geometry in ("stretch", "physical", "lungs")
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
