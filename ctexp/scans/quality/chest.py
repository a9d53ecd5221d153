"""Is it a chest, and a whole one? Body, two lungs, neither end nor side cut off."""

import numpy as np
import numpy.typing as npt

from ctexp.scans.quality.anatomy import Anatomy
from ctexp.scans.quality.findings import Finding, Level

BODY_LITRES = 0.5
LUNG_LITRES = (0.3, 1.0, 9.0, 14.0)
"""Refused below, warned of below, warned of above, refused above."""
LUNG_OF_BODY = 0.08
"""A small child's lungs hold less than 0.3 litre, but they are more of its chest than this."""
CUT = (0.25, 0.7)
"""Lung in the end slice, of the largest slice: warned of and refused from here on. Apex and base taper to nothing."""
ONE_SIDE = 0.1
EDGE = 0.7
"""A body cut through beside its middle meets the field's edge with this much of its depth; a flank does with less."""
THROUGH = 0.05


def chest_findings(anatomy: Anatomy) -> list[Finding]:
    """Judge body and lungs; the last rules are only asked where there are lungs."""
    body = anatomy.body_litres
    if body < BODY_LITRES:
        return [Finding("no-body", "refuse", f"a body must fill at least {BODY_LITRES} litre, the largest dense piece "
                        f"fills {body:.2f}")]  # fmt: skip
    half = _half(anatomy)
    if half:
        return [half]
    lungs = anatomy.lung_litres
    if lungs < LUNG_LITRES[0] and lungs < LUNG_OF_BODY * body:
        text = f"air-filled lungs must hold at least {LUNG_LITRES[0]} litre, {lungs:.2f} found in a body of {body:.1f}"
        return [Finding("no-lungs", "refuse", text)]
    findings = []
    if not LUNG_LITRES[1] <= lungs <= LUNG_LITRES[2]:
        text = f"lungs should hold {LUNG_LITRES[1]:g} to {LUNG_LITRES[2]:g} litres, they hold {lungs:.1f}"
        findings.append(Finding("lung-volume", "refuse" if lungs > LUNG_LITRES[3] else "warn", text))
    return findings + _ends(anatomy) + _axes(anatomy) + _sides(anatomy)


def _ends(anatomy: Anatomy) -> list[Finding]:
    """Lungs that the first or the last slice cuts."""
    areas = anatomy.lung_areas
    height = float(np.count_nonzero(areas)) * anatomy.coarse.spacing_mm[2]
    used = np.flatnonzero(anatomy.body.any(axis=(0, 1)))
    findings = []
    for end, code, name in ((used[-1], "cut-above", "upper"), (used[0], "cut-below", "lower")):
        share = float(areas[end] / areas.max())
        if share >= CUT[0]:
            level: Level = "refuse" if share >= CUT[1] else "warn"
            verb = "must" if level == "refuse" else "should"
            text = (
                f"the {'last' if name == 'upper' else 'first'} slice {verb} not cut the lungs, {share:.0%} of their "
                f"largest section is in it: the {name} part is missing, {height:.0f} mm of lung are there"
            )
            findings.append(Finding(code, level, text))
    return findings


def _axes(anatomy: Anatomy) -> list[Finding]:
    """A body runs through from the first slice to the last; one that runs sideways has its axes exchanged."""
    ends = _at_edges(anatomy.body, 2)
    if min(ends) >= THROUGH:
        return []
    sides = max((_at_edges(anatomy.body, axis) for axis in (0, 1)), key=min)
    if min(sides) > 0.3 and sum(sides) > sum(ends):
        text = "the body must run from the first slice to the last, it runs from side to side"
        return [Finding("axes", "refuse", f"{text}: axes exchanged in the header?")]
    if max(ends) < THROUGH:
        return [Finding("ends-in-air", "warn", "the body should run through the first or last slice, air is in both")]
    return []


def _at_edges(body: npt.NDArray[np.bool_], axis: int) -> tuple[float, float]:
    """Area of the body at both ends of an axis, as shares of its largest section."""
    areas = np.moveaxis(body, axis, 0).sum(axis=(1, 2))
    return float(areas[0] / areas.max()), float(areas[-1] / areas.max())


def _half(anatomy: Anatomy) -> Finding | None:
    """A body that the field cuts beside its middle, and only on one side."""
    body = anatomy.body
    slices = np.flatnonzero(body.any(axis=(0, 1)))
    depth = body[:, :, slices].sum(axis=1)  # (x, slices), points from back to front
    left, right = (float(np.median(edge / depth.max(axis=0))) for edge in (depth[0], depth[-1]))
    most = max(left, right)
    if most < EDGE or (min(left, right) > EDGE / 2 and not _one_lung(anatomy)):
        return None
    text = (
        f"both sides of the chest must be in the field, its {'right' if right > left else 'left'} edge cuts the body "
        f"where it has {most:.0%} of its depth: half a chest?"
    )
    return Finding("half", "refuse", text)


def _sides(anatomy: Anatomy) -> list[Finding]:
    side = _one_lung(anatomy)
    if side is None:
        return []
    share = _right_share(anatomy)
    share = share if side == "right" else 1.0 - share
    return [Finding("one-lung", "warn", f"both lungs should hold air, the {side} one has {share:.0%} of it")]


def _one_lung(anatomy: Anatomy) -> str | None:
    """Name the side without air, where there is one."""
    share = _right_share(anatomy)
    if ONE_SIDE <= share <= 1.0 - ONE_SIDE:
        return None
    return "right" if share < 0.5 else "left"


def _right_share(anatomy: Anatomy) -> float:
    """Share of the lungs' air to the right of the spine; half where there is none."""
    if anatomy.spine:
        middle = anatomy.spine[0]
    else:
        box = np.flatnonzero(anatomy.body.any(axis=(1, 2)))
        middle = int(box[0] + box[-1]) // 2
    total = np.count_nonzero(anatomy.lungs)
    return np.count_nonzero(anatomy.lungs[middle:]) / total if total else 0.5
