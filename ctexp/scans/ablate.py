"""A prepared scan without its lungs, or without its patient: what is left can be no pneumonia."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ctexp.config import ScanSettings
from ctexp.scans.frame import as_picture
from ctexp.scans.quality.anatomy import AIR_HU as LUNG_HU
from ctexp.scans.quality.anatomy import BODY_HU, find_anatomy
from ctexp.scans.quality.coarse import Coarse
from ctexp.scans.volume import AIR_HU

REACH_MM = 8.0
"""Added round lungs and body: a voxel at an edge holds a part of what lies within."""
SOFT_HU = (-200.0, 300.0)

Prepared = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Ablations:
    """Two versions of a prepared scan, each (rows, columns, slices) float32 in 0..1.

    Attributes:
        without_lungs: lungs and what is between their parts filled with the body's median soft tissue; None where no
            lungs were found.
        without_body: the patient turned into air; table, clothes, air and padding remain.
    """

    without_lungs: Prepared | None
    without_body: Prepared


def ablate(prepared: Prepared, settings: ScanSettings, extent_mm: tuple[float, float, float]) -> Ablations | None:
    """Take lungs, or the whole patient, out of a prepared scan.

    Disease changes the lung's shape, too: a consolidated part is no air any more, and a mask of what is air would show
    where it lies. So each lung is filled from its first to its last voxel along every axis and 8 mm beyond, and the
    filling is soft tissue: a consolidation that is left outside looks like the filling, and no outline remains. Heart,
    chest wall, bones and abdomen stay.

    Args:
        prepared: (rows, columns, slices) float32 in 0..1, as `prepare` gives it.
        settings: how it was prepared; the window must hold -500 to 300 HU.
        extent_mm: what rows, columns and slices cover.

    Returns:
        None where no body was found, or where the window leaves none to be seen.
    """
    low, high = settings.window_hu
    if low >= BODY_HU or high <= LUNG_HU:
        return None
    picture_mm = tuple(mm / count for mm, count in zip(extent_mm, prepared.shape, strict=True))
    spacing_mm = (picture_mm[1], picture_mm[0], picture_mm[2])
    hu = np.ascontiguousarray(as_picture(prepared)) * np.float32(high - low) + np.float32(low)
    anatomy = find_anatomy(Coarse(hu, spacing_mm))
    if anatomy is None:
        return None
    air = np.float32(np.clip((AIR_HU - low) / (high - low), 0, 1))
    without_body = np.where(as_picture(_grown(anatomy.body, spacing_mm)), air, prepared)
    soft = hu[anatomy.body & ~anatomy.lungs]
    soft = soft[(soft > SOFT_HU[0]) & (soft < SOFT_HU[1])]
    if not anatomy.lungs.any() or not soft.size:
        return Ablations(None, without_body)
    whole = np.zeros_like(anatomy.lungs)
    for half in (slice(None, anatomy.middle), slice(anatomy.middle, None)):
        whole[half] = _filled(anatomy.lungs[half])
    tissue = np.float32((float(np.median(soft)) - low) / (high - low))
    inside = _grown(whole, spacing_mm) & anatomy.body
    return Ablations(np.where(as_picture(inside), tissue, prepared), without_body)


def _filled(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Fill between the first and the last point of each line, along z, then x, then y."""
    for axis in (2, 0, 1):
        after_first = np.logical_or.accumulate(mask, axis=axis)
        before_last = np.flip(np.logical_or.accumulate(np.flip(mask, axis), axis=axis), axis)
        mask = after_first & before_last
    return mask


def _grown(mask: npt.NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> npt.NDArray[np.bool_]:
    """Add all within 8 mm, and at least the next voxel within the slice."""
    reach = max(REACH_MM, 1.01 * max(spacing_mm[:2]))
    distance = ndimage.distance_transform_edt(~mask, sampling=spacing_mm)
    grown: npt.NDArray[np.bool_] = np.asarray(distance) <= reach
    return grown if mask.any() else mask
