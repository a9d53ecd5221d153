"""What travels between a sweep and its workers: values that pickle, and nothing of TensorFlow or MLflow."""

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ctexp.config import Experiment, ScanSettings
from ctexp.datasets.splits import Split
from ctexp.experiments.request import TrainingRequest
from ctexp.searching.halting import Curve
from ctexp.searching.study import LegResult

OUTCOME_TAG = "ctexp.outcome"
_CHUNK, _BATCH = 4000, 100
"""Characters that every store takes in one tag, and tags that it takes at once."""

Ending = Literal["finished", "stopped", "paused", "failed", "interrupted"]
"""`paused` is the end of a leg before a trial's last epoch, which hyperband may promote."""


@dataclass(frozen=True)
class Workplace:
    """What a worker needs once, for all its trials.

    Attributes:
        root: the project's folder.
        tracking_uri: MLflow's store.
        experiment_id: the experiment there.
        cache: folder of prepared arrays.
        splits: training and validation scans, one split a fold, or one; the locked test's scans stay at home.
        data_hash: of the whole collection.
        request: what the scans can be read and prepared by, for a worker that does not see the cache.
        variants: every preparation that a trial may ask for.
    """

    root: Path
    tracking_uri: str
    experiment_id: str
    cache: Path
    splits: tuple[Split, ...]
    data_hash: str
    request: TrainingRequest
    variants: tuple[ScanSettings, ...]


@dataclass(frozen=True)
class Order:
    """One leg for a worker.

    Attributes:
        place: of the leg.
        trial: the trial's number.
        run_id: its child run, begun by the sweep.
        fold_runs: the runs of its folds; empty without folds.
        experiment: its settings.
        until: the epoch after which the leg ends.
        floors: for each epoch (or fold) the value that must be reached to go on.
        maximise: whether higher scores are better.
    """

    place: int
    trial: int
    run_id: str
    fold_runs: tuple[str, ...]
    experiment: Experiment
    until: int
    floors: tuple[float | None, ...]
    maximise: bool


@dataclass(frozen=True)
class Progress:
    """One finished epoch, as a worker tells it.

    Attributes:
        best: the objective so far.
        fold: from 1; 0 without folds.
    """

    trial: int
    epoch: int
    epochs: int
    best: float
    fold: int = 0


@dataclass(frozen=True)
class Outcome:
    """How a leg ended.

    Attributes:
        place, trial: whose.
        ending: see `Ending`.
        score: the objective at the best epoch, or the mean over the folds that were trained.
        error: standard error of the score.
        curve: the objective's metric after each epoch, or the mean over the folds so far after each fold.
        fold_scores: the score of each fold.
        best_epoch: whose network counts; 0 with folds.
        weights: of the network.
        seconds: that this leg took, from order to end.
        training_seconds: of these, in the epochs.
        reason: why it was stopped or failed.
        fault: `user` is the user's mistake and stops the sweep; `memory` is tried again with half the batch;
            `crash` is tried again as it is; `numbers` is not, it would end the same way.
        rss: resident memory of the worker after it, in bytes.
    """

    place: int
    trial: int
    ending: Ending
    score: float | None = None
    error: float | None = None
    curve: Curve = ()
    fold_scores: tuple[float, ...] = ()
    best_epoch: int = 0
    weights: int | None = None
    seconds: float = 0.0
    training_seconds: float = 0.0
    reason: str = ""
    fault: Literal["", "user", "memory", "crash", "numbers"] = ""
    rss: int = 0

    @property
    def result(self) -> LegResult:
        """What the study needs of it."""
        return LegResult(self.score if self.ending != "failed" else None, self.curve)

    def as_tags(self) -> list[dict[str, str]]:
        """Write as a run's tags, in batches that a store takes at once; it counts when the last one is written.

        A curve of some hundred epochs does not fit into one tag: MLflow would cut it without a word.
        """
        text, key = json.dumps(asdict(self)), f"{OUTCOME_TAG}.{self.place}"
        first, *rest = pieces(text)
        more = [(f"{key}.{number}", piece) for number, piece in enumerate(rest, 1)]
        return [*(dict(more[start : start + _BATCH]) for start in range(0, len(more), _BATCH)), {key: first}]

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> "dict[int, Outcome]":
        """Read what `as_tags` wrote, by place; one that was written in part is not there."""
        found = {}
        for key in (key for key in tags if re.fullmatch(rf"{re.escape(OUTCOME_TAG)}\.\d+", key)):
            rest = (tags.get(f"{key}.{number}") for number in itertools.count(1))
            text = "".join([tags[key], *itertools.takewhile(bool, rest)])  # type: ignore[list-item]
            try:
                # What lies behind its end is left of an attempt that had more to say.
                facts: dict[str, Any] = json.JSONDecoder().raw_decode(text)[0]
            except ValueError:
                continue
            one = cls(**{**facts, "curve": tuple(facts["curve"]), "fold_scores": tuple(facts["fold_scores"])})
            found[one.place] = one
        return found


def pieces(text: str) -> list[str]:
    """Cut a text into what fits into a tag each; an empty one has none."""
    return [text[start : start + _CHUNK] for start in range(0, len(text), _CHUNK)]
