"""A REF to a version in the registry, and to its predictor: MLflow's own way."""

import tempfile
from pathlib import Path

import mlflow
from mlflow.entities.model_registry import ModelVersion as MlflowVersion
from mlflow.exceptions import MlflowException

from ctexp.address import shown
from ctexp.errors import StoreUnreachableError, WorkError
from ctexp.registry.names import ModelVersion, Reference, not_there, read_reference
from ctexp.registry.package import ARTIFACT
from ctexp.registry.predictor import Predictor
from ctexp.tracking.store import Store

__all__ = ["ModelVersion", "download", "find_entity", "load_predictor", "resolve"]

_NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "BAD_REQUEST", "ENDPOINT_NOT_FOUND", "NOT_FOUND")
"""How MLflow says that a name, a version or an alias is none of its own."""


def resolve(store: Store, reference: str | None) -> ModelVersion:
    """Find the version that a command's argument REF names; default is the project's champion.

    Raises:
        UnknownReferenceError: the REF has no known form, or names nothing in this store.
    """
    found = find_entity(store, read_reference(reference, "REF"))
    return ModelVersion(found.name, str(found.version), found.run_id)


def find_entity(store: Store, wanted: Reference) -> MlflowVersion:
    """Give what the registry knows of the version that a REF names.

    Raises:
        UnknownReferenceError: it names nothing in this store.
        StoreUnreachableError: the store does not answer, or not to this user.
    """
    try:
        if wanted.run_id:
            found = store.client.search_model_versions(f"run_id = '{wanted.run_id}'")
            if not found:
                raise not_there(wanted, shown(store.project.tracking_uri))
            return max(found, key=lambda version: int(version.version))
        if wanted.alias:
            return store.client.get_model_version_by_alias(wanted.name, wanted.alias)
        return store.client.get_model_version(wanted.name, wanted.version)
    except MlflowException as error:
        if error.error_code not in _NOT_THERE:
            first = str(error).splitlines()[0]
            raise StoreUnreachableError(f"store {shown(store.project.tracking_uri)}: must answer: {first}") from error
        raise not_there(wanted, shown(store.project.tracking_uri)) from error


def download(version: ModelVersion, place: Path) -> Path:
    """Fetch a version's files into a folder and give the one among them that holds its predictor.

    Raises:
        WorkError: the files cannot be fetched, or hold no predictor.
    """
    uri = f"models:/{version.name}/{version.version}"
    try:
        mlflow.artifacts.download_artifacts(artifact_uri=f"{uri}/artifacts/{ARTIFACT}", dst_path=str(place))
    except (MlflowException, OSError) as error:
        raise WorkError(f"{uri}: its files must be readable: {error}") from error
    places = [file.parent for file in place.rglob("predictor.json")]
    if not places:
        raise WorkError(f"{uri}: must be a ctexp predictor, it holds no predictor.json")
    return places[0]


def load_predictor(store: Store, version: ModelVersion) -> Predictor:
    """Fetch a version's files and load its predictor; the files are gone afterwards, the network is in memory.

    Raises:
        WorkError: the files cannot be fetched or are no whole predictor.
    """
    with tempfile.TemporaryDirectory(prefix="ctexp-model-") as folder:
        return Predictor(download(version, Path(folder)))
