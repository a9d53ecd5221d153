"""One fold of a cross-validation: a child run, trained or read back."""

import copy
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ctexp.datasets.splits import Split
from ctexp.experiments.data import Prepared
from ctexp.experiments.request import TrainingRequest
from ctexp.experiments.training.epochs import run_epochs
from ctexp.experiments.watch import Watch
from ctexp.learning.evaluation import Outputs, evaluate
from ctexp.tracking.tags import FOLD_TAG, KIND_TAG, PARENT_TAG, REPEAT_TAG

if TYPE_CHECKING:
    from ctexp.learning.training import Standing
    from ctexp.tracking.run import Run
    from ctexp.tracking.store import Store

NETWORK_FOLDER = "network"
QUOTED = ("auc", "accuracy", "sensitivity", "specificity", "loss")


@dataclass(frozen=True, eq=False)
class Fold:
    """A fold that is done.

    Attributes:
        split: train and validation sides of this fold.
        outputs: of its network, as trained, on its validation side.
    """

    run_id: str
    split: Split
    standing: "Standing"
    history: list[dict[str, float]]
    outputs: Outputs
    weights: int

    @property
    def metrics(self) -> dict[str, float]:
        """Validation loss, and the other metrics at a probability of 0.5."""
        values = {name: one.value for name, one in evaluate(self.outputs).items()} | {"loss": self.outputs.loss}
        return {f"val_{name}": values[name] for name in QUOTED if not np.isnan(values[name])}


def train_fold(
    request: TrainingRequest, store: "Store", parent: "Run", data: Prepared, split: Split, number: int, watch: Watch
) -> Fold:
    """Train one fold, from where its run stands, unless that run is finished; read it back either way."""
    from ctexp.experiments.training import checkpoints
    from ctexp.experiments.training.tables import data_facts, predictions_table, quoted_metrics, split_table
    from ctexp.learning.network import build_network
    from ctexp.overrides import flatten
    from ctexp.registry.network import KERAS_NAME, NETWORK_NAME
    from ctexp.registry.package import package_network
    from ctexp.tracking.figures import curves
    from ctexp.tracking.run import MlflowRun

    repeat, fold = divmod(number - 1, request.folds)
    name = f"fold {fold + 1}" if request.repeats == 1 else f"repeat {repeat + 1} fold {fold + 1}"
    logged = _fold_runs(store, parent.id).get(number)
    if logged is not None and logged.info.status == "FINISHED":
        return _read(store, logged.info.run_id, split)
    watch.say(f"{name} of {request.folds}: {len(split.train)} train, {len(split.validation)} validation")
    if logged is None:
        tags = {KIND_TAG: "fold", FOLD_TAG: str(number), REPEAT_TAG: str(repeat + 1), PARENT_TAG: parent.id}
        child = MlflowRun.start(store, name, tags)
    else:
        child = MlflowRun.resume(store, logged.info.run_id)
    experiment = request.experiment
    with child as run:
        began = time.monotonic()
        params = {**flatten(experiment), **data_facts(data.collection, split)}
        have = logged.data.params if logged else {}  # a source may be named otherwise now, its hashes were compared
        run.log(params={key: value for key, value in params.items() if key not in have})
        run.log_text(split_table(split), "split.csv")
        # A copy, so that the clock of each fold's epochs starts anew.
        learned = run_epochs(experiment, store, run, data.cache, split, copy.copy(watch))
        standing = learned.standing
        best = build_network(experiment.network, experiment.scan.shape)
        best.set_weights(learned.network.get_weights())
        with package_network(best, data.cache, split.validation) as package:
            for file in (NETWORK_NAME, KERAS_NAME):
                run.log_file(package.folder / file, NETWORK_FOLDER)
            run.log_figure(curves(learned.history, standing.best_epoch), "pictures/curves.png")
            run.log_text(predictions_table(split.validation, package.outputs), "validation.csv")
            run.log(
                metrics={**quoted_metrics(evaluate(package.outputs), package.outputs.loss),
                         "best_epoch": standing.best_epoch, "onnx_difference": package.difference,
                         "seconds_training": time.monotonic() - began},
                step=standing.best_epoch,
            )  # fmt: skip
        checkpoints.leave_network(store, run, learned.network, standing.best_epoch)
    return _read(store, run.id, split)


def _fold_runs(store: "Store", parent_id: str) -> dict[int, Any]:
    """Give the runs of a parent's folds by their number."""
    found = store.client.search_runs([store.experiment_id], f"tags.`{PARENT_TAG}` = '{parent_id}'", max_results=1000)
    return {int(run.data.tags[FOLD_TAG]): run for run in found if FOLD_TAG in run.data.tags}


def _read(store: "Store", run_id: str, split: Split) -> Fold:
    """Read a finished fold back from its run, the same whether this process trained it or one before.

    Raises:
        WorkError: what it kept is not whole.
    """
    from ctexp.experiments.training import checkpoints
    from ctexp.experiments.training.record import read_history, read_outputs

    return Fold(
        run_id=run_id,
        split=split,
        standing=checkpoints.read_standing(store, run_id),
        history=read_history(store, run_id),
        outputs=read_outputs(run_id, split.validation),
        weights=int(store.run(run_id).data.params["network.weights"]),
    )


def fetch_network(fold: Fold, place: Path) -> Path:
    """Fetch the folder with a fold's network from its run.

    Raises:
        WorkError: it is not there.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    from ctexp.errors import WorkError
    from ctexp.registry.network import NETWORK_NAME

    run_id = fold.run_id
    try:
        (place / run_id).mkdir()
        fetched = Path(
            mlflow.artifacts.download_artifacts(
                run_id=run_id, artifact_path=NETWORK_FOLDER, dst_path=str(place / run_id)
            )
        )
        if not (fetched / NETWORK_NAME).is_file():
            raise OSError("there is none")
    except (MlflowException, OSError) as error:
        path = f"{NETWORK_FOLDER}/{NETWORK_NAME}"
        raise WorkError(f"run {run_id}: {path} must be whole: {error}; delete the run to train it again") from error
    return fetched
