"""From a run with its data to a registered version: the epochs, the quoted network, its package."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctexp.config import Experiment
from ctexp.datasets.collection import LabelledScan
from ctexp.experiments.data import Prepared
from ctexp.experiments.request import TrainingRequest
from ctexp.experiments.training.epochs import Learned, run_epochs
from ctexp.experiments.watch import Watch
from ctexp.scans.quality import Reference

if TYPE_CHECKING:
    from ctexp.experiments.training.answers import Answers
    from ctexp.registry.versions import RegisteredVersion
    from ctexp.tracking.run import Run
    from ctexp.tracking.store import Store


@dataclass(frozen=True)
class TrainingReport:
    """What `ctexp train` answers.

    Attributes:
        run_id: the run; with folds, their parent.
        model: name, version and alias.
        metrics: `val_...` of the registered version on the validation scans, at its threshold and, but for the loss,
            calibrated; an ensemble's are out-of-fold. `cv_...` and `oof_...` with folds.
        parameters: number of weights, of all networks.
        data: source, scans, sides.
        best_epoch: whose weights are registered; 0 for an ensemble, whose folds have one each.
        epochs: trained; of an ensemble those of its longest fold.
        seconds: in all.
        answer: temperature, threshold, operating point, and the scans that they were fitted to.
        folds: run id, metrics and best epoch of each fold.
        cross_validation: mean and standard error over the folds, and out-of-fold estimates; None without folds.
    """

    run_id: str
    model: dict[str, str]
    metrics: dict[str, float]
    parameters: int
    data: dict[str, Any]
    best_epoch: int
    epochs: int
    seconds: float
    answer: dict[str, Any]
    folds: tuple[dict[str, Any], ...] = ()
    cross_validation: dict[str, Any] | None = None


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
    *,
    note: str = "",
) -> TrainingReport:
    """Quote, calibrate, package and register the best epoch of a run whose epochs are done.

    Args:
        experiment: the run's settings.
        store: where the run is kept.
        run: the run.
        data: scans and split.
        learned: what its epochs came to.
        began: `time.monotonic()` at the start of the whole work.
        trained_seconds: what the epochs took, preparation included.
        note: more to say on the run's page.

    Raises:
        WorkError: export or store failed.
    """
    from ctexp.experiments.training import checkpoints
    from ctexp.experiments.training.answers import halves, settle_answers
    from ctexp.experiments.training.explained import log_explanations
    from ctexp.experiments.training.record import NOTE_TAG, log_results, summary
    from ctexp.experiments.training.tables import quoted_metrics
    from ctexp.learning.baseline import mean_hu_auc
    from ctexp.learning.network import build_network
    from ctexp.registry.network import NETWORK_NAME
    from ctexp.registry.package import package_network
    from ctexp.tracking.figures import curves

    standing, held = learned.standing, data.split.validation
    best = build_network(experiment.network, experiment.scan.shape)
    best.set_weights(learned.network.get_weights())  # float32, whatever it was trained in
    with package_network(best, data.cache, held) as package:
        parts = halves(held, experiment.seed)
        answers = settle_answers([package.outputs], [parts], experiment.answer.sensitivity)
        without_network = mean_hu_auc(data.cache, held)
        metrics = quoted_metrics({**answers.estimates, **without_network}, package.outputs.loss) | answers.metrics
        run.log_figure(curves(learned.history, standing.best_epoch), "pictures/curves.png")
        log_results(run, data.cache, held, answers)
        file = package.folder / NETWORK_NAME
        log_explanations(run, [file], data.cache, held, answers.calibrated)
        seconds = time.monotonic() - began
        run.log(
            metrics={**metrics, "best_epoch": standing.best_epoch, "seconds_training": trained_seconds,
                     "seconds": seconds, "onnx_difference": package.difference},
            step=standing.best_epoch,
        )  # fmt: skip
        version = register_answers(store, run.id, package.folder, experiment, data, data.split.train, answers, metrics)
        checkpoints.leave_network(store, run, learned.network, standing.best_epoch)
        text = summary(
            data.collection,
            data.split,
            answers,
            made=f"Version {version.version} is the network of epoch {standing.best_epoch}.",
            judged="On the validation scans",
        )
        run.log(tags={NOTE_TAG: "\n\n".join([text, note]) if note else text})
    return TrainingReport(
        run_id=run.id,
        model={"name": version.name, "version": version.version, "alias": version.alias},
        metrics=metrics,
        parameters=learned.weights,
        data=data_report(data, data.split.train),
        best_epoch=standing.best_epoch,
        epochs=standing.epoch,
        seconds=seconds,
        answer=answer_report(answers),
    )


def register_answers(
    store: "Store",
    run_id: str,
    folder: Path,
    experiment: Experiment,
    data: Prepared,
    taught_by: Sequence[LabelledScan],
    answers: "Answers",
    metrics: dict[str, float],
) -> "RegisteredVersion":
    """Write the manifest beside packaged networks, register the folder and put its model card to it.

    Args:
        store: where.
        run_id: the run that trained them.
        folder: holds their ONNX files, and the Keras files that these were made of.
        experiment: the run's settings.
        data: scans and split.
        taught_by: the scans that taught the networks.
        answers: what they say of others.
        metrics: to be quoted for exactly these networks.

    Raises:
        WorkError: the store does not take it.
    """
    from ctexp.registry.card import keep_card
    from ctexp.registry.manifest import PredictorManifest, hash_networks
    from ctexp.registry.names import ModelVersion
    from ctexp.registry.versions import register

    examined = [one.examination.features for one in taught_by if one.examination and one.examination.features]
    PredictorManifest(
        scan=experiment.scan,
        networks=hash_networks(folder, sorted(file.name for file in folder.glob("*.onnx"))),
        trained_networks=hash_networks(folder, sorted(file.name for file in folder.glob("*.keras"))),
        synthetic=data.collection.synthetic,
        run_id=run_id,
        temperature=answers.temperature,
        threshold=answers.threshold,
        calibrated_on=answers.n,
        operating_point=answers.operating_point,
        trained_on={"source": data.collection.source, "hash": data.collection.hash, "scans": len(taught_by)},
        metrics=metrics,
        reference=Reference.fit(examined),
    ).write(folder)
    version = register(store, run_id, folder)
    keep_card(store, ModelVersion(version.name, version.version, run_id))
    return version


def data_report(data: Prepared, taught_by: Sequence[LabelledScan]) -> dict[str, Any]:
    """Give what a report says of the data."""
    return {"source": data.collection.source, "hash": data.collection.hash, "scans": len(data.collection.scans),
            "trained_on": len(taught_by), "synthetic": data.collection.synthetic,
            "split": data.split.counts(), "patients": data.split.patients()}  # fmt: skip


def answer_report(answers: "Answers") -> dict[str, Any]:
    """Give what a report says of temperature and threshold."""
    return {"temperature": answers.temperature, "threshold": answers.threshold, "scans": answers.n,
            "side": answers.side, "operating_point": answers.operating_point}  # fmt: skip
