"""NIfTI-1 and NIfTI-2 bytes to a `Volume`: every field is checked before a voxel is touched."""

import io
import logging
import math
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation, ornt2axcodes
from nibabel.spatialimages import HeaderDataError

from ctexp.errors import ScanError
from ctexp.scans.inflate import GZIP_MAGIC, Inflater
from ctexp.scans.volume import Volume

_UNITS_MM = {1: 1000.0, 3: 0.001}
"""Codes of the length units metre and micron; every other code is read as mm."""
SYNTHETIC_MARK = b"ctexp synthetic"
"""Begins the description in the header of a drawn scan."""
MAX_VOXELS = 1 << 30
"""1,000 slices of 1024x1024; a header that claims more is refused before memory is asked for."""

SPACING_MM = (1e-3, 1e3)
"""Beyond these a spacing is damage, and arithmetic in millimetres would overflow."""
MAX_STORED, MAX_SCALING = 1e20, 1e9
"""Beyond these voxels, and slope and intercept, are damage; within them HU fit into float32."""

# nibabel prints header findings to stderr on its own; here they become one error line or nothing.
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL + 1)


def decode_nifti(data: bytes, place: str) -> Volume:
    """Decode a whole `.nii` or `.nii.gz` file.

    Args:
        data: the file's bytes; gzip is recognised by its first bytes, not by a name.
        place: the file's name, for error messages.

    Returns:
        The volume in RAS+ axis order. 4D with a single volume counts as 3D.

    Raises:
        ScanError: what the file breaks: format, datatype, number of axes, spacing, orientation, size, finite voxels.
    """
    if not data:
        raise ScanError(f"{place}: a scan must have content, the file is empty")
    stream = Inflater(data, place) if data.startswith(GZIP_MAGIC) else None
    header_bytes = stream.read(4) if stream else data[:4]
    header_size = 540 if 540 in _both_endian(header_bytes) else 348
    header_bytes = header_bytes + stream.read(header_size - 4) if stream else data[:header_size]
    header = _parse_header(header_bytes, place)

    dtype = header.get_data_dtype()
    if dtype.kind not in "iuf" or dtype.fields is not None:
        raise ScanError(f"{place}: voxels must be single real numbers, datatype is {_kind_name(dtype)}")
    shape = _spatial_shape(header, place)
    affine = _checked_affine(header, place)
    count = math.prod(shape)
    if count > MAX_VOXELS:
        raise ScanError(f"{place}: at most {MAX_VOXELS:,} voxels are read, the header claims {count:,}")
    offset = _voxel_offset(header, header_size, place)
    size = count * dtype.itemsize
    if stream:
        if offset > header_size:
            stream.read(offset - header_size)
        voxels = stream.read(size)
        stream.close()
    else:
        voxels = data[offset : offset + size]
        if len(voxels) < size:
            raise ScanError(
                f"{place}: the file must hold {size} bytes of voxels, it has {len(voxels)}; "
                "copy the file again (a .hdr without its .img has none)"
            )
    stored = np.frombuffer(voxels, dtype=dtype).reshape(shape, order="F")
    slope, intercept = _scaling(header, place)
    _check_finite(stored, place)
    ornt = io_orientation(affine)
    turned = apply_orientation(stored, ornt)
    return Volume(
        turned,
        slope,
        intercept,
        affine @ inv_ornt_aff(ornt, shape),
        orientation="".join(ornt2axcodes(ornt)),
        synthetic=bytes(header["descrip"]).startswith(SYNTHETIC_MARK),
    )


def _both_endian(four: bytes) -> tuple[int, int]:
    return int.from_bytes(four, "little"), int.from_bytes(four, "big")


def _parse_header(header_bytes: bytes, place: str) -> nib.Nifti1Header:
    kind = {348: nib.Nifti1Header, 540: nib.Nifti2Header}
    size = next((n for n in _both_endian(header_bytes[:4]) if n in kind), None)
    if size is None or len(header_bytes) < size:
        raise ScanError(f"{place}: must be a NIfTI file (.nii or .nii.gz), its first bytes are no NIfTI header")
    try:
        header = kind[size].from_fileobj(io.BytesIO(header_bytes), check=False)
        magic = bytes(header["magic"])[:3]
        if magic in (b"ni1", b"ni2"):
            raise ScanError(f"{place}: must hold header and voxels in one file; this is the header of a .hdr/.img pair")
        if magic not in (b"n+1", b"n+2"):
            raise ScanError(f"{place}: must be a NIfTI file, its header's magic is {magic!r}")
        header.get_data_dtype()
    except (HeaderDataError, KeyError, ValueError, OverflowError) as error:
        if isinstance(error, ScanError):
            raise
        raise ScanError(f"{place}: the NIfTI header is damaged ({error})") from error
    return header


