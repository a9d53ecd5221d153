"""Are the numbers HU? Constant, masks, 8 bits, missing intercepts, windows and other machines' numbers."""

import numpy as np

from ctexp.scans.masks import share
from ctexp.scans.quality.anatomy import Anatomy, find_anatomy
from ctexp.scans.quality.coarse import Coarse
from ctexp.scans.quality.findings import Finding
from ctexp.scans.volume import PADDING_HU

NOT_HU = frozenset({"not-finite", "constant", "mask", "normalised", "eight-bit", "offset", "windowed", "not-hu"})
"""Codes of the findings that say that the numbers are no HU."""
AIR_LIMIT_HU = -500.0
AIR_SHARE = 0.005
"""Lungs alone are a tenth of a chest scan; less air than this means that there is none."""
MASK_VALUES = 16
INTERCEPT_HU = 1024.0
HIGHEST_HU = 32000.0
"""Metal in extended scales reaches 30,710."""
TISSUE_HU = (-200.0, 300.0)
TISSUE_SHARE = 0.4


def number_findings(coarse: Coarse) -> list[Finding]:
    """Judge the numbers without knowing what they show; a `refuse` makes looking for anatomy pointless."""
    raw = coarse.raw
    if not np.isfinite(raw).all():
        return [Finding("not-finite", "refuse", "voxels must be finite, some are NaN or infinite")]
    low, high = float(raw.min()), float(raw.max())
    if low == high:
        return [Finding("constant", "refuse", f"voxels must differ, all are {low:g}")]
    kinds = len(np.unique(raw.ravel()[:: max(1, raw.size // 100_000)]))
    if kinds <= 2 or (kinds <= MASK_VALUES and low >= 0):
        return [Finding("mask", "refuse", f"a CT must have many shades, this has {kinds} from {low:g} to {high:g}: "
                        "a mask?")]  # fmt: skip
    if high - low < 20:
        text = f"voxels must be HU, from about -1000 to over 1000, they run from {low:.2g} to {high:.2g}: normalised?"
        return [Finding("normalised", "refuse", text)]
    if low >= 0 and high <= 255:
        text = f"voxels must be HU, from about -1000 to over 1000, they run from {low:.0f} to {high:.0f}: 8 bits"
        return [Finding("eight-bit", "refuse", text)]
    if high > HIGHEST_HU:
        return [Finding("not-hu", "refuse", f"voxels must be HU, at most about 31,000, the largest is {high:,.0f}")]
    air = share(raw < AIR_LIMIT_HU)
    if share((raw < AIR_LIMIT_HU) & (raw > PADDING_HU)) < AIR_SHARE and _fits(coarse.shifted(-INTERCEPT_HU)):
        text = f"voxels must be HU, they run from {low:.0f} to {high:.0f}: the intercept of -1024 is missing"
        return [Finding("offset", "refuse", text)]
    if air < AIR_SHARE:
        return [_without_air(coarse, low, high)]
    return _clipped(coarse, low, high)


def tissue_findings(anatomy: Anatomy) -> list[Finding]:
    """Judge the numbers by what the body should be made of."""
    coarse = anatomy.coarse
    inside = coarse.hu[anatomy.body & ~anatomy.lungs]
    soft = share((inside > TISSUE_HU[0]) & (inside < TISSUE_HU[1]))
    findings = []
    if soft < TISSUE_SHARE:
        text = (
            f"soft tissue (-200 to 300 HU) must be at least {TISSUE_SHARE:.0%} of the body without its lungs, "
            f"it is {soft:.0%}: other numbers than HU?"
        )
        findings.append(Finding("tissue", "refuse", text))
    bone = share(inside > 200.0)
    if bone < 0.003:
        text = f"bone (over 200 HU) should be at least 0.3 % of the body, it is {bone:.1%}"
        findings.append(Finding("no-bone", "warn", text))
    return findings


def shift_findings(coarse: Coarse) -> list[Finding]:
    """Explain a scan without soft tissue where another intercept shows a chest."""
    if not _fits(coarse.shifted(INTERCEPT_HU)):
        return []
    return [Finding("offset", "refuse", "soft tissue must be about 50 HU, it is about -970: the intercept of -1024 was "
                    "applied twice")]  # fmt: skip


def _fits(coarse: Coarse) -> bool:
    """Tell whether a chest appears: lungs in a body of soft tissue and bone. An MR has no bone that bright."""
    anatomy = find_anatomy(coarse)
    if anatomy is None or anatomy.lung_litres < 0.5:
        return False
    return not tissue_findings(anatomy)


def _without_air(coarse: Coarse, low: float, high: float) -> Finding:
    at_low = share(coarse.raw == low)
    if AIR_LIMIT_HU <= low < 0 and at_low > 0.01:
        text = (
            f"lungs must be in the numbers, about -850 HU, the lowest is {low:g} HU, held by {at_low:.0%} of the "
            "voxels: saved in a soft-tissue window"
        )
        return Finding("windowed", "refuse", text)
    text = f"voxels must be HU, with air about -1000, they run from {low:.0f} to {high:.0f}: an MR or another picture?"
    return Finding("not-hu", "refuse", text)


def _clipped(coarse: Coarse, low: float, high: float) -> list[Finding]:
    findings = []
    at_low, at_high = (share(coarse.raw == value) for value in (low, high))
    if low > -950.0 and at_low > 0.01:
        text = f"HU should reach down to air, about -1000, {at_low:.0%} of the voxels are cut off at {low:.0f}"
        findings.append(Finding("clipped-low", "warn", text))
    if high < 1500.0 and at_high > 0.002:
        text = f"HU should reach up to bone, over 1000, {at_high:.1%} of the voxels are cut off at {high:.0f}"
        findings.append(Finding("clipped-high", "warn", text))
    return findings
