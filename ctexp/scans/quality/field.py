"""Is enough of a patient in the field? Slices, extent and padding."""

from ctexp.scans.masks import share
from ctexp.scans.quality.coarse import Coarse, thin_out
from ctexp.scans.quality.findings import Finding, Level
from ctexp.scans.volume import PADDING_HU, Volume

SLICES = (10, 20)
"""Fewer than the first is no chest, fewer than the second leaves little to see."""
WIDTH_MM = (100.0, 200.0, 700.0, 1200.0)
"""Refused below, warned of below, warned of above, refused above; a newborn's field is 120 mm."""
HEIGHT_MM = (80.0, 160.0, 900.0, 2500.0)
GAP_MM = 12.0
PADDING = 0.7


def field_findings(volume: Volume, coarse: Coarse) -> list[Finding]:
    """Judge the size of the grid in mm, whatever is on it."""
    findings = []
    slices = volume.shape[2]
    if slices < SLICES[1]:
        level: Level = "refuse" if slices < SLICES[0] else "warn"
        least = SLICES[0] if level == "refuse" else SLICES[1]
        text = f"a chest {_verb(level)} have at least {least} slices, this has {slices}"
        findings.append(Finding("few-slices", level, text))
    names = ("width", "depth", "height")
    for name, count, mm in zip(names, volume.shape, volume.spacing_mm, strict=True):
        limits = HEIGHT_MM if name == "height" else WIDTH_MM
        extent = count * mm
        if extent < limits[1] or extent > limits[2]:
            refused = extent < limits[0] or extent > limits[3]
            low, high = (limits[0], limits[3]) if refused else (limits[1], limits[2])
            level = "refuse" if refused else "warn"
            text = f"the field's {name} {_verb(level)} be {low:g} to {high:g} mm, it is {extent:.0f} mm"
            findings.append(Finding(f"field-{name}", level, text))
    if volume.spacing_mm[2] > GAP_MM:
        text = f"slices should be at most {GAP_MM:g} mm apart, they are {volume.spacing_mm[2]:.3g} mm"
        findings.append(Finding("slice-gap", "warn", text))
    padding = padding_of(coarse)
    if padding > PADDING:
        text = f"padding (-1024 HU or less) should fill at most {PADDING:.0%} of the scan, it fills {padding:.0%}"
        findings.append(Finding("padding", "warn", text))
    return findings


def _verb(level: Level) -> str:
    return "must" if level == "refuse" else "should"


def padding_share(volume: Volume) -> float:
    """Share of a scan that no ray went through, 0 to 1."""
    return padding_of(thin_out(volume))


def padding_of(coarse: Coarse) -> float:
    """Share of a thinned-out scan that no ray went through, 0 to 1."""
    return share(coarse.raw <= PADDING_HU)
