"""`ctexp train`: from a source to a registered version, readable from top to bottom."""

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import Collection
from ctexp.datasets.sources import Source, find_source, load_collection
from ctexp.datasets.splits import Split, split_collection
from ctexp.errors import DataError, InputError
from ctexp.experiments.request import SETTINGS_FILE, TrainingRequest
from ctexp.experiments.watch import Watch
from ctexp.overrides import flatten, signature
from ctexp.project import Project
from ctexp.scans.quality import Reference
from ctexp.scans.read import ReadOptions

if TYPE_CHECKING:
    from ctexp.tracking.run import Run
    from ctexp.tracking.store import Store


@dataclass(frozen=True)
class TrainingReport:
    """What `ctexp train` answers; `metrics` are of the saved network on the validation scans."""

    run_id: str
    model: dict[str, str]
    metrics: dict[str, float]
    parameters: int
    data: dict[str, Any]
    best_epoch: int
    epochs: int
    seconds: float


@dataclass(frozen=True)
class Prepared:
    """The data of one training, read and split."""

    source: Source
    cache: ScanCache
    collection: Collection
    split: Split


def prepare_data(request: TrainingRequest, project: Project, watch: Watch) -> Prepared:
    """Find, read, prepare and split the scans of a request.

    Raises:
        DataError: the source, a scan or the split breaks a rule.
        WorkError: the disk does not take what is prepared.
    """
    source = find_source(request.data, project)
    if source.is_default:
        watch.say("No --data: these are synthetic scans, drawn by ctexp. For real ones name a folder or a manifest.")
    cache = ScanCache(project.cache, request.experiment.scan)
    collection = load_collection(
        source,
        cache,
        options=ReadOptions(allow_gaps=request.allow_gaps),
        positive=request.positive,
        skip_bad=request.skip_bad,
        progress=watch.stage,
    )
    for note in collection.notes:
        watch.say(note)
    if collection.doubts:
        codes = ", ".join(f"{code} {count}" for code, count in collection.doubts.items())
        watch.say(f"the gate warns of some scans ({codes}); `ctexp data check` names them")
    for problem in collection.skipped:
        watch.say(f"skipped: {problem.reason}")
    split = split_collection(collection, request.experiment.split, request.experiment.seed)
    return Prepared(source, cache, collection, split)


def run_training(request: TrainingRequest, project: Project, watch: Watch) -> TrainingReport:
    """Train a network, log everything, and register it.

    Raises:
        InputError: settings, scans or split break a rule; nothing was logged.
        WorkError: training or store failed; the run is FAILED with the reason.
        KeyboardInterrupt: the user stopped it; the run is KILLED and can be resumed.
    """
    from ctexp.learning.shapes import check_shapes

    began = time.monotonic()
    experiment = request.experiment
    check_shapes(experiment.network, experiment.scan.shape)
    find_source(request.data, project)  # a mistyped source is said before MLflow is loaded

    from ctexp.tracking.provenance import all_packages, code_facts, hardware_facts, package_versions
    from ctexp.tracking.run import MlflowRun
    from ctexp.tracking.store import open_store

    store = open_store(project)
    if project.root != Path.cwd():
        watch.say(f"project {project.root}")
    data = prepare_data(request, project, watch)
    prepared_seconds = time.monotonic() - began

    name = request.name or f"{request.preset}-{signature(experiment)}"
    with MlflowRun.start(store, name, {"ctexp.kind": "training"}) as run:
        from ctexp.experiments.record import data_facts, log_inputs, split_table

        watch.say(f"run {run.id} ({name})")
        # The place, not the words: a restart may happen in another folder.
        placed = dataclasses.replace(request, data=data.source.resumable_name)
        run.log_text(placed.to_json(), SETTINGS_FILE)
        run.log(
            params={**flatten(experiment), "preset": request.preset, **data_facts(data.collection, data.split)},
            tags={**code_facts(project.root), **hardware_facts(),
                  **{f"version.{package}": text for package, text in package_versions().items()}},
            metrics={"seconds_preparing": prepared_seconds},
        )  # fmt: skip
        run.log_text(all_packages(), "environment.txt")
        run.log_text(split_table(data.split), "split.csv")
        if data.collection.skipped:
            run.log_text("\n".join(problem.reason for problem in data.collection.skipped) + "\n", "skipped.txt")
        with _resumable(run, watch):
            log_inputs(run, data.cache, data.split, experiment)
            return _learn(request, store, run, data, watch, began)


