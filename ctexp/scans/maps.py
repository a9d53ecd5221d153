"""A map of numbers 0 to 1 as NIfTI that lies exactly on the scan it was made of."""

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform

from ctexp.files import atomic_write
from ctexp.scans.volume import Volume

LEVELS = 255
_GZIP_LEVEL = 3


def in_file_order(volume: Volume) -> npt.NDArray[np.float64]:
    """Give the (3, 2) orientation (nibabel's: axis, 1 or -1) that turns the volume's axes into its file's."""
    wanted = axcodes2ornt(volume.orientation or "RAS")
    turn: npt.NDArray[np.float64] = ornt_transform(io_orientation(volume.affine), wanted)
    return turn


def write_map(path: Path, values: npt.NDArray[np.float32], volume: Volume, description: str) -> None:
    """Write a map as NIfTI with its scan's shape, axes and affine, so that it opens over the scan in any viewer.

    256 levels are kept, which viewers turn back into 0 to 1 by the header's slope.

    Args:
        path: the file to write, `.nii.gz`; whole or not at all.
        values: (x, y, z) float32 from 0 to 1 on the volume's grid.
        volume: the scan.
        description: of at most 79 ASCII characters, kept in the header.

    Raises:
        OSError: the disk does not take it.
    """
    turn = in_file_order(volume)
    levels = apply_orientation(np.rint(values * np.float32(LEVELS)).astype(np.uint8), turn)
    affine = volume.affine @ inv_ornt_aff(turn, values.shape)
    kind: Any = nib.Nifti1Image  # nibabel is typed in part only
    image = kind(levels, affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = description.encode("ascii", "replace")[:79]
    image.header.set_slope_inter(1.0 / LEVELS, 0.0)
    image.header["cal_max"] = 1.0
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    if not np.allclose(image.get_qform(), affine, atol=1e-2):  # quaternions hold no shear, the sform does
        image.set_qform(None, code=0)
    with atomic_write(path) as stream:
        stream.write(gzip.compress(image.to_bytes(), compresslevel=_GZIP_LEVEL, mtime=0))
