"""Is this a chest CT in HU that can be read, and how like the training scans is it?

Classical image analysis on a grid of about 4 mm, a tenth of a second a scan. The limits are wide: what is refused is no
readable chest CT, what is only unusual is warned of. Research software: a verdict says nothing about a patient.
"""

from ctexp.scans.quality.examine import RULES, Examination, assess, examine
from ctexp.scans.quality.field import padding_share
from ctexp.scans.quality.findings import REFUSAL, Finding, Quality, Verdict
from ctexp.scans.quality.intensity import NOT_HU
from ctexp.scans.quality.reference import Reference

__all__ = [
    "NOT_HU",
    "REFUSAL",
    "RULES",
    "Examination",
    "Finding",
    "Quality",
    "Reference",
    "Verdict",
    "assess",
    "examine",
    "padding_share",
]
