"""A sweep in the store: the parent run and its trials, which are all that is needed to go on after a kill.

The parent is made in one stroke with everything that was asked for; a trial's run is made in one stroke with its number
and configuration; a leg counts from the moment its outcome is written. What lies between two strokes is done again.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from mlflow.entities import Run as MlflowEntity
from mlflow.entities import RunTag
from mlflow.tracking.context.registry import resolve_tags

from ctexp.config import Experiment
from ctexp.experiments.comparing.listing import search
from ctexp.overrides import flatten, override
from ctexp.searching.orders import Outcome, pieces
from ctexp.searching.records import Configuration, TrialRecord
from ctexp.searching.study import Leg
from ctexp.tracking.process import this_process
from ctexp.tracking.run import MlflowRun
from ctexp.tracking.store import OWNER_TAG, REASON_TAG, Store
from ctexp.tracking.tags import FOLD_TAG, KIND_TAG, PARENT_TAG, REPLACED_TAG, TRIAL_TAG

CONFIGURATION_TAG = "ctexp.configuration"
STATUS_TAG = "ctexp.status"
REQUEST_TAG = "ctexp.sweep.request"


@dataclass
class Child:
    """A trial's run, as the journal holds it.

    `has_ended` is whether the store had its end when the journal was read.
    """

    trial: int
    run_id: str
    configuration: Configuration
    began: float
    batch_size: int | None
    has_ended: bool
    reason: str
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    fold_runs: tuple[str, ...] = ()

    @property
    def last(self) -> Outcome | None:
        """The outcome of its latest leg."""
        return self.outcomes[max(self.outcomes)] if self.outcomes else None

    def settings(self, experiment: Experiment) -> Experiment:
        """Give the settings as this attempt uses them: with a smaller batch after memory ran out."""
        if self.batch_size is None:
            return experiment
        return override(experiment, {"training.batch_size": self.batch_size})

    @property
    def record(self) -> TrialRecord:
        """What is known of the trial; one of hyperband's that was not promoted counts as stopped."""
        last = self.last
        if last is None:
            return TrialRecord(
                self.trial, self.run_id, "interrupted", self.configuration, began=self.began, reason=self.reason
            )
        paused = last.ending == "paused"
        return TrialRecord(
            self.trial,
            self.run_id,
            "stopped" if paused else last.ending,  # type: ignore[arg-type]
            self.configuration,
            last.score,
            last.error,
            () if last.fold_scores else last.curve,
            last.fold_scores,
            last.weights,
            sum(one.seconds for one in self.outcomes.values()),
            sum(one.training_seconds for one in self.outcomes.values()),
            last.rss,
            self.began,
            f"not promoted beyond epoch {len(last.curve)}" if paused else last.reason,
        )


