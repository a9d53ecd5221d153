"""What was noticed about a scan, and the verdict that follows from it."""

from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["warn", "refuse"]
Verdict = Literal["ok", "warn", "refuse"]
REFUSAL = "must be a readable chest CT in HU"
"""The rule that a refused scan breaks, for every message that refuses one."""
VERDICTS: tuple[Verdict, ...] = ("ok", "warn", "refuse")
"""From best to worst."""


@dataclass(frozen=True)
class Finding:
    """One thing that was noticed.

    Attributes:
        code: short name for programs; its meaning does not change from version to version.
        level: `refuse` when it alone makes the scan no readable chest CT.
        text: a sentence with the rule and the measured value.
    """

    code: str
    level: Level
    text: str


@dataclass(frozen=True)
class Quality:
    """All that was noticed about a scan, the worst first."""

    findings: tuple[Finding, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst level among the findings, `ok` without any."""
        return max((one.level for one in self.findings), key=VERDICTS.index, default="ok")

    @property
    def reasons(self) -> str:
        """The sentences that make the verdict, on one line."""
        return "; ".join(one.text for one in self.findings if one.level == self.verdict)

    def with_findings(self, *more: Finding) -> "Quality":
        """Give the same with more findings; within one level the order stays."""
        both = (*self.findings, *more)
        return Quality(tuple(sorted(both, key=lambda one: -VERDICTS.index(one.level))))

    def as_json(self) -> dict[str, Any]:
        """Give verdict, sentences and their codes as plain values."""
        return {
            "verdict": self.verdict,
            "findings": [one.text for one in self.findings],
            "codes": [one.code for one in self.findings],
        }
