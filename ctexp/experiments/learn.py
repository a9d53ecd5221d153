"""From a run with its data to a registered version: the epochs, the quoted network, its package."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ctexp.config import Experiment
from ctexp.experiments.data import Prepared
from ctexp.experiments.epochs import Learned, run_epochs
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
    learned = run_epochs(request.experiment, store, run, data.cache, data.split, watch)
    trained_seconds = time.monotonic() - began
    return conclude(request.experiment, store, run, data, learned, began, trained_seconds)


def conclude(
    experiment: Experiment,
    store: "Store",
    run: "Run",
    data: Prepared,
    learned: Learned,
    began: float,
    trained_seconds: float,
) -> TrainingReport:
    """Quote, package and register the best epoch of a run whose epochs are done.

    Args:
        experiment: the run's settings.
        store: where the run is kept.
        run: the run.
        data: scans and split.
        learned: what its epochs came to.
        began: `time.monotonic()` at the start of the whole work.
        trained_seconds: what the epochs took, preparation included.

    Raises:
        WorkError: export or store failed.
    """
    from ctexp.experiments import checkpoints
    from ctexp.experiments.record import NOTE_TAG, log_results, quoted_metrics, summary
    from ctexp.learning.baseline import mean_hu_auc
    from ctexp.learning.evaluation import evaluate
    from ctexp.learning.network import build_network
    from ctexp.registry.package import package_network
    from ctexp.registry.versions import register

    standing = learned.standing
    best = build_network(experiment.network, experiment.scan.shape)
    best.set_weights(checkpoints.load_checkpoint(store, run.id, standing.best_epoch).get_weights())
    facts = {"source": data.collection.source, "hash": data.collection.hash, "scans": len(data.split.train)}
    with package_network(best, data.cache, data.split.validation, experiment.scan) as package:
        estimates = evaluate(package.outputs)
        without_network = mean_hu_auc(data.cache, data.split.validation)
        metrics = quoted_metrics({**estimates, **without_network}, package.outputs.loss)
        log_results(
            run, data.cache, data.split.validation, package.outputs, estimates, learned.history, standing.best_epoch
        )
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
        parameters=learned.weights,
        data={**facts, "scans": len(data.collection.scans), "synthetic": data.collection.synthetic,
              "split": data.split.counts()},
        best_epoch=standing.best_epoch,
        epochs=standing.epoch,
        seconds=seconds,
    )  # fmt: skip
