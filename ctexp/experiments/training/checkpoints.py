"""Weights and optimiser of a run's last and best epoch, kept in the run so that a kill costs at most one epoch.

While a run trains, a checkpoint is plain numbers, which cost a quarter of Keras's own format to write; when it, or its
sweep, has ended, the best epoch's network is left as a `.keras` file that loads anywhere.

A checkpoint's name is its epoch and is never written twice; the tag `ctexp.standing`, one row of the database, says
which checkpoints are whole. A kill between the two leaves the tag at the epoch before, and since a checkpoint is on
the disk before the tag names it, so does a power cut.
"""

import contextlib
import json
import math
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
import numpy.typing as npt
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


def state_name(epoch: int) -> str:
    """Give the file name of an epoch's numbers."""
    return f"epoch-{epoch:04d}.state"


def network_name(epoch: int) -> str:
    """Give the file name of an epoch's network."""
    return f"epoch-{epoch:04d}.keras"


def save_checkpoint(run: Run, network: "keras.Model", epoch: int) -> None:
    """Keep what network and optimiser hold after an epoch, one variable's bytes after another's, and their CRC-32."""
    import keras

    # reshape before view: a number alone has no axis whose bytes could be seen one by one
    rows = [keras.ops.convert_to_numpy(one).reshape(-1).view(np.uint8) for one in _held(network)]
    with tempfile.TemporaryDirectory(prefix="ctexp-checkpoint-") as folder:
        file = Path(folder) / state_name(epoch)
        row = np.concatenate(rows)
        with file.open("wb") as stream:
            row.tofile(stream)
            stream.write(_checksum(row))
        run.log_file(file, FOLDER, durable=True)


def has_state(store: Store, run_id: str, epoch: int) -> bool:
    """Tell whether a run still has an epoch's numbers."""
    return state_name(epoch) in _listed(get_artifact_repository(store.artifacts_of(run_id)))


def load_checkpoint(store: Store, run_id: str, epoch: int, network: "keras.Model") -> None:
    """Put back what network and optimiser held after an epoch; of a run that has ended only the network's weights.

    Args:
        store: where the run is kept.
        run_id: of the run.
        epoch: whose checkpoint there is.
        network: of the run's own settings; the optimiser is put back where it is compiled.

    Raises:
        UnknownReferenceError: the run has no such checkpoint, or it is damaged.
    """
    place = f"{FOLDER}/{state_name(epoch)}"
    with tempfile.TemporaryDirectory(prefix="ctexp-checkpoint-") as folder:
        try:
            ended = state_name(epoch) not in _listed(get_artifact_repository(store.artifacts_of(run_id)))
            place = f"{FOLDER}/{network_name(epoch)}" if ended else place
            file = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=place, dst_path=folder)
            if ended:
                import keras

                # Safe mode: a file that holds code is refused.
                network.set_weights(keras.saving.load_model(file, compile=False, safe_mode=True).get_weights())
            else:
                _put_back(Path(file), network)
        except (MlflowException, OSError, ValueError) as error:
            raise UnknownReferenceError(f"run {run_id}: {place} must be whole: {error}") from error


def leave_network(store: Store, run: Run, network: "keras.Model", epoch: int) -> None:
    """Leave a run that has ended with one checkpoint, the best epoch's network as a `.keras` file.

    Args:
        store: where the run is kept.
        run: the run.
        network: with the weights of that epoch.
        epoch: the best one.
    """
    with tempfile.TemporaryDirectory(prefix="ctexp-checkpoint-") as folder:
        file = Path(folder) / network_name(epoch)
        network.save(file)
        run.log_file(file, FOLDER, durable=True)
    _drop(store, run.id, {network_name(epoch)})


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


def drop_checkpoints(store: Store, run_id: str, keep: set[int]) -> None:
    """Delete the checkpoints of all epochs but `keep`; one that cannot be deleted only takes space."""
    _drop(store, run_id, {name(epoch) for epoch in keep for name in (state_name, network_name)})


def _drop(store: Store, run_id: str, names: set[str]) -> None:
    with contextlib.suppress(MlflowException, NotImplementedError, OSError):
        repository = get_artifact_repository(store.artifacts_of(run_id))
        for name in _listed(repository) - names:
            repository.delete_artifacts(f"{FOLDER}/{name}")


def _listed(repository: Any) -> set[str]:
    return {Path(item.path).name for item in repository.list_artifacts(FOLDER)}


def _held(network: "keras.Model") -> list[Any]:
    """Give all that a step of the training changes, in an order that the settings decide."""
    optimiser = _optimiser_of(network)
    if optimiser is None:
        return list(network.variables)
    optimiser.build(network.trainable_variables)  # nothing where it is built
    return [*network.variables, *optimiser.variables]


def _optimiser_of(network: "keras.Model") -> Any:
    """Give the optimiser; None for a network that was never compiled, which does not even have the attribute."""
    return getattr(network, "optimizer", None)


def _checksum(row: npt.NDArray[np.uint8]) -> bytes:
    return zlib.crc32(row.data).to_bytes(4, "little")


def _put_back(file: Path, network: "keras.Model") -> None:
    """Fill a network, and its optimiser if it has one, from a file of `save_checkpoint`.

    Raises:
        ValueError: the file holds another network's arrays.
    """
    data = file.read_bytes()
    row = np.frombuffer(data[:-4], np.uint8)
    if _checksum(row) != data[-4:]:
        raise ValueError("its bytes are not those that were written")
    held = _held(network)
    kinds = [(np.dtype(variable.dtype), tuple(variable.shape)) for variable in held]
    sizes = [kind.itemsize * math.prod(shape) for kind, shape in kinds]
    # A network that is not compiled takes the first part and leaves the optimiser's numbers.
    if len(row) < sum(sizes) or (_optimiser_of(network) is not None and len(row) > sum(sizes)):
        raise ValueError("it holds another network's arrays")
    start = 0
    for variable, (kind, shape), size in zip(held, kinds, sizes, strict=True):
        variable.assign(row[start : start + size].view(kind).reshape(shape))
        start += size
