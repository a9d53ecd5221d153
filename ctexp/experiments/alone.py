"""What going on with a run asks for: that nobody else does, and a record of what has changed meanwhile."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ctexp.errors import InputError
from ctexp.experiments.watch import Watch
from ctexp.project import Project
from ctexp.tracking.tags import RESUMED_TAG

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowEntity

    from ctexp.tracking.run import Run

_CIRCUMSTANCES = ("git.", "version.", "hardware.")


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


def note_circumstances(began: Mapping[str, str], run: "Run", project: Project, watch: Watch) -> None:
    """Keep, and say, what is another than when a run began: its numbers then come of both.

    Args:
        began: the run's tags.
        run: gone on with now.
        project: whose folder may lie in a git checkout.
        watch: somebody who looks on.
    """
    from ctexp.tracking.provenance import circumstances

    now = circumstances(project.root)
    keys = [*now, *(key for key in began if key.startswith(_CIRCUMSTANCES) and key not in now)]
    changed = {key: now.get(key, "none") for key in keys if began.get(key) != now.get(key)}
    if changed:
        words = ", ".join(f"{key} was {began.get(key, 'none')}, is {text}" for key, text in changed.items())
        watch.say(f"made by others than it began with: {words}")
        before = json.loads(began.get(RESUMED_TAG, "{}"))
        # An earlier version kept the last value alone.
        kept = {key: found if isinstance(found, list) else [found] for key, found in before.items()}
        for key, text in changed.items():
            if text not in (values := kept.setdefault(key, [])):
                values.append(text)
        run.log(tags={RESUMED_TAG: json.dumps(kept)})
