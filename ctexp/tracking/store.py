"""The MLflow store of a project: made once, found again, and never left with runs that nobody runs."""

import contextlib
import logging
import os
from dataclasses import dataclass, field

import mlflow
from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.entities import Run as MlflowEntity
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy.exc import SQLAlchemyError

from ctexp.errors import StoreUnreachableError, UnknownReferenceError, WorkError
from ctexp.project import MODEL_NAME, Project, require_address, require_store
from ctexp.tracking.process import is_gone
from ctexp.tracking.reach import require_reachable

_MODEL_TRAINING = {"mlflow.experimentKind": "custom_model_development"}
"""Makes `mlflow ui` open on training runs and their charts."""
FAILURES = (MlflowException, SQLAlchemyError, OSError)
"""What a store that fails raises through MLflow."""
OWNER_TAG = "ctexp.process"
REASON_TAG = "ctexp.reason"

for _name in ("mlflow", "alembic"):  # migrations and hints; what matters is raised
    logging.getLogger(_name).setLevel(logging.ERROR)


@dataclass(frozen=True)
class Store:
    """An open store: runs are filed under one experiment, versions under the project's model.

    Attributes:
        begun: whether `$MLFLOW_TRACKING_URI` named a file that was not there, and it was made.
    """

    project: Project
    client: MlflowClient
    experiment_id: str
    _places: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    begun: bool = False

    def artifacts_of(self, run_id: str) -> str:
        """Give the URI of a run's artifacts, which never changes: the store is asked once.

        Raises:
            UnknownReferenceError: there is no such run.
        """
        if run_id not in self._places:
            self._places[run_id] = self.run(run_id).info.artifact_uri
        return self._places[run_id]

    def run(self, run_id: str) -> MlflowEntity:
        """Give a run.

        Raises:
            UnknownReferenceError: there is none of that id.
        """
        try:
            return self.client.get_run(run_id)
        except MlflowException as error:
            if not is_missing(error):
                raise unreachable(self.project, error) from error
            raise UnknownReferenceError(
                f"run {run_id}: must be in the store {self.project.store_name}, it is not; `ctexp runs list` has them"
            ) from error

    def settle(self) -> list[str]:
        """Mark as KILLED the runs whose process is gone, and give their ids."""
        running = self.client.search_runs(
            [self.experiment_id], f"attributes.status = 'RUNNING' AND tags.`{OWNER_TAG}` LIKE '%'", ViewType.ACTIVE_ONLY
        )
        settled = []
        for run in running:
            if is_gone(run.data.tags[OWNER_TAG]):
                self.client.set_tag(run.info.run_id, REASON_TAG, "the process ended without a word (kill -9, power)")
                self.client.set_terminated(run.info.run_id, "KILLED")
                settled.append(run.info.run_id)
        return settled


def open_store(project: Project, *, create: bool = True) -> Store:
    """Open the project's store; the local one is made if there is none, by one process at a time.

    Args:
        project: whose store.
        create: False where a command only reads: it leaves no empty store behind in a folder that has none.

    Raises:
        ConfigError: `$MLFLOW_TRACKING_URI` is no address of a store.
        UnknownReferenceError: there is no store and none is to be made, or no folder to make it in.
        StoreUnreachableError: the store cannot be reached or made.
        WorkError: the project's experiment was deleted in it.
    """
    uri = project.tracking_uri
    local = uri.startswith("sqlite:")
    if create:
        require_address(project)
    else:
        require_store(project)
    begun = uri != project.local_uri and project.store_file is not None and not project.store_file.exists()
    require_reachable(uri)
    try:
        with _creation_lock(project) if local else contextlib.nullcontext():
            if uri == project.local_uri and not project.database.is_file():
                _create_database(project)
            mlflow.set_tracking_uri(uri)
            client = MlflowClient(uri)
            experiment = client.get_experiment_by_name(MODEL_NAME)
            if experiment is None:
                # `mlflow ui` may have made the database before us, with artifacts that only it can write: say where.
                location = (project.artifacts / MODEL_NAME).absolute().as_uri() if local else None
                client.create_experiment(MODEL_NAME, artifact_location=location, tags=_MODEL_TRAINING)
                experiment = client.get_experiment_by_name(MODEL_NAME)
        if experiment is None or experiment.lifecycle_stage != "active":
            raise WorkError(
                f"store {project.store_name}: the experiment {MODEL_NAME} must not be deleted there; "
                "restore it with `mlflow experiments`"
            )
        store = Store(project, client, experiment.experiment_id, begun=begun)
        store.settle()
    except (*FAILURES, Timeout) as error:
        raise unreachable(project, error) from error
    return store


def unreachable(project: Project, error: Exception) -> StoreUnreachableError:
    """Give the one line that stands for what MLflow, or what lies below it, says at length."""
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    first = first.replace(project.tracking_uri, project.store_name)
    return StoreUnreachableError(f"store {project.store_name}: must be reachable and writable: {first}")


def is_missing(error: MlflowException) -> bool:
    """Tell what a store does not have, and what can be no id of it, from a store that does not answer."""
    return error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


def join_store(project: Project, uri: str, experiment_id: str) -> Store:
    """Open a store that another process of the same work has opened: nothing is made, looked for or settled."""
    mlflow.set_tracking_uri(uri)
    return Store(project, MlflowClient(uri), experiment_id)


def _create_database(project: Project) -> None:
    """Make the local database whole under another name: a kill in its many migrations would leave it broken for good.

    What an earlier kill left behind is taken away; the caller holds the lock.
    """
    folder = project.root / ".ctexp"
    for rest in folder.glob("new-mlflow.db*"):
        rest.unlink()
    new = folder / "new-mlflow.db"
    SqlAlchemyStore(f"sqlite:///{new}", project.artifacts.as_uri()).engine.dispose()
    os.replace(new, project.database)


def _creation_lock(project: Project) -> FileLock:
    """Several processes that make one fresh database at once break it for good."""
    folder = project.root / ".ctexp"
    folder.mkdir(exist_ok=True)
    return FileLock(folder / "store.lock", timeout=120)
