"""All rules in order, and the features of what passes them."""

from dataclasses import dataclass
from typing import Any

from ctexp.scans.quality.anatomy import anatomy_of
from ctexp.scans.quality.chest import chest_findings
from ctexp.scans.quality.coarse import thin_out
from ctexp.scans.quality.features import FEATURES, measure
from ctexp.scans.quality.field import field_findings
from ctexp.scans.quality.findings import Finding, Quality
from ctexp.scans.quality.intensity import number_findings, shift_findings, tissue_findings
from ctexp.scans.quality.posture import posture_findings
from ctexp.scans.volume import Volume

RULES = 2
"""Raised with every change of a rule, a limit or a feature: what was kept under another number is measured again."""
NO_BODY = Finding("no-body", "refuse", "a body must be in view, nothing of its size is denser than -500 HU")


@dataclass(frozen=True)
class Examination:
    """What one look at a scan gives.

    Attributes:
        quality: findings and verdict.
        features: what kind of scan it is, in the order of `FEATURES`; None for a scan that is refused.
        synthetic: the scan says of itself that a program drew it; False for a scan that is refused.
    """

    quality: Quality
    features: tuple[float, ...] | None = None
    synthetic: bool = False

    def as_json(self) -> dict[str, Any]:
        """Give it as plain values, whole."""
        findings = [[one.code, one.level, one.text] for one in self.quality.findings]
        return {"rules": RULES, "findings": findings, "features": self.features, "synthetic": self.synthetic}

    @classmethod
    def from_json(cls, facts: Any) -> "Examination":
        """Take back what `as_json` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else, or of other rules.
        """
        if facts["rules"] != RULES:
            raise ValueError(f"rules must be {RULES}, got {facts['rules']}")
        findings = tuple(Finding(str(code), level, str(text)) for code, level, text in facts["findings"])
        if any(one.level not in ("warn", "refuse") for one in findings):
            raise ValueError("levels must be warn or refuse")
        numbers = facts["features"]
        if numbers is not None and len(numbers) != len(FEATURES):
            raise ValueError(f"features must be {len(FEATURES)} numbers, got {len(numbers)}")
        features = None if numbers is None else tuple(map(float, numbers))
        return cls(Quality(findings), features, bool(facts["synthetic"]))


def assess(volume: Volume) -> Quality:
    """Judge whether a volume is a readable chest CT in HU."""
    return examine(volume).quality


def examine(volume: Volume) -> Examination:
    """Judge a volume and measure its features, on a grid of about 4 mm."""
    coarse = thin_out(volume)
    quality = Quality().with_findings(*number_findings(coarse), *field_findings(volume, coarse))
    if quality.verdict == "refuse":
        return Examination(quality)
    anatomy = anatomy_of(volume, coarse)
    if anatomy is None:
        return Examination(quality.with_findings(*(shift_findings(coarse) or [NO_BODY])))
    tissue = tissue_findings(anatomy)
    if any(one.level == "refuse" for one in tissue):
        return Examination(quality.with_findings(*(shift_findings(coarse) or tissue)))
    quality = quality.with_findings(*tissue, *chest_findings(anatomy))
    if quality.verdict != "refuse":  # directions are read off whole lungs
        quality = quality.with_findings(*posture_findings(anatomy))
    if quality.verdict == "refuse":
        return Examination(quality)
    return Examination(quality, measure(volume, anatomy), volume.synthetic)
