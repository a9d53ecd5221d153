"""A packaged network into a version of the registered model."""

import contextlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.models.signature import ModelSignature
from mlflow.types.schema import AnyType, ColSpec, DataType, Schema

import ctexp
from ctexp.errors import WorkError
from ctexp.project import MODEL_NAME
from ctexp.registry.example import example_nifti
from ctexp.registry.history import record
from ctexp.registry.names import CHAMPION
from ctexp.registry.package import ARTIFACT
from ctexp.registry.serving import COLUMNS, RESULTS
from ctexp.tracking.store import Store

CHALLENGER = "challenger"
_SERVING = ("numpy", "scipy", "nibabel", "isal", "onnxruntime", "mlflow")
"""What a version needs to answer, at the releases that it was made with; DICOM needs its own packages besides."""


@dataclass(frozen=True)
class RegisteredVersion:
    """A version of the registered model and the alias that it got."""

    name: str
    version: str
    alias: str


def register(store: Store, run_id: str, folder: Path) -> RegisteredVersion:
    """Log a packaged predictor with its run and register it.

    The logged model is MLflow's "models from code": the code that answers lies beside the data as text, and nothing is
    pickled. The first version becomes `@champion`; later ones become `@challenger` and wait for their promotion.

    Args:
        store: where.
        run_id: the run that trained it; may be running.
        folder: holds the networks and `predictor.json`.

    Raises:
        WorkError: the store does not take it.
    """
    requirements = [f"{name}=={metadata.version(name)}" for name in _SERVING]
    try:
        made = store.client.search_model_versions(f"run_id = '{run_id}'")
        if made:  # a restart after a kill between this and the run's end
            return _with_alias(store, str(made[0].version))
        with _active(run_id), _quiet():
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(Path(__file__).with_name("pyfunc_model.py")),
                artifacts={ARTIFACT: str(folder)},
                code_paths=[str(Path(ctexp.__file__).parent)],  # the version answers where ctexp is not installed
                pip_requirements=requirements,
                signature=_signature(),
                input_example={"nifti": [example_nifti()]},
                registered_model_name=MODEL_NAME,
            )
            return _with_alias(store, str(info.registered_model_version))
    except (MlflowException, OSError) as error:
        raise WorkError(f"registry: the store must take the model: {error}") from error


def _signature() -> ModelSignature:
    """Describe the tables that go in and come out.

    The columns that go in have no type for MLflow: each is optional, and MLflow's own words about a wrong one would
    have the whole scan in them. `answer_table` checks.
    """
    inputs = [ColSpec(AnyType(), name, required=False) for name in COLUMNS]
    kinds = [DataType.double if name in ("normal", "abnormal") else DataType.string for name in RESULTS]
    outputs = [ColSpec(kind, name) for kind, name in zip(kinds, RESULTS, strict=True)]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def _with_alias(store: Store, version: str) -> RegisteredVersion:
    """Make a version the champion where there is none, else the challenger."""
    champion = store.client.get_registered_model(MODEL_NAME).aliases.get(CHAMPION)
    if champion is None:
        champion = record(store, "first", version, why="there was no champion").champion
    alias = CHAMPION if str(champion) == version else CHALLENGER
    if alias == CHALLENGER:
        store.client.set_registered_model_alias(MODEL_NAME, CHALLENGER, version)
    return RegisteredVersion(MODEL_NAME, version, alias)


@contextlib.contextmanager
def _active(run_id: str) -> Iterator[None]:
    """Make a run the one that `log_model` logs to, and leave it running: the training ends it, not the registration."""
    mlflow.start_run(run_id=run_id)
    try:
        yield
    finally:
        mlflow.end_run(status="RUNNING")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drop what MLflow prints while it registers; what goes wrong is raised."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore", UserWarning)
        yield
