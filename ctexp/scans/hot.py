"""Which slices of a scan a heat map speaks of, and the part of them that the patient fills."""

import numpy as np
import numpy.typing as npt

from ctexp.scans.quality.anatomy import anatomy_of
from ctexp.scans.quality.coarse import strides
from ctexp.scans.views import pick_slices
from ctexp.scans.volume import Volume

_MARGIN_MM = 12.0


def hottest_slices(heat: npt.NDArray[np.float32], wanted: int) -> list[int]:
    """Choose slices by their heat, not all of one place: some distance lies between them.

    Args:
        heat: 3 axes, slices last, feet first.
        wanted: slices to choose; fewer where the scan has fewer.

    Returns:
        Their numbers from the head down; spread evenly where there is no heat.
    """
    count = heat.shape[2]
    left = heat.sum(axis=(0, 1), dtype=np.float64)
    if not left.any():
        return pick_slices(count, wanted)
    distance = max(1, count // (4 * wanted))
    chosen: list[int] = []
    while len(chosen) < min(wanted, count):
        hottest = int(left.argmax())
        if left[hottest] < 0:  # all that is left is near a chosen one
            break
        chosen.append(hottest)
        left[max(0, hottest - distance) : hottest + distance + 1] = -1.0
    return sorted(chosen, reverse=True)


def patient_box(volume: Volume) -> tuple[slice, slice]:
    """Give the part of x and of y that the patient fills, and a margin; all of both where no patient is found."""
    anatomy = anatomy_of(volume)
    if anatomy is None:
        return slice(0, volume.shape[0]), slice(0, volume.shape[1])
    box = []
    for axis in (0, 1):
        filled = np.flatnonzero(anatomy.body.any(axis=tuple({0, 1, 2} - {axis})))
        step, margin = strides(volume)[axis], round(_MARGIN_MM / volume.spacing_mm[axis])
        low, high = int(filled[0]) * step - margin, int(filled[-1]) * step + margin + 1
        box.append(slice(max(0, low), min(volume.shape[axis], high)))
    return box[0], box[1]
