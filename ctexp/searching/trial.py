"""One leg of a trial, in the process of a worker: its epochs or folds, its score, its record in MLflow."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from ctexp.config import Monitor
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.folds import mean_and_error
from ctexp.datasets.splits import Split
from ctexp.errors import InputError, WorkError
from ctexp.experiments.training.epochs import Learned, run_epochs
from ctexp.experiments.watch import Silent
from ctexp.project import Project
from ctexp.searching.halting import is_hopeless
from ctexp.searching.orders import Ending, Order, Outcome, Progress, Workplace
from ctexp.searching.remote import has_all

if TYPE_CHECKING:
    from ctexp.learning.training import Epoch
    from ctexp.tracking.run import Run
    from ctexp.tracking.store import Store

Hear = Callable[[Progress], None]


@dataclass(frozen=True)
class _Taught:
    """One training of a leg.

    `ending` is that of its epochs: finished, stopped, paused or interrupted.
    """

    learned: Learned
    ending: Ending
    score: float
    error: float
    seconds: float


def run_order(workplace: Workplace, order: Order, hear: Hear, wished_to_stop: Callable[[], bool]) -> Outcome:
    """Train one leg.

    Args:
        workplace: where store, cache and scans are.
        order: the leg.
        hear: told of each epoch.
        wished_to_stop: asked after each epoch.

    Returns:
        How it ended, whatever happened; the caller need not catch anything.
    """
    began = time.monotonic()
    try:
        store = _store(workplace)
        outcome = (_train_folds if order.fold_runs else _train_once)(store, workplace, order, hear, wished_to_stop)
    except InputError as error:
        outcome = Outcome(order.place, order.trial, "failed", reason=str(error), fault="user")
    except WorkError as error:
        fault = "numbers" if str(error).startswith("training:") else "crash"
        outcome = Outcome(order.place, order.trial, "failed", reason=str(error), fault=fault)  # type: ignore[arg-type]
    except Exception as error:
        outcome = Outcome(order.place, order.trial, "failed", **_blame(error, workplace))
    facts = {**vars(outcome), "seconds": time.monotonic() - began, "rss": psutil.Process().memory_info().rss}
    outcome = Outcome(**facts)
    if outcome.ending in ("finished", "stopped", "paused"):
        for tags in outcome.as_tags():
            _run(store, order.run_id).log(tags=tags)
    return outcome


def _train_once(
    store: "Store", workplace: Workplace, order: Order, hear: Hear, wished_to_stop: Callable[[], bool]
) -> Outcome:
    (split,) = workplace.splits
    run = _run(store, order.run_id)

    def halt(epoch: "Epoch", best: float) -> Ending | None:
        hear(Progress(order.trial, epoch.number, order.until, best))
        if wished_to_stop():
            return "interrupted"
        floor = order.floors[epoch.number - 1] if epoch.number <= len(order.floors) else None
        return "stopped" if is_hopeless(best, floor, maximise=order.maximise) else None

    stopped_at = _stopped_before(store, order)
    taught = _teach(store, run, workplace, order, split, halt, stopped_at)
    curve = tuple(one[order.experiment.training.monitor] for one in taught.learned.history)
    standing = taught.learned.standing
    reason = ""
    if taught.ending == "stopped":
        reason = f"looked hopeless after epoch {standing.epoch}: {taught.score:.3f}, the median of the others is " + (
            f"{order.floors[standing.epoch - 1]:.3f}"
        )
    return Outcome(
        order.place,
        order.trial,
        taught.ending,
        taught.score,
        taught.error,
        curve,
        (),
        standing.best_epoch,
        taught.learned.weights,
        training_seconds=taught.seconds,
        reason=reason,
    )


def _train_folds(
    store: "Store", workplace: Workplace, order: Order, hear: Hear, wished_to_stop: Callable[[], bool]
) -> Outcome:
    run = _run(store, order.run_id)
    scores: list[float] = []
    seconds, ending, weights = 0.0, "finished", 0
    for fold, (split, run_id) in enumerate(zip(workplace.splits, order.fold_runs, strict=True), start=1):

        def halt(epoch: "Epoch", best: float, fold: int = fold) -> Ending | None:
            hear(Progress(order.trial, epoch.number, order.until, best, fold))
            return "interrupted" if wished_to_stop() else None

        taught = _teach(store, _run(store, run_id), workplace, order, split, halt)
        seconds += taught.seconds
        if taught.ending == "interrupted":
            return Outcome(order.place, order.trial, "interrupted", training_seconds=seconds)
        scores.append(taught.score)
        weights = taught.learned.weights
        run.log(metrics={"fold_score": taught.score}, step=fold)
        mean = sum(scores) / len(scores)
        floor = order.floors[fold - 1] if fold <= len(order.floors) else None
        if is_hopeless(mean, floor, maximise=order.maximise):
            ending = "stopped"
            break
    mean, error = mean_and_error(scores, folds=len(workplace.splits)) if len(scores) > 1 else (scores[0], None)
    monitor = order.experiment.training.monitor
    run.log(metrics={monitor: mean} | ({f"{monitor}_error": error} if error is not None else {}))
    reason = f"looked hopeless after {len(scores)} folds: {mean:.3f}" if ending == "stopped" else ""
    running = tuple(sum(scores[: n + 1]) / (n + 1) for n in range(len(scores)))
    return Outcome(
        order.place,
        order.trial,
        ending,  # type: ignore[arg-type]
        mean,
        error,
        running,
        tuple(scores),
        0,
        weights,
        training_seconds=seconds,
        reason=reason,
    )


def _teach(
    store: "Store",
    run: "Run",
    workplace: Workplace,
    order: Order,
    split: Split,
    halt: "Callable[[Epoch, float], Ending | None]",
    stopped_at: int | None = None,
) -> _Taught:
    """Train a run to the end of the leg, or no further than it was stopped at, quote its best epoch and log that."""
    experiment = order.experiment
    cache = ScanCache(workplace.cache, experiment.scan)
    ending: Ending | None = None
    seconds = 0.0
    sign = -1.0 if experiment.training.monitor == "val_loss" else 1.0

    def ask(epoch: "Epoch") -> bool:
        nonlocal ending, seconds
        seconds += epoch.seconds
        ending = halt(epoch, sign * epoch.standing.best_score[0])
        return ending is not None

    learned = run_epochs(experiment, store, run, cache, split, Silent(), until=stopped_at or order.until, halt=ask)
    ending = "stopped" if stopped_at else ending
    if ending is None or (ending == "interrupted" and learned.standing.epoch >= order.until):
        ending = "paused" if learned.standing.epoch == order.until < experiment.training.epochs else "finished"

    from ctexp.experiments.training import checkpoints
    from ctexp.experiments.training.tables import predictions_table, quoted_metrics
    from ctexp.learning.evaluation import evaluate

    estimates = evaluate(learned.outputs)
    metrics = quoted_metrics(estimates, learned.outputs.loss)
    if ending != "interrupted":
        run.log(metrics={**metrics, "best_epoch": learned.standing.best_epoch, "seconds_training": seconds},
                step=learned.standing.best_epoch)  # fmt: skip
    if ending in ("finished", "stopped"):
        run.log_text(predictions_table(split.validation, learned.outputs), "validation.csv")
        checkpoints.drop_checkpoints(store, run.id, keep={learned.standing.best_epoch})
    score = metrics[experiment.training.monitor]
    return _Taught(learned, ending, score, _error(experiment.training.monitor, learned, metrics), seconds)


def _stopped_before(store: "Store", order: Order) -> int | None:
    """Give the epoch after which a killed worker had already seen, but not said, that the trial is hopeless."""
    if all(floor is None for floor in order.floors):
        return None
    monitor = order.experiment.training.monitor
    better = max if order.maximise else min
    values = [point.value for point in sorted(store.client.get_metric_history(order.run_id, f"epoch/{monitor}"),
                                              key=lambda point: int(point.step))]  # fmt: skip
    for epoch, floor in enumerate(order.floors[: len(values)], start=1):
        if is_hopeless(better(values[:epoch]), floor, maximise=order.maximise):
            return epoch
    return None


def _error(monitor: Monitor, learned: Learned, metrics: dict[str, float]) -> float:
    """Give the standard error of a score on the validation scans, from the lower end of its interval if it has one."""
    if monitor == "val_loss":
        return learned.outputs.loss_error
    return (metrics[monitor] - metrics[f"{monitor}_low"]) / 1.96


def _store(workplace: Workplace) -> "Store":
    from ctexp.tracking.store import join_store

    return join_store(Project(Path(workplace.root)), workplace.tracking_uri, workplace.experiment_id)


def _run(store: "Store", run_id: str) -> "Run":
    from ctexp.tracking.run import MlflowRun

    return MlflowRun(store, run_id)


def _blame(error: Exception, workplace: Workplace) -> dict[str, Any]:
    """Tell memory that ran out, in Python's and TensorFlow's words, and scans that went away, from a crash."""
    if not has_all(workplace):
        reason = (
            f"{workplace.cache}: the prepared scans must stay there while a sweep runs, some are gone; "
            "--resume prepares them anew"
        )
        return {"reason": reason, "fault": "user"}
    kind = type(error).__name__
    memory = isinstance(error, MemoryError) or kind in ("ResourceExhaustedError", "OutOfMemoryError")
    return {"reason": f"{kind}: {' '.join(str(error).split())[:500]}", "fault": "memory" if memory else "crash"}
