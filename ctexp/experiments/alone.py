"""One process at a time for a run that is gone on with."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ctexp.errors import InputError
from ctexp.project import Project

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowEntity


@contextlib.contextmanager
def alone(project: Project, kind: str, run_id: str) -> Iterator[None]:
    """Be the only process on this machine that goes on with a run; the lock ends with the process.

    Its file stays: one that is deleted can be locked by who opened it before, beside who makes it anew.

    Args:
        project: whose run.
        kind: `run` or `sweep`, for the message.
        run_id: the run.

    Raises:
        InputError: another process has the lock.
    """
    from filelock import FileLock, Timeout

    folder = project.root / ".ctexp"
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / f"{kind}-{run_id}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"--resume: {kind} {run_id} must not be running, another process runs it") from None
    try:
        yield
    finally:
        lock.release()


def require_interrupted(logged: "MlflowEntity", kind: str, *, force: bool) -> None:
    """Refuse to go on with what runs here, or may run where it cannot be seen; the last can be forced.

    Args:
        logged: the run.
        kind: `run` or `sweep`, for the message.
        force: whether the user is sure that it does not run elsewhere.

    Raises:
        InputError: it runs, or may run.
    """
    from ctexp.tracking.process import is_elsewhere
    from ctexp.tracking.store import OWNER_TAG

    if logged.info.status != "RUNNING":
        return
    if not is_elsewhere(logged.data.tags.get(OWNER_TAG, "")):
        rest = "its process is still running"
    elif force:
        return
    else:
        rest = (
            "it was begun on another machine or in another container and may still run there; "
            "when you are sure that it does not, --force goes on"
        )
    raise InputError(f"--resume {logged.info.run_id}: must be a {kind} that was interrupted, {rest}")