class Journal:
    """The runs of one sweep."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store, self._client = store, store.client
        self.run = MlflowRun(store, run_id)

    @classmethod
    def begin(cls, store: Store, name: str, request: str, tags: Mapping[str, str]) -> "Journal":
        """Make the parent run, with all that was asked for, in one stroke."""
        chunks = {f"{REQUEST_TAG}.{number}": piece for number, piece in enumerate(pieces(request))}
        run = MlflowRun.start(store, name, {**tags, **chunks, KIND_TAG: "sweep"})
        return cls(store, run.id)

    @staticmethod
    def read_request(run: MlflowEntity) -> str | None:
        """Read back what was asked for; None where the run is no sweep."""
        found: list[str] = []
        while (piece := run.data.tags.get(f"{REQUEST_TAG}.{len(found)}")) is not None:
            found.append(piece)
        return "".join(found) or None

    @staticmethod
    def sweeps(store: Store) -> list[MlflowEntity]:
        """Give the parent runs of all sweeps, the latest first."""
        return search(store, f"tags.`{KIND_TAG}` = 'sweep'")

    def children(self, *, folds: bool = False) -> dict[int, Child]:
        """Give the trials' runs by number, with those of their folds where asked; one that was replaced is left out."""
        sweep = self._store.run(self.run.id)
        runs = search(self._store, f"tags.`{PARENT_TAG}` = '{self.run.id}'")
        found: dict[int, Child] = {}
        for run in runs:
            tags = run.data.tags
            if TRIAL_TAG not in tags or REPLACED_TAG in tags:
                continue
            child = Child(
                int(tags[TRIAL_TAG]),
                run.info.run_id,
                _tuples(json.loads(tags[CONFIGURATION_TAG])),
                (run.info.start_time - sweep.info.start_time) / 1000,
                int(tags["ctexp.batch_size"]) if "ctexp.batch_size" in tags else None,
                run.info.status in ("FINISHED", "FAILED"),
                tags.get(REASON_TAG, ""),
                Outcome.from_tags(tags),
                self.fold_runs(run.info.run_id) if folds else (),
            )
            found[child.trial] = child
        return dict(sorted(found.items()))

    def fold_runs(self, child_id: str) -> tuple[str, ...]:
        """Give the runs of a trial's folds, first to last."""
        runs = search(self._store, f"tags.`{PARENT_TAG}` = '{child_id}'")
        numbered = {int(run.data.tags[FOLD_TAG]): run.info.run_id for run in runs if FOLD_TAG in run.data.tags}
        return tuple(numbered[number] for number in sorted(numbered))

    def add_trial(self, leg: Leg, experiment: Experiment, *, halved: bool = False) -> Child:
        """Make a trial's run, in one stroke with its number and configuration; `log_settings` adds the rest."""
        tags = {
            KIND_TAG: "trial",
            TRIAL_TAG: str(leg.trial),
            CONFIGURATION_TAG: json.dumps(leg.configuration),
            OWNER_TAG: this_process(),
            PARENT_TAG: self.run.id,
        }
        batch_size = experiment.training.batch_size if halved else None
        if batch_size is not None:
            tags["ctexp.batch_size"] = str(batch_size)
        made = self._client.create_run(
            self._store.experiment_id, tags=resolve_tags(tags), run_name=f"trial {leg.trial:03d}"
        )
        began = time.time() - self._started
        return Child(leg.trial, made.info.run_id, leg.configuration, began, batch_size, False, "")

    def log_settings(self, child: Child, experiment: Experiment, facts: Mapping[str, Any]) -> None:
        """Log a trial's settings; to do so twice changes nothing."""
        blocks = {key: value for key, value in child.configuration.items() if key.startswith("network.filters.")}
        MlflowRun(self._store, child.run_id).log(params={**flatten(experiment), **blocks, **facts})

    def add_folds(self, child: Child, folds: int, experiment: Experiment) -> None:
        """Make the runs of a trial's folds that are not there yet."""
        have = self.fold_runs(child.run_id)
        for number in range(len(have) + 1, folds + 1):
            tags = {KIND_TAG: "fold", FOLD_TAG: str(number), OWNER_TAG: this_process(),
                    PARENT_TAG: child.run_id}  # fmt: skip
            made = self._client.create_run(
                self._store.experiment_id, tags=resolve_tags(tags), run_name=f"trial {child.trial:03d} fold {number}"
            )
            MlflowRun(self._store, made.info.run_id).log(params=flatten(experiment))
        child.fold_runs = self.fold_runs(child.run_id)

    def join(self, run_id: str) -> MlflowRun:
        """Give one of the sweep's runs."""
        return MlflowRun(self._store, run_id)

    def add_again(self, trial: int, experiment: Experiment, facts: Mapping[str, Any]) -> str:
        """Make, or find, the run of a chosen trial that is trained again; it counts as no trial."""
        mine = search(self._store, f"tags.`{PARENT_TAG}` = '{self.run.id}' AND tags.`{KIND_TAG}` = 'training'")
        for run in mine:
            if run.data.tags.get("ctexp.again") == str(trial):
                self.take_over([run.info.run_id])
                return str(run.info.run_id)
        tags = {KIND_TAG: "training", "ctexp.again": str(trial), OWNER_TAG: this_process(),
                PARENT_TAG: self.run.id}  # fmt: skip
        made = self._client.create_run(
            self._store.experiment_id, tags=resolve_tags(tags), run_name=f"trial {trial:03d} trained again"
        )
        self.join(made.info.run_id).log(params={**flatten(experiment), **facts})
        return str(made.info.run_id)

    def take_over(self, run_ids: Sequence[str]) -> None:
        """Make runs this process's, and RUNNING, again."""
        for run_id in run_ids:
            MlflowRun.resume(self._store, run_id)

    def end(self, run_ids: Sequence[str], status: str, *, word: str = "", reason: str = "") -> None:
        """End runs in the store's words, with ctexp's own word and the reason as tags.

        The status comes last, and that of the first run, whose folds the others are, after theirs.
        """
        for run_id in reversed(run_ids):
            tags = {key: text[:5000] for key, text in ((STATUS_TAG, word), (REASON_TAG, reason)) if text}
            self._client.log_batch(run_id, tags=[RunTag(key, text) for key, text in tags.items()])
            self._client.set_terminated(run_id, status)

    def log_outcome(self, child: Child, outcome: Outcome) -> None:
        """Write how a leg ended that its worker could not write down."""
        for tags in outcome.as_tags():
            self.join(child.run_id).log(tags=tags)

    def replace(self, child: Child, reason: str) -> None:
        """Take a trial's run out of the sweep, as a run that failed."""
        self._client.set_tag(child.run_id, REPLACED_TAG, "true")
        self.end([child.run_id, *child.fold_runs], "FAILED", word="failed", reason=reason)

    @cached_property
    def _started(self) -> float:
        return float(self._store.run(self.run.id).info.start_time) / 1000


def _tuples(configuration: dict[str, Any]) -> Configuration:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in configuration.items()}
