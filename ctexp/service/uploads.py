"""Where uploads lie while they are answered: one private folder of one service, names of its own choice, gone after.

The folder holds a file that is locked as long as its service lives. The system lets go of the lock of a service that
was killed, and the next one that starts takes its folder away.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "ctexp-serve-"
_LOCK = "lock"
_STRANGE_SECONDS = 3600
"""A folder without a lock is of a service that was killed while it made it, or that is making it now."""


class Uploads:
    """A private folder for uploads (mode 0700); leaving the context removes it with all that is in it.

    Args:
        parent: where to make it; None for the system's folder of temporary files.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, parent: Path | None = None) -> None:
        above = parent or Path(tempfile.gettempdir())
        remove_orphans(above)
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=above))
        making = self.folder / "making"
        self._lock = os.open(making, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        making.rename(self.folder / _LOCK)  # nobody sees it under this name before it is locked

    def __enter__(self) -> "Uploads":
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)

    @contextlib.contextmanager
    def place(self) -> Iterator[Path]:
        """Give a path for one upload; whatever happens, there is no file at it afterwards."""
        path = self.folder / f"upload-{secrets.token_hex(16)}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


def remove_orphans(parent: Path) -> list[Path]:
    """Remove the folders of this user's services that were killed, and give them."""
    removed = []
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            facts = folder.lstat()
            ours = facts.st_uid == os.geteuid() and folder.is_dir() and not folder.is_symlink()
            if ours and _is_orphan(folder, facts.st_mtime):
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder)
        except OSError:  # its service, or another that starts now, was faster
            continue
    return removed


def _is_orphan(folder: Path, changed: float) -> bool:
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return time.time() - changed > _STRANGE_SECONDS
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(lock)
