"""What the report is told of a sweep beside its trials."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ctexp.searching.records import TrialRecord
from ctexp.searching.wording import text

if TYPE_CHECKING:
    from ctexp.learning.intervals import Estimate

METRICS = {"val_auc": "validation AUC", "val_accuracy": "validation accuracy", "val_loss": "validation loss"}


@dataclass(frozen=True)
class Axis:
    """One hyperparameter.

    Attributes:
        key: dotted setting.
        kind: `choice` takes one of `choices`; the others a number from `low` to `high`.
        low: the least value; None for choices.
        high: the largest; None for choices.
        log: searched evenly on the logarithmic scale.
        choices: in the order of the sweep's file.
    """

    key: str
    kind: Literal["float", "int", "choice"]
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The choices as text."""
        return tuple(map(text, self.choices))

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends of the scale that values are spread evenly on: a logarithm to base 10, or a choice's edges."""
        if self.low is None or self.high is None:
            return -0.5, len(self.choices) - 0.5
        return (math.log10(self.low), math.log10(self.high)) if self.log else (float(self.low), float(self.high))

    def at(self, value: Any) -> float:
        """Give the place of a value on that scale; of a choice its index, from 0, or NaN where it is none of them."""
        if self.kind == "choice":
            labels = self.labels
            return float(labels.index(text(value))) if text(value) in labels else math.nan
        return math.log10(value) if self.log else float(value)

    @property
    def range(self) -> str:
        """What was searched, in words."""
        if self.low is None or self.high is None:
            return " | ".join(f"[{label}]" if "," in label else label for label in self.labels)
        return f"{text(self.low)} to {text(self.high)}{', log scale' if self.log else ''}"


@dataclass(frozen=True)
class SweepFacts:
    """One sweep.

    Attributes:
        name: the sweep's.
        question: what it was to find out.
        metric: the objective, as it is logged (`val_auc`).
        maximise: whether a higher score is better.
        algorithm: that proposed the configurations.
        epochs: of a whole trial.
        folds: 0 for the split's own validation side.
        workers: trials at a time.
        seconds: the whole took.
        data: source and scans in one line.
        synthetic: whether the scans were drawn by ctexp.
        run_id: the sweep's own run.
        axes: what varied, in the order of the sweep's file.
        signature: 8 hex digits over all that decides the scores.
        search_seed: of the search.
        seed: of weights, split and order.
        quoted: of the registered network on the validation scans, by name; empty where none was registered.
        looks: that were taken at locked tests of this collection until now; None where nobody knows.
    """

    name: str
    question: str
    metric: str
    maximise: bool
    algorithm: str
    epochs: int
    folds: int
    workers: int
    seconds: float
    data: str
    synthetic: bool
    run_id: str
    axes: tuple[Axis, ...]
    signature: str
    search_seed: int
    seed: int
    quoted: "tuple[tuple[str, Estimate], ...]" = ()
    looks: int | None = None

    @property
    def score(self) -> str:
        """The objective in words."""
        return METRICS.get(self.metric, self.metric)


def score_of(trial: TrialRecord) -> float:
    """Give the score of a trial that has one to compare, NaN for any other."""
    return trial.score if trial.counts and trial.score is not None and math.isfinite(trial.score) else math.nan


def compared(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Give the trials with a finite score that counts; the others are told of, but not compared."""
    return [one for one in trials if not math.isnan(score_of(one))]
