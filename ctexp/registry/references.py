"""REF, the words that name a model, to a version in the registry."""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException

from ctexp.errors import UnknownReferenceError, WorkError
from ctexp.project import MODEL_NAME
from ctexp.registry.history import CHAMPION
from ctexp.registry.package import ARTIFACT
from ctexp.registry.predictor import Predictor
from ctexp.tracking.store import Store

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_FORMS = f"{MODEL_NAME}@{CHAMPION}, models:/{MODEL_NAME}/1 or a run id"


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model."""

    name: str
    version: str
    run_id: str


def resolve(store: Store, reference: str | None) -> ModelVersion:
    """Find the version that a REF names; default is the project's champion.

    Raises:
        UnknownReferenceError: the REF has no known form, or names nothing in this store.
    """
    text = reference or f"{MODEL_NAME}@{CHAMPION}"
    try:
        if _RUN_ID.fullmatch(text):
            found = store.client.search_model_versions(f"run_id = '{text}'")
            if not found:
                raise UnknownReferenceError(f"--model {text}: the run must have registered a model, it has none")
            newest = max(found, key=lambda version: int(version.version))
            return ModelVersion(newest.name, str(newest.version), newest.run_id)
        bare = text.removeprefix("models:/")
        name, mark, rest = bare.partition("@") if "@" in bare else bare.partition("/")
        if not (name and mark and rest):
            raise UnknownReferenceError(f"--model {text}: must be like {_FORMS}")
        if mark == "@":
            version = store.client.get_model_version_by_alias(name, rest)
        else:
            version = store.client.get_model_version(name, rest)
    except MlflowException as error:
        remedy = "train one with `ctexp train`" if reference is None else f"name one like {_FORMS}"
        raise UnknownReferenceError(
            f"--model {text}: must be in the store {store.project.tracking_uri}, it is not; {remedy}"
        ) from error
    return ModelVersion(version.name, str(version.version), version.run_id)


def load_predictor(store: Store, version: ModelVersion) -> Predictor:
    """Fetch a version's files and load its predictor; the files are gone afterwards, the network is in memory.

    Raises:
        WorkError: the files cannot be fetched or are no whole predictor.
    """
    uri = f"models:/{version.name}/{version.version}"
    with tempfile.TemporaryDirectory(prefix="ctexp-model-") as folder:
        try:
            mlflow.artifacts.download_artifacts(artifact_uri=f"{uri}/artifacts/{ARTIFACT}", dst_path=folder)
        except (MlflowException, OSError) as error:
            raise WorkError(f"{uri}: its files must be readable: {error}") from error
        places = [file.parent for file in Path(folder).rglob("predictor.json")]
        if not places:
            raise WorkError(f"{uri}: must be a ctexp predictor, it holds no predictor.json")
        return Predictor(places[0])
