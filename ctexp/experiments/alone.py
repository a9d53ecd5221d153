"""One process at a time for a run that is gone on with."""

import contextlib
from collections.abc import Iterator

from ctexp.errors import InputError
from ctexp.project import Project


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
