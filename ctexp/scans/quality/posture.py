"""Does the header tell head from feet, front from back, right from left as the anatomy does?

One landmark an axis, each measured on real and synthetic scans: the bone that runs along the body lies at the back;
the lungs' lower end is a thin rim round the domes of the diaphragm, their upper end is compact and narrower; the heart
lies to the left. Nobody is refused for the last: there are hearts on the right (situs inversus).
"""

import numpy as np
import numpy.typing as npt

from ctexp.scans.quality.anatomy import Anatomy
from ctexp.scans.quality.findings import Finding

BACK = (0.45, 0.58)
"""Place of the spine from back (0) to front (1): warned of and refused from here on; it is 0.2 to 0.35."""
SIDE = 0.12
"""A spine further than this from the middle, of the body's width, with none of its depth, lies at a side."""
RIM = 1.5
"""How much thinner one end of the lungs must be than the other to be the base; it is 2 to 3 times."""
HEART_MM = 5.0
"""The heart's middle lies 4 to 18 mm to the left of the chest's."""


def posture_findings(anatomy: Anatomy) -> list[Finding]:
    """Judge the directions of the three axes. Lungs must be there, and whole."""
    findings = []
    turned = _sideways(anatomy) or _back_to_front(anatomy)
    if turned:
        findings.append(turned)
    upside_down = _upside_down(anatomy)
    if upside_down:
        findings.append(upside_down)
    if not findings:  # where the heart lies is only known in a chest that is the right way round
        mirrored = _mirrored(anatomy)
        if mirrored:
            findings.append(mirrored)
    return findings


def _sideways(anatomy: Anatomy) -> Finding | None:
    if anatomy.spine is None:
        return None
    across, along = _place(anatomy, 0), _place(anatomy, 1)
    if abs(across - 0.5) < SIDE or abs(along - 0.5) > SIDE:
        return None
    width, depth = (_box(anatomy, axis) for axis in (0, 1))
    deep = depth[1] * anatomy.coarse.spacing_mm[1] > 1.1 * width[1] * anatomy.coarse.spacing_mm[0]
    text = f"the spine must lie at the back, it lies at the {'right' if across > 0.5 else 'left'}: x and y exchanged?"
    return Finding("sideways", "refuse" if deep else "warn", text)


def _box(anatomy: Anatomy, axis: int) -> tuple[int, int]:
    """First point of the body along an axis, and how many there are from it to the last."""
    used = np.flatnonzero(anatomy.body.any(axis=tuple(other for other in range(3) if other != axis)))
    return int(used[0]), int(used[-1] - used[0]) + 1


def _place(anatomy: Anatomy, axis: int) -> float:
    """Place of the spine within the body along x (0) or y (1), from 0 to 1."""
    assert anatomy.spine is not None  # noqa: S101 - both callers looked
    first, count = _box(anatomy, axis)
    return (anatomy.spine[axis] - first) / max(1, count - 1)


def _back_to_front(anatomy: Anatomy) -> Finding | None:
    if anatomy.spine is None:
        return None
    place = _place(anatomy, 1)
    if place < BACK[0]:
        return None
    text = f"the spine must lie at the back, it lies {place:.0%} of the way to the front: front and back exchanged?"
    return Finding("back-to-front", "refuse" if place >= BACK[1] else "warn", text)


def _upside_down(anatomy: Anatomy) -> Finding | None:
    areas = anatomy.lung_areas
    used = np.flatnonzero(areas > 0.1 * areas.max())
    fifth = max(1, len(used) // 5)
    low, high = used[:fifth], used[-fifth:]
    filled = [_fill(anatomy.lungs[:, :, part]) for part in (low, high)]
    width = [_width(anatomy.lungs[:, :, part]) for part in (low, high)]
    if filled[0] < RIM * filled[1]:
        return None
    narrower = width[0] < 0.95 * width[1]
    text = (
        f"the lungs' compact, narrow end must point to the head; at the foot end they fill {filled[0]:.0%} of the box "
        f"round them, at the head end {filled[1]:.0%}: upside down?"
    )
    return Finding("upside-down", "refuse" if narrower else "warn", text)


def _fill(lungs: npt.NDArray[np.bool_]) -> float:
    """Share of the box round the lungs that they fill, mean over slices (x, y, slices)."""
    shares = []
    for number in range(lungs.shape[2]):
        plane = lungs[:, :, number]
        x, y = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
        shares.append(plane.sum() / ((x[-1] - x[0] + 1) * (y[-1] - y[0] + 1)))
    return float(np.mean(shares))


def _width(lungs: npt.NDArray[np.bool_]) -> float:
    x = np.flatnonzero(lungs.any(axis=(1, 2)))
    return float(x[-1] - x[0] + 1)


def _mirrored(anatomy: Anatomy) -> Finding | None:
    offset = heart_offset_mm(anatomy)
    if offset is None or offset < HEART_MM:
        return None
    text = f"the heart should lie to the left, its middle is {offset:.0f} mm to the right: mirrored, or situs inversus"
    return Finding("mirrored", "warn", text)


def heart_offset_mm(anatomy: Anatomy) -> float | None:
    """Measure how far right of the chest's middle the tissue between the lungs lies, in front of the spine.

    None when there is no spine or nothing between the lungs.
    """
    if anatomy.spine is None:
        return None
    lungs, mm = anatomy.lungs, anatomy.coarse.spacing_mm
    used = np.flatnonzero(anatomy.lung_areas > 0.1 * anatomy.lung_areas.max())
    part = slice(used[int(len(used) * 0.3)], used[int(len(used) * 0.6)] + 1)
    front = anatomy.spine[1] + int(25.0 / mm[1])
    plane = lungs[:, front:, part]
    place = np.arange(plane.shape[0])[:, None, None]
    first, last = plane.argmax(axis=0), plane.shape[0] - 1 - plane[::-1].argmax(axis=0)
    tissue = anatomy.coarse.raw[:, front:, part] > -100.0
    between = tissue & (place > first) & (place < last) & plane.any(axis=0)
    weight = between.sum(axis=(1, 2))
    if not weight.any():
        return None
    across = np.flatnonzero(lungs.any(axis=(1, 2)))
    middle = ((across[0] + across[-1]) / 2 + anatomy.spine[0]) / 2
    return float((np.average(np.arange(len(weight)), weights=weight) - middle) * mm[0])
