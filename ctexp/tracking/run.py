"""One run: the protocol that trainings write to, and MLflow behind it."""

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from mlflow.entities import Metric, Param, RunTag
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.tracking.context.registry import resolve_tags

from ctexp.files import make_durable, spell_out
from ctexp.tracking.process import this_process
from ctexp.tracking.store import FAILURES, OWNER_TAG, REASON_TAG, Store, unreachable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Run(Protocol):
    """What a training needs of a run."""

    @property
    def id(self) -> str:
        """The run's id in the store."""

    def log(
        self,
        *,
        params: Mapping[str, object] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
        step: int = 0,
    ) -> None:
        """Write settings, numbers at a step, and tags, in this order."""

    def log_text(self, text: str, path: str) -> None:
        """Keep a text file."""

    def log_figure(self, figure: "Figure", path: str) -> None:
        """Keep a picture."""

    def log_file(self, file: Path, folder: str, *, durable: bool = False) -> None:
        """Keep a copy of a file in a folder of the run's artifacts; durable, it outlasts a power cut that follows."""


class MlflowRun:
    """A run in the store. As a context it ends FINISHED, KILLED (interrupted) or FAILED, with the reason as a tag."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store, self._client, self._id = store, store.client, run_id

    @classmethod
    def start(cls, store: Store, name: str, tags: Mapping[str, str]) -> "MlflowRun":
        """Start a run; user, source and git commit are tagged as MLflow itself does."""
        told = resolve_tags({**tags, OWNER_TAG: this_process()})
        with _told(store):
            run = store.client.create_run(store.experiment_id, tags=told, run_name=spell_out(name))
        return cls(store, run.info.run_id)

    @classmethod
    def resume(cls, store: Store, run_id: str) -> "MlflowRun":
        """Go on with a run that ended before its time; it is RUNNING, and this process's, again."""
        with _told(store):
            store.client.set_tag(run_id, OWNER_TAG, this_process())
            store.client.delete_tag(run_id, REASON_TAG) if REASON_TAG in store.run(run_id).data.tags else None
            store.client.update_run(run_id, status="RUNNING")
        return cls(store, run_id)

    @property
    def id(self) -> str:
        """The run's id in the store."""
        return self._id

    def log(
        self,
        *,
        params: Mapping[str, object] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
        step: int = 0,
    ) -> None:
        """Write settings, numbers at a step, and tags, in this order."""
        now = int(time.time() * 1000)
        with _told(self._store):
            self._client.log_batch(
                self._id,
                metrics=[Metric(key, float(value), now, step) for key, value in (metrics or {}).items()],
                params=[Param(key, _text(value)) for key, value in (params or {}).items()],
                tags=[RunTag(key, spell_out(value)) for key, value in (tags or {}).items()],
            )

    def log_text(self, text: str, path: str) -> None:
        """Keep a text file."""
        with _told(self._store):
            self._client.log_text(self._id, spell_out(text), path)

    def log_figure(self, figure: "Figure", path: str) -> None:
        """Keep a picture."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / Path(path).name
            figure.savefig(file, dpi=110)
            self.log_file(file, str(Path(path).parent))

    def log_file(self, file: Path, folder: str, *, durable: bool = False) -> None:
        """Keep a copy of a file in a folder of the run's artifacts; durable, it outlasts a power cut that follows.

        MLflow copies and does not wait for the disk. What becomes durable on a server is the server's affair.
        """
        with _told(self._store):
            self._client.log_artifact(self._id, str(file), folder)
            if durable:
                kept = get_artifact_repository(self._store.artifacts_of(self._id))
                if isinstance(kept, LocalArtifactRepository):
                    make_durable(Path(kept.artifact_dir) / folder / file.name)

    def __enter__(self) -> "MlflowRun":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            with _told(self._store):
                self._client.set_terminated(self._id, "FINISHED")
            return
        interrupted = isinstance(error, (KeyboardInterrupt, SystemExit))
        reason = "interrupted by the user" if interrupted else f"{type(error).__name__}: {error}"
        # Where the store is what failed, the error on its way out says so; the run is found and settled later.
        with contextlib.suppress(*FAILURES):
            self._client.set_tag(self._id, REASON_TAG, spell_out(reason)[:5000])
            self._client.set_terminated(self._id, "KILLED" if interrupted else "FAILED")


@contextlib.contextmanager
def _told(store: Store) -> Iterator[None]:
    """Say in one line that the store failed."""
    try:
        yield
    except FAILURES as error:
        raise unreachable(store.project, error) from error


def _text(value: object) -> str:
    """Write a setting as a person would type it: 16,32,64,128 and not (16, 32, 64, 128)."""
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else spell_out(str(value))