def _kind_name(dtype: np.dtype[np.generic]) -> str:
    if dtype.fields is not None:
        return "RGB (a colour picture)"
    return "complex" if dtype.kind == "c" else str(dtype)


def _spatial_shape(header: nib.Nifti1Header, place: str) -> tuple[int, int, int]:
    try:
        shape = header.get_data_shape()
    except HeaderDataError as error:
        raise ScanError(f"{place}: the header's size is damaged ({error})") from error
    trimmed = tuple(int(n) for n in shape)
    while len(trimmed) > 3 and trimmed[-1] == 1:
        trimmed = trimmed[:-1]
    if len(trimmed) != 3:
        words = f"{math.prod(trimmed[3:])} volumes" if len(trimmed) > 3 else f"{len(trimmed)} axes"
        raise ScanError(f"{place}: must be one 3D volume, the header says {words}: shape {shape}")
    if min(trimmed) < 2:
        raise ScanError(f"{place}: every axis must have at least 2 voxels, shape is {shape}")
    return trimmed[0], trimmed[1], trimmed[2]


def _checked_affine(header: nib.Nifti1Header, place: str) -> npt.NDArray[np.float64]:
    """Give the header's best affine (sform, else qform, else spacing alone) when it is a real geometry."""
    if header["pixdim"][0] == 0:  # files older than the sign of the qform have 0, which the standard reads as 1
        header["pixdim"][0] = 1
    with np.errstate(invalid="ignore"):  # a signalling NaN is refused below like any other
        zooms = np.asarray(header["pixdim"][1:4], dtype=np.float64)
    if not np.isfinite(zooms).all() or (zooms <= 0).any():
        raise ScanError(f"{place}: spacing must be finite and above 0 mm, the header says {zooms.tolist()}")
    try:
        affine = np.asarray(header.get_best_affine(), dtype=np.float64)
    except (HeaderDataError, ValueError, np.linalg.LinAlgError) as error:
        raise ScanError(f"{place}: the header's orientation is damaged ({error})") from error
    if not (np.abs(affine) < 1e6).all():  # false for NaN, too
        raise ScanError(f"{place}: the affine must be finite and below 1e6 mm, got {affine[:3].tolist()}")
    affine[:3] *= _UNITS_MM.get(int(header["xyzt_units"]) % 8, 1.0)
    lengths = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    if (lengths < SPACING_MM[0]).any() or (lengths > SPACING_MM[1]).any():
        raise ScanError(f"{place}: spacing must be from 0.001 to 1000 mm, the affine says {lengths.tolist()}")
    # The determinant of the unit axes is the volume they span: near 0 they lie in one plane and the frame is lost.
    if abs(np.linalg.det(affine[:3, :3] / lengths)) < 0.1 or np.isnan(io_orientation(affine)).any():
        raise ScanError(f"{place}: the affine's axes must span three directions, got {affine[:3].tolist()}")
    return affine


def _voxel_offset(header: nib.Nifti1Header, header_size: int, place: str) -> int:
    offset = float(header["vox_offset"])
    if not math.isfinite(offset) or not 0 <= offset <= 1 << 26:
        raise ScanError(f"{place}: vox_offset must be from 0 to 67108864 bytes, the header says {offset}")
    return max(int(offset), header_size + 4 if offset else header_size)


def _scaling(header: nib.Nifti1Header, place: str) -> tuple[float, float]:
    try:
        slope, intercept = header.get_slope_inter()
    except HeaderDataError as error:
        raise ScanError(f"{place}: the header's slope and intercept are damaged ({error})") from error
    if slope is None:
        return 1.0, 0.0
    if max(abs(slope), abs(intercept)) > MAX_SCALING:
        raise ScanError(f"{place}: slope and intercept must be at most 1e9, the header says {slope} and {intercept}")
    return float(slope), float(intercept)


def _check_finite(stored: npt.NDArray[Any], place: str) -> None:
    if stored.dtype.kind != "f":
        return
    broken = int(stored.size - np.count_nonzero((stored > -MAX_STORED) & (stored < MAX_STORED)))
    if broken:
        raise ScanError(f"{place}: voxels must be finite, {broken:,} are NaN, infinite or beyond 1e20")
