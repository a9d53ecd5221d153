"""From a run with its data to a registered version: the epochs, the quoted network, its package."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ctexp.experiments.data import Prepared
from ctexp.experiments.request import TrainingRequest
from ctexp.experiments.watch import Watch
from ctexp.scans.quality import Reference

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


def learn(
    request: TrainingRequest, store: "Store", run: "Run", data: Prepared, watch: Watch, began: float
) -> TrainingReport:
    """Train from where the run stands, quote the best epoch, register it. The run's context ends the run.

    Args:
        request: the settings.
        store: where the run is kept.
        run: the run, begun and with its data logged.
        data: scans and split.
        watch: somebody who looks on.
        began: `time.monotonic()` at the start of the whole work.

    Raises:
        WorkError: training, export or store failed.
    """
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
