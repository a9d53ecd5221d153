"""`ctexp train`: begin a run, or go on with one; readable from top to bottom."""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ctexp.datasets.sources import find_source
from ctexp.datasets.splits import Split
from ctexp.errors import DataError, InputError, UnknownReferenceError
from ctexp.experiments.alone import alone, note_circumstances, require_interrupted
from ctexp.experiments.data import Prepared, prepare_data
from ctexp.experiments.request import SETTINGS_FILE, TrainingRequest
from ctexp.experiments.training.folds import deal_folds, learn_folds, taught
from ctexp.experiments.training.learn import TrainingReport, learn
from ctexp.experiments.watch import Watch
from ctexp.overrides import flatten, signature
from ctexp.project import Project, require_address
from ctexp.tracking.ids import part_of_id
from ctexp.tracking.reach import require_server
from ctexp.tracking.tags import KIND_TAG, PARENT_TAG

if TYPE_CHECKING:
    from ctexp.tracking.run import Run
    from ctexp.tracking.store import Store


def run_training(request: TrainingRequest, project: Project, watch: Watch) -> TrainingReport:
    """Train a network, or one a fold and what `request.final` makes of them, log everything, and register it.

    Raises:
        InputError: settings, scans or split break a rule; nothing was logged.
        WorkError: training or store failed; the run is FAILED with the reason.
        KeyboardInterrupt: the user stopped it; the run is KILLED and can be resumed.
    """
    from ctexp.learning.shapes import check_shapes

    began = time.monotonic()
    experiment = request.experiment
    check_shapes(experiment.network, experiment.scan.shape)
    find_source(request.data, project)  # a mistyped source or store is said before MLflow is loaded
    require_address(project)
    require_server(project.tracking_uri)

    from ctexp.tracking.provenance import all_packages, circumstances
    from ctexp.tracking.run import MlflowRun
    from ctexp.tracking.store import open_store

    store = open_store(project)
    if store.begun:
        watch.say(f"new store {project.store_name}: there was none at this address")
    if project.root != Path.cwd():
        watch.say(f"project {project.root}")
    data = prepare_data(request, project, watch)
    splits = deal_folds(request, data.split)
    prepared_seconds = time.monotonic() - began

    name = request.name or f"{request.preset}-{signature(experiment)}"
    with MlflowRun.start(store, name, {KIND_TAG: "training"}) as run:
        from ctexp.experiments.training.record import log_inputs
        from ctexp.experiments.training.tables import data_facts, split_table

        watch.say(f"run {run.id} ({name})")
        # The place, not the words: a restart may happen in another folder.
        placed = dataclasses.replace(request, data=data.source.resumable_name)
        run.log_text(placed.to_json(), SETTINGS_FILE)
        run.log(
            params={**flatten(experiment), "preset": request.preset, **_folds_asked(request),
                    **data_facts(data.collection, data.split)},
            tags=circumstances(project.root),
            metrics={"seconds_preparing": prepared_seconds},
        )  # fmt: skip
        run.log_text(all_packages(), "environment.txt")
        run.log_text(split_table(taught(request, data.split)), "split.csv")
        if data.collection.skipped:
            run.log_text("\n".join(problem.reason for problem in data.collection.skipped) + "\n", "skipped.txt")
        with _resumable(run, watch):
            log_inputs(run, data.cache, data.split, experiment)
            return _learn(request, store, run, data, splits, watch, began)


def resume_training(run_id: str, project: Project, watch: Watch, *, force: bool = False) -> TrainingReport:
    """Go on with a run that was interrupted, from its last finished epoch, to the same end.

    Args:
        run_id: the run.
        project: whose store and scans.
        watch: somebody who looks on.
        force: go on with a run of another machine or container, too, which still counts as running.

    Raises:
        InputError: there is no such run, it finished already, or its scans changed since.
        WorkError, KeyboardInterrupt: as `run_training`.
    """
    if part := part_of_id(run_id):
        raise UnknownReferenceError(f"--resume {run_id}: {part}")

    from ctexp.tracking.store import open_store

    began = time.monotonic()
    store = open_store(project, create=False)
    with alone(project, "run", run_id):
        return _resume(run_id, store, project, watch, began, force=force)


def _resume(
    run_id: str, store: "Store", project: Project, watch: Watch, began: float, *, force: bool
) -> TrainingReport:
    import mlflow
    from mlflow.exceptions import MlflowException

    from ctexp.tracking.run import MlflowRun

    logged = store.run(run_id)
    if logged.info.status == "FINISHED":
        raise InputError(f"--resume {run_id}: must be a run that was interrupted, it finished")
    require_interrupted(logged, "run", force=force)
    parent = logged.data.tags.get(PARENT_TAG)
    if parent and logged.data.tags.get(KIND_TAG) == "fold":
        raise InputError(f"--resume {run_id}: must be a training, it is one fold of it; resume {parent}")
    try:
        text = mlflow.artifacts.load_text(f"runs:/{run_id}/{SETTINGS_FILE}")
    except (MlflowException, OSError) as error:
        raise InputError(f"--resume {run_id}: must be a training of ctexp, it holds no {SETTINGS_FILE}") from error
    request = TrainingRequest.from_json(text, f"run {run_id}: {SETTINGS_FILE}")
    data = prepare_data(request, project, watch)
    for key, now in (("data.hash", data.collection.hash), ("split.hash", data.split.hash)):
        before = logged.data.params.get(key)
        if before != now:
            raise DataError(
                f"--resume {run_id}: the scans must be those it began with: {key} was {before}, is {now}; "
                "restore the scans or start a new run"
            )
    splits = deal_folds(request, data.split)
    with MlflowRun.resume(store, run_id) as run:
        watch.say(f"run {run.id} goes on")
        note_circumstances(logged.data.tags, run, project, watch)
        with _resumable(run, watch):
            return _learn(request, store, run, data, splits, watch, began)


def _learn(
    request: TrainingRequest,
    store: "Store",
    run: "Run",
    data: Prepared,
    splits: Sequence[Split],
    watch: Watch,
    began: float,
) -> TrainingReport:
    if splits:
        return learn_folds(request, store, run, data, splits, watch, began)
    return learn(request, store, run, data, watch, began)


def _folds_asked(request: TrainingRequest) -> dict[str, object]:
    """Give the parameters that say how a run cross-validates; none where it does not."""
    if not request.folds:
        return {}
    return {"folds": request.folds, "repeats": request.repeats, "final": request.final}


@contextmanager
def _resumable(run: "Run", watch: Watch) -> Iterator[None]:
    """Say how to go on when the work inside ends early, whatever the cause."""
    try:
        yield
    except BaseException:
        watch.say(f"stopped; every finished epoch is kept: go on with `ctexp train --resume {run.id}`")
        raise
