"""Files that are either whole or not there: what ctexp writes itself goes through here."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path` that becomes `path` when the block ends without an error.

    A reader sees the old file or the new one, never a part; after an error or a kill the old one is still there.

    Args:
        path: the file to write; its folder is made if needed.

    Raises:
        OSError: the folder cannot be made or written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(0o644)  # mkstemp's 0600 would hide a shared cache from its other users
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def make_durable(path: Path) -> None:
    """Return when a file that another library wrote, and its name, are on the disk: a power cut leaves it whole.

    Raises:
        OSError: the file is not there, or the disk does not take it.
    """
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())
    if os.name == "posix":  # elsewhere a folder cannot be opened, and names are written with their files
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        except OSError as error:  # some file systems cannot sync a folder, and lose nothing by that
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
        finally:
            os.close(folder)
