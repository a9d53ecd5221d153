"""The end of a sweep: the trial that is chosen, its network registered, and a report that explains both."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ctexp.datasets.cache import ScanCache
from ctexp.errors import UnknownReferenceError, WorkError
from ctexp.experiments.training.epochs import Learned, run_epochs
from ctexp.experiments.training.learn import TrainingReport, conclude
from ctexp.experiments.watch import Silent
from ctexp.learning.metric_words import MEASURES
from ctexp.searching.material import Material
from ctexp.searching.records import Choice, TrialRecord, choose
from ctexp.searching.request import SweepRequest
from ctexp.searching.space import apply
from ctexp.searching.staff import Staff
from ctexp.searching.watch import SweepWatch

if TYPE_CHECKING:
    from ctexp.searching.journal import Journal
    from ctexp.tracking.store import Store


_QUOTED = {**MEASURES, "brier_after": "Brier score", "ece_after": "ECE"}


@dataclass(frozen=True)
class SweepReport:
    """What `ctexp sweep` answers.

    Attributes:
        chosen: the trial whose network was registered, for the reason.
        best: the trial with the best score.
        importance: share of each hyperparameter; None where it cannot be said.
        unbuildable: configurations that were proposed, cannot be built and cost no trial.
        seconds: the whole took.
        metric: that was searched by.
    """

    run_id: str
    name: str
    trials: tuple[TrialRecord, ...]
    chosen: TrialRecord
    best: TrialRecord
    reason: str
    training: TrainingReport
    importance: dict[str, float] | None
    unbuildable: int
    seconds: float
    metric: str

    def as_json(self) -> dict[str, Any]:
        """Give everything as plain values."""
        return {
            "run_id": self.run_id,
            "name": self.name,
            "trials": [_as_json(one) for one in self.trials],
            "best": {**_as_json(self.chosen), "reason": self.reason, "highest": self.best.number},
            "model": self.training.model,
            "metrics": self.training.metrics,
            "data": self.training.data,
            "importance": self.importance,
            "unbuildable": self.unbuildable,
            "seconds": self.seconds,
        }


def _as_json(trial: TrialRecord) -> dict[str, Any]:
    facts = dataclasses.asdict(trial)
    facts["hyperparameters"] = facts.pop("configuration")
    return {key: facts.pop(key) for key in ("number", "run_id", "status", "hyperparameters", "score")} | facts


def finish(
    request: SweepRequest,
    store: "Store",
    journal: "Journal",
    material: Material,
    trials: Sequence[TrialRecord],
    watch: SweepWatch,
    unbuildable: int,
    staff: Staff,
    began: float,
    wished_to_stop: Callable[[], bool],
) -> SweepReport:
    """Choose, register, report.

    Raises:
        WorkError: no trial has a score, or the store does not take what is logged.
        KeyboardInterrupt: the user stopped it while the chosen network was trained again.
    """
    definition = request.definition
    try:
        choice = choose(trials, maximise=definition.maximise, rule=definition.choose)
    except ValueError as error:
        reasons = "; ".join(sorted({one.reason for one in trials if one.reason})[:3])
        _log_report(request, store, journal, material, trials, None, staff, began)
        raise WorkError(f"sweep {journal.run.id}: at least one trial must finish, none did: {reasons}") from error
    watch.say(f"chosen: {choice.reason}")
    journal.run.log(metrics={  # before the card is written, which tells of them
        "best_score": choice.best.score or 0.0, "chosen_score": choice.trial.score or 0.0,
        **{f"trials_{word}": sum(one.status == word for one in trials) for word in ("finished", "stopped", "failed")},
    })  # fmt: skip
    training = _register(request, store, journal, material, choice, watch, wished_to_stop)
    importance = _log_report(request, store, journal, material, trials, choice, staff, began, training.metrics)
    seconds = time.monotonic() - began
    journal.run.log(
        metrics={"seconds": seconds},
        tags={"ctexp.sweep.chosen": str(choice.trial.number), "ctexp.sweep.reason": choice.reason,
              "ctexp.sweep.version": training.model["version"]},
    )  # fmt: skip
    return SweepReport(
        journal.run.id,
        definition.name,
        tuple(trials),
        choice.trial,
        choice.best,
        choice.reason,
        training,
        importance,
        unbuildable,
        seconds,
        definition.metric,
    )


def _register(
    request: SweepRequest,
    store: "Store",
    journal: "Journal",
    material: Material,
    choice: Choice,
    watch: SweepWatch,
    wished_to_stop: Callable[[], bool],
) -> TrainingReport:
    """Register the chosen trial's network: the one that was scored where it is kept, else trained again.

    With folds there is no one network that was scored, so it is trained again on the split's own two sides.
    """
    began = time.monotonic()
    experiment = apply(request.definition.base, choice.trial.configuration)
    experiment = journal.children()[choice.trial.number].settings(experiment)
    data = dataclasses.replace(material.data, cache=ScanCache(store.project.cache, experiment.scan))
    run_id = choice.trial.run_id
    learned: Learned | None = None
    seconds = choice.trial.training_seconds
    if not request.definition.folds:
        try:
            learned = run_epochs(experiment, store, journal.join(run_id), data.cache, data.split, Silent(),
                                 until=len(choice.trial.curve))  # fmt: skip
        except UnknownReferenceError:
            watch.say(f"trial {choice.trial.number}: its checkpoint was not kept, it is trained again")
    if learned is None:
        run_id = journal.add_again(choice.trial.number, experiment, material.hashes)
        with journal.join(run_id) as run:
            learned = run_epochs(experiment, store, run, data.cache, data.split, watch, halt=lambda _: wished_to_stop())
            if wished_to_stop():
                raise KeyboardInterrupt
        seconds = time.monotonic() - began
    else:
        began -= seconds  # `seconds` are those of all the work behind the version
    journal.take_over([run_id])
    report = conclude(experiment, store, journal.join(run_id), data, learned, began, seconds)
    journal.end([run_id], "FINISHED", word="finished")
    return report


def _log_report(
    request: SweepRequest,
    store: "Store",
    journal: "Journal",
    material: Material,
    trials: Sequence[TrialRecord],
    choice: Choice | None,
    staff: Staff,
    began: float,
    metrics: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, float] | None:
    """Draw what was found and keep it with the parent run; give each hyperparameter's importance."""
    from ctexp.experiments.training.record import NOTE_TAG
    from ctexp.learning.intervals import Estimate
    from ctexp.registry.card.facts import looks_of_data
    from ctexp.searching.report.facts import Axis, SweepFacts
    from ctexp.searching.report.make import draw_report

    definition, collection = request.definition, material.data.collection
    counts = material.data.split.counts()
    sides = ", ".join(f"{sum(counts[side].values())} {side}" for side in ("train", "validation"))
    looks = looks_of_data(store, collection.hash)
    report = draw_report(
        SweepFacts(
            name=definition.name,
            question=definition.question,
            metric=definition.metric,
            maximise=definition.maximise,
            algorithm=definition.algorithm,
            epochs=definition.epochs,
            folds=definition.folds,
            workers=staff.count(),
            seconds=time.monotonic() - began,
            data=f"{len(collection.scans)} scans of {collection.source} ({sides}; the locked test was not looked at)",
            synthetic=collection.synthetic,
            run_id=journal.run.id,
            axes=tuple(Axis(one.key, one.kind, one.low, one.high, one.log, one.choices) for one in definition.space),
            signature=definition.signature(),
            search_seed=definition.search_seed,
            seed=definition.base.seed,
            quoted=tuple(
                (words, one) for key, words in _QUOTED.items() if (one := Estimate.from_metrics(metrics, f"val_{key}"))
            ),
            looks=None if looks is None else len(looks),
        ),
        trials,
        choice,
    )
    for name, figure in report.pictures.items():
        journal.run.log_figure(figure, f"pictures/{name}.png")
    journal.run.log_text(report.html, "report.html")
    journal.run.log(tags={NOTE_TAG: report.summary})
    return report.importance
