"""What `ctexp evaluate` answers."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ctexp.experiments.evaluating.audit import Control
from ctexp.experiments.evaluating.chosen import Chosen
from ctexp.learning.evaluation import Confusion
from ctexp.learning.intervals import Estimate

if TYPE_CHECKING:
    from ctexp.registry.ledger import Standing
    from ctexp.registry.references import ModelVersion

KIND = "evaluation"
"""Of a run that keeps one."""


@dataclass(frozen=True)
class EvaluationReport:
    """What `ctexp evaluate` answers.

    Attributes:
        run_id: the run that keeps it.
        model: the version.
        chosen: the scans.
        estimates: of the network's calibrated answers.
        without_network: AUC of mean densities.
        counts: right and wrong answers at the threshold.
        threshold: probability of abnormal from which a scan is called abnormal.
        temperature: that the answers are calibrated with.
        chance_error: calibration error that a faultless network would show on so many scans.
        standing: of this look at the locked test; None elsewhere.
        controls: of the audit; None where none was asked for.
        synthetic: scans or training scans were drawn by a program.
        seconds: it took.
    """

    run_id: str
    model: "ModelVersion"
    chosen: Chosen
    estimates: dict[str, Estimate]
    without_network: dict[str, Estimate]
    counts: Confusion
    threshold: float
    temperature: float
    chance_error: float
    standing: "Standing | None"
    controls: tuple[Control, ...] | None
    synthetic: bool
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Give everything as plain values."""
        look = None
        if self.standing:
            look = {"number": self.standing.number, "of_other_tests": self.standing.of_other_tests,
                    **dataclasses.asdict(self.standing.look)}  # fmt: skip
        chosen = self.chosen
        return {
            "run_id": self.run_id,
            "model": dataclasses.asdict(self.model),
            "on": chosen.kind,
            "data": {"source": chosen.collection.source, "hash": chosen.collection.hash, "scans": len(chosen.scans),
                     "patients": chosen.patients, "scans_hash": chosen.hash, "counts": chosen.counts,
                     "synthetic": self.synthetic},
            "metrics": {name: vars(one) for name, one in {**self.estimates, **self.without_network}.items()},
            "ece_by_chance": self.chance_error,
            "confusion": dataclasses.asdict(self.counts),
            "threshold": self.threshold,
            "temperature": self.temperature,
            "look": look,
            "site": chosen.site.as_json() if chosen.site else None,
            "audit": None if self.controls is None else [one.as_json() for one in self.controls],
            "seconds": self.seconds,
        }  # fmt: skip