def resume_training(run_id: str, project: Project, watch: Watch) -> TrainingReport:
    """Go on with a run that was interrupted, from its last finished epoch, to the same end.

    Raises:
        InputError: there is no such run, it finished already, or its scans changed since.
        WorkError, KeyboardInterrupt: as `run_training`.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    from ctexp.tracking.run import MlflowRun
    from ctexp.tracking.store import open_store

    began = time.monotonic()
    store = open_store(project, create=False)
    logged = store.run(run_id)
    status = logged.info.status
    if status in ("FINISHED", "RUNNING"):
        rest = "it finished" if status == "FINISHED" else "its process is still running, or on another machine"
        raise InputError(f"--resume {run_id}: must be a run that was interrupted, {rest}")
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
    with MlflowRun.resume(store, run_id) as run:
        watch.say(f"run {run.id} goes on")
        with _resumable(run, watch):
            return _learn(request, store, run, data, watch, began)


@contextmanager
def _resumable(run: "Run", watch: Watch) -> Iterator[None]:
    """Say how to go on when the work inside ends early, whatever the cause."""
    try:
        yield
    except BaseException:
        watch.say(f"stopped; every finished epoch is kept: go on with `ctexp train --resume {run.id}`")
        raise


def _learn(
    request: TrainingRequest, store: "Store", run: "Run", data: Prepared, watch: Watch, began: float
) -> TrainingReport:
    """Train from where the run stands, quote the best epoch, register it. The run's context ends the run."""
    from ctexp.learning.backend import resolve_precision, start_backend

    experiment, settings = request.experiment, request.experiment.training
    start_backend(experiment.seed)  # before anything else imports Keras

    from ctexp.experiments import checkpoints
    from ctexp.experiments.record import NOTE_TAG, log_results, quoted_metrics, read_history, summary
    from ctexp.learning.baseline import mean_hu_auc
    from ctexp.learning.evaluation import evaluate
    from ctexp.learning.network import build_network
    from ctexp.learning.training import TrainingData, compile_network, is_over, train
    from ctexp.registry.package import package_network
    from ctexp.registry.versions import register

    standing = checkpoints.read_standing(store, run.id)
    if is_over(standing, settings):  # killed between the last epoch and the registration
        network = None
    elif standing.epoch:
        network = checkpoints.load_checkpoint(store, run.id, standing.epoch)
    else:
        precision = resolve_precision(settings.precision)
        network = build_network(experiment.network, experiment.scan.shape, precision)
        compile_network(network, settings, len(data.split.train))
        run.log(params={"network.weights": network.count_params(), "training.precision_used": precision})

    sides = TrainingData(data.cache, data.split.train, data.split.validation)
    history = read_history(store, run.id)
    for epoch in train(
        network, sides, settings, experiment.augment, seed=experiment.seed, standing=standing, on_step=watch.step
    ):
        standing = epoch.standing
        checkpoints.save_checkpoint(run, network, epoch.number)
        # An epoch killed after its numbers but before its standing is trained again, to the same numbers.
        numbers = epoch.metrics if epoch.number > len(history) else {}
        run.log(
            metrics={f"epoch/{key}": value for key, value in numbers.items()},
            tags=checkpoints.mark_standing(standing),
            step=epoch.number,
        )
        history = [*history[: epoch.number - 1], epoch.metrics]
        checkpoints.drop_checkpoints(store, run.id, keep={epoch.number, standing.best_epoch})
        watch.epoch(epoch, settings.epochs)
    trained_seconds = time.monotonic() - began

    best = build_network(experiment.network, experiment.scan.shape)
    best.set_weights(checkpoints.load_checkpoint(store, run.id, standing.best_epoch).get_weights())
    facts = {"source": data.collection.source, "hash": data.collection.hash, "scans": len(data.split.train)}
    with package_network(best, data.cache, data.split.validation, experiment.scan) as package:
        estimates = evaluate(package.outputs)
        without_network = mean_hu_auc(data.cache, data.split.validation)
        metrics = quoted_metrics({**estimates, **without_network}, package.outputs.loss)
        log_results(run, data.cache, data.split.validation, package.outputs, estimates, history, standing.best_epoch)
        kind = Reference.fit([one.examination.features for one in data.split.train
                              if one.examination and one.examination.features])  # fmt: skip
        package.write_manifest(
            run_id=run.id, synthetic=data.collection.synthetic, trained_on=facts, metrics=metrics, reference=kind
        )
        seconds = time.monotonic() - began
        run.log(
            metrics={**metrics, "best_epoch": standing.best_epoch, "seconds_training": trained_seconds,
                     "seconds": seconds, "onnx_difference": package.difference},
            step=standing.best_epoch,
        )  # fmt: skip
        version = register(store, run.id, package.folder)
        checkpoints.drop_checkpoints(store, run.id, keep={standing.best_epoch})
        run.log(tags={NOTE_TAG: summary(data.collection, data.split, estimates, standing.best_epoch, version.version)})
    return TrainingReport(
        run_id=run.id,
        model={"name": version.name, "version": version.version, "alias": version.alias},
        metrics=metrics,
        parameters=best.count_params(),
        data={**facts, "scans": len(data.collection.scans), "synthetic": data.collection.synthetic,
              "split": data.split.counts()},
        best_epoch=standing.best_epoch,
        epochs=standing.epoch,
        seconds=seconds,
    )  # fmt: skip
