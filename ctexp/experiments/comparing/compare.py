"""`ctexp runs compare`: what differs between runs, and whether it made a difference on the same scans."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import special

from ctexp.datasets.labels import LABEL_WORDS
from ctexp.errors import InputError, WorkError
from ctexp.experiments.comparing.listing import estimates_of, find_run, kind_of, name_a_trial
from ctexp.experiments.comparing.settings import differing, settings_of
from ctexp.experiments.rebuild import read_text
from ctexp.learning.evaluation import sure_logits
from ctexp.learning.intervals import Estimate, auc, proportion
from ctexp.learning.paired import PairedTest, delong_test, mcnemar_test

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowEntity

    from ctexp.tracking.store import Store

TABLES = ("validation.csv", "answers.csv")
"""Where a run keeps what it said of each scan; the second is an evaluation's on other scans."""
FEWEST = 10
"""Fewer common scans than this are compared with a warning."""


@dataclass(frozen=True)
class Answered:
    """One row of a run's table: a scan, its truth, and what was said.

    Attributes:
        file: name of the scan's file.
        sha256: of its content.
        label: 0 normal, 1 abnormal.
        logit: as the network said it.
        abnormal: probability of abnormal, calibrated.
        calibrated: its logit, which orders the scans; None in tables of before it was kept.
    """

    file: str
    sha256: str
    label: int
    logit: float
    abnormal: float
    calibrated: float | None = None


@dataclass(frozen=True)
class Side:
    """One of the runs that are compared.

    Attributes:
        run_id, name, kind: of the run.
        settings: its parameters, with those that its parents log for it.
        metrics: those with an interval, on all of its own scans.
        answers: by content hash; empty where the run keeps none.
        threshold: probability from which it calls a scan abnormal.
    """

    run_id: str
    name: str
    kind: str
    settings: Mapping[str, str]
    metrics: Mapping[str, Estimate]
    answers: Mapping[str, Answered]
    threshold: float

    @property
    def short(self) -> str:
        """First letters of the id."""
        return self.run_id[:8]


@dataclass(frozen=True)
class Pair:
    """The first run against another on the common scans; differences above 0 are in favour of the other."""

    other: str
    auc: PairedTest
    accuracy: PairedTest


@dataclass(frozen=True)
class Disagreement:
    """A scan that not all runs call the same: its truth and each run's probability of abnormal."""

    file: str
    sha256: str
    label: int
    abnormal: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """What `ctexp runs compare` answers.

    Attributes:
        sides: the runs, in the order that was asked for.
        differences: settings that are not the same in all, each run's value or None (`settings.differing`).
        common: content hashes of the scans that all answered.
        estimates: for each run, AUC and accuracy on the common scans.
        pairs: the first run against each other one; empty without common scans.
        disagreements: sorted by how far the answers are apart.
        remarks: what a reader of the numbers should know.
    """

    sides: tuple[Side, ...]
    differences: dict[str, tuple[str | None, ...]]
    common: tuple[str, ...]
    estimates: tuple[dict[str, Estimate], ...]
    pairs: tuple[Pair, ...]
    disagreements: tuple[Disagreement, ...]
    remarks: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Give everything as plain values."""
        return {
            "runs": [{"run_id": side.run_id, "name": side.name, "kind": side.kind, "threshold": side.threshold,
                      "metrics": {name: vars(one) for name, one in side.metrics.items()},
                      "scans": len(side.answers)} for side in self.sides],
            "differences": {key: list(values) for key, values in self.differences.items()},
            "common_scans": len(self.common),
            "on_common_scans": [{name: vars(one) for name, one in each.items()} for each in self.estimates],
            "tests": [{"run_id": pair.other, "auc": vars(pair.auc), "accuracy": vars(pair.accuracy)}
                      for pair in self.pairs],
            "disagreements": [vars(one) for one in self.disagreements],
            "remarks": list(self.remarks),
        }  # fmt: skip


def compare_runs(store: "Store", texts: Sequence[str]) -> Comparison:
    """Compare two or more runs.

    Args:
        store: where they are.
        texts: ids, or the first letters of ids; the first run is the one that the others are held against.

    Raises:
        InputError: fewer than two different runs, or one is a sweep.
        UnknownReferenceError: a run is not there.
        WorkError: a run's table is damaged.
    """
    runs = [find_run(store, text) for text in texts]
    if len({run.info.run_id for run in runs}) < max(2, len(texts)):
        raise InputError(f"runs compare: needs two or more different runs, got {' '.join(texts)}")
    for run in runs:
        if kind_of(run) == "sweep":
            place = f"runs compare {run.info.run_id}"
            raise InputError(f"{place}: must be one training, it is a sweep; {name_a_trial(store, run)}")
    return compare_sides([read_side(store, run) for run in runs])


def read_side(store: "Store", run: "MlflowEntity") -> Side:
    """Read a run's settings, metrics and answers.

    Raises:
        WorkError: its table is damaged.
    """
    run_id = run.info.run_id
    texts = (read_text(store, run_id, name) for name in TABLES)
    text = next((one for one in texts if one is not None), None)
    threshold = run.data.params.get("evaluation.threshold", run.data.metrics.get("threshold", 0.5))
    return Side(
        run_id,
        run.info.run_name or "",
        kind_of(run),
        settings_of(store, run),
        estimates_of(run),
        read_answers(text, f"run {run_id}") if text is not None else {},
        float(threshold),
    )


def read_answers(text: str, place: str) -> dict[str, Answered]:
    """Read a table of answers (file, sha256, label, logit, calibrated, abnormal).

    Raises:
        WorkError: it is no such table.
    """
    labels = {word: label for label, word in LABEL_WORDS.items()}
    try:
        rows = [_answered(row, labels[row["label"]]) for row in csv.DictReader(io.StringIO(text))]
    except (KeyError, TypeError, ValueError) as error:
        raise WorkError(f"{place}: its table of answers must be whole: {error}") from error
    return {row.sha256: row for row in rows}


def _answered(row: Mapping[str, str], label: int) -> Answered:
    """Read a row; the probability is the calibrated logit's where that is kept, since the table rounds it."""
    calibrated = float(row["calibrated"]) if row.get("calibrated") else None
    abnormal = float(row["abnormal"] if calibrated is None else special.expit(calibrated))
    return Answered(row["file"], row["sha256"], label, float(row["logit"]), abnormal, calibrated)


