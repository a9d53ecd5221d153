"""Files that are either whole or not there: what ctexp writes itself goes through here."""

import contextlib
import errno
import json
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

_UMASK = os.umask(0)
os.umask(_UMASK)  # it can only be read by being set, which another thread would notice later on


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
        Path(name).chmod(0o666 & ~_UMASK)  # mkstemp's 0600 would hide a shared cache from its other users
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def spell_out(text: str) -> str:
    """Spell out what is no character: names of files may be of any bytes, what tables and pictures hold may not."""
    return text.encode("utf-8", "backslashreplace").decode()


def json_text(value: Any) -> str:
    """Give a value as indented JSON that every reader takes: NaN and infinity, which JSON has no words for, are null.

    Raises:
        TypeError: JSON has no form for it.
    """
    return json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


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
