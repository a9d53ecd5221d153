"""Weights and optimiser of a run's last and best epoch, kept in the run so that a kill costs at most one epoch.

A checkpoint's name is its epoch and is never written twice; the tag `ctexp.standing`, one row of the database, says
which checkpoints are whole. A kill between the two leaves the tag at the epoch before.
"""

import contextlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from ctexp.errors import UnknownReferenceError
from ctexp.learning.training import Standing
from ctexp.tracking.run import Run
from ctexp.tracking.store import Store

if TYPE_CHECKING:
    import keras

STANDING_TAG = "ctexp.standing"
FOLDER = "checkpoints"


def checkpoint_name(epoch: int) -> str:
    """Give the file name of an epoch's checkpoint."""
    return f"epoch-{epoch:04d}.keras"


def save_checkpoint(run: Run, network: "keras.Model", epoch: int) -> None:
    """Keep network and optimiser after an epoch."""
    with tempfile.TemporaryDirectory(prefix="ctexp-checkpoint-") as folder:
        file = Path(folder) / checkpoint_name(epoch)
        network.save(file)
        run.log_file(file, FOLDER)


def mark_standing(standing: Standing) -> dict[str, str]:
    """Give the tag that makes the checkpoints up to this standing count."""
    facts = {"epoch": standing.epoch, "best_epoch": standing.best_epoch, "best_score": list(standing.best_score)}
    return {STANDING_TAG: json.dumps(facts)}


def read_standing(store: Store, run_id: str) -> Standing:
    """Read how far a run is; the start when it never finished an epoch."""
    text = store.run(run_id).data.tags.get(STANDING_TAG)
    if text is None:
        return Standing()
    facts = json.loads(text)
    first, second = facts["best_score"]
    return Standing(facts["epoch"], facts["best_epoch"], (first, second))


def load_checkpoint(store: Store, run_id: str, epoch: int) -> "keras.Model":
    """Load the network and the optimiser of an epoch.

    Raises:
        UnknownReferenceError: the run has no such checkpoint, or it is damaged.
    """
    import keras

    with tempfile.TemporaryDirectory(prefix="ctexp-checkpoint-") as folder:
        path = f"{FOLDER}/{checkpoint_name(epoch)}"
        try:
            file = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=path, dst_path=folder)
            return keras.saving.load_model(file)  # safe mode: a file that holds code is refused
        except (MlflowException, OSError, ValueError) as error:
            raise UnknownReferenceError(f"run {run_id}: {path} must be whole: {error}") from error


def drop_checkpoints(store: Store, run_id: str, keep: set[int]) -> None:
    """Delete the checkpoints of all epochs but `keep`; one that cannot be deleted only takes space."""
    names = {checkpoint_name(epoch) for epoch in keep}
    with contextlib.suppress(MlflowException, NotImplementedError, OSError):
        repository = get_artifact_repository(store.run(run_id).info.artifact_uri)
        for item in repository.list_artifacts(FOLDER):
            if Path(item.path).name not in names:
                repository.delete_artifacts(item.path)