def compare_sides(sides: Sequence[Side]) -> Comparison:
    """Compare runs whose answers are at hand; scans are told by content, and only those that all answered count."""
    differences = differing(sides)
    shared = set.intersection(*(set(side.answers) for side in sides))
    common = sorted(sha256 for sha256 in shared if len({side.answers[sha256].label for side in sides}) == 1)
    contradicted = len(shared) - len(common)
    remarks = _remarks(sides, common, contradicted)
    if not common:
        return Comparison(tuple(sides), differences, (), (), (), (), tuple(remarks))
    rows = [[side.answers[sha256] for sha256 in common] for side in sides]
    labels = np.array([row.label for row in rows[0]], dtype=np.int64)
    scores = [scores_of(each) for each in rows]
    called = [np.array([row.abnormal >= side.threshold for row in each], dtype=np.int64)
              for side, each in zip(sides, rows, strict=True)]  # fmt: skip
    estimates = tuple(
        {"auc": auc(labels, score), "accuracy": proportion(int((call == labels).sum()), len(labels))}
        for score, call in zip(scores, called, strict=True)
    )
    pairs = tuple(
        Pair(side.run_id, delong_test(labels, scores[0], score), mcnemar_test(labels, called[0], call))
        for side, score, call in zip(sides[1:], scores[1:], called[1:], strict=True)
    )
    apart = [place for place in range(len(common)) if len({int(call[place]) for call in called}) > 1]
    disagreements = [
        Disagreement(rows[0][place].file, common[place], rows[0][place].label,
                     tuple(each[place].abnormal for each in rows))
        for place in apart
    ]  # fmt: skip
    disagreements.sort(key=lambda one: min(one.abnormal) - max(one.abnormal))
    return Comparison(tuple(sides), differences, tuple(common), estimates, pairs, tuple(disagreements), tuple(remarks))


def scores_of(rows: Sequence[Answered]) -> npt.NDArray[np.float64]:
    """Give what orders the scans, (n,) float64: calibrated logits, or what is left of them in the probabilities.

    Repeats of folds are calibrated one by one, so that the mean of their raw logits may have another order. A table
    that keeps no calibrated logits is of one temperature, or of an earlier ctexp: the raw ones stand in there.
    """
    logits = np.array([row.logit if row.calibrated is None else row.calibrated for row in rows])
    return logits if np.isfinite(logits).all() else sure_logits([row.abnormal for row in rows])


def _remarks(sides: Sequence[Side], common: Sequence[str], contradicted: int) -> list[str]:
    remarks = []
    without = [side.short for side in sides if not side.answers]
    if without:
        remarks.append(f"No answers scan by scan are kept of {', '.join(without)}: no test. (An evaluation on "
                       "the locked test keeps none.)")  # fmt: skip
    elif not common:
        remarks.append("The runs were judged on different scans: their metrics cannot be tested against each other.")
    else:
        if any(len(side.answers) > len(common) for side in sides):
            counts = ", ".join(f"{side.short} {len(side.answers)}" for side in sides)
            words = "scan that all answered is" if len(common) == 1 else "scans that all answered are"
            remarks.append(f"Only the {len(common)} {words} compared ({counts}).")
        if len(common) < FEWEST:
            remarks.append(f"Scans in common: {len(common)}; no test can tell much.")
        if any(side.kind != "evaluation" for side in sides):
            remarks.append("Each run's epoch was chosen on its validation scans: these numbers flatter all of them.")
        if len(sides) > 2:
            remarks.append(f"{len(sides) - 1} comparisons are made: a p value counts below "
                           f"{0.05 / (len(sides) - 1):.3g} (Bonferroni).")  # fmt: skip
    if contradicted:
        remarks.append(f"{contradicted} scans have different labels in the runs and were left out.")
    return remarks
