"""The folder that scans are fetched into, and the hidden one beside it where they wait until all are whole.

`mosmed` is not there, or is as it was, while a fetch works in `.mosmed.fetch`. There lie the parts of downloads, what
is being unpacked, and `ready`: whole classes with the record of their source. At the end `ready` becomes `mosmed` by
one rename; where `mosmed` is there already, its record is renewed first and then each class is moved in. A kill between
any two of these steps leaves something that the next fetch goes on from.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ctexp.datasets.mosmed.layout import CLASSES
from ctexp.datasets.mosmed.part import Part
from ctexp.datasets.mosmed.record import Received, read_record, write_record
from ctexp.errors import DataError
from ctexp.scans.read import SUFFIXES


class Place:
    """Where scans go.

    Args:
        out: the collection's folder; need not be there.
    """

    def __init__(self, out: Path) -> None:
        self.out = out.resolve()  # a link to another disk: the work is done there
        self._work = _work_folder(self.out)
        self._ready = self._work / "ready"
        self._fresh = self._work / "unpacking"
        self._leftover: set[str] = set()

    @contextlib.contextmanager
    def locked(self, say: Callable[[str], None]) -> Iterator[None]:
        """Keep the place for this process; another one waits, is told so, and finds the work done."""
        self._work.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._work.with_suffix(".lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"{self.out}: another fetch is at work; waiting for it")
            lock.acquire()
        try:
            self._sweep()
            yield
        finally:
            self._tidy()
            lock.release()

    def published(self) -> set[str]:
        """Give the classes that the collection has scans of."""
        return {name for name in CLASSES if _scans_in(self.out / name)}

    def staged(self) -> set[str]:
        """Give the classes that are whole and wait."""
        return {name for name in CLASSES if (self._ready / name).is_dir()}

    @property
    def unfinished(self) -> bool:
        """Whether there is something that the next fetch goes on from."""
        return bool(self.staged()) or any(self._work.glob("*.part"))

    def record(self) -> dict[str, Received]:
        """Give what was fetched, by address.

        Raises:
            DataError: a record cannot be read.
        """
        return read_record(self.out) | read_record(self._ready)

    def count(self, name: str) -> int:
        """Count the scans of a class."""
        return _scans_in((self._ready if name in self.staged() else self.out) / name)

    def part(self, name: str) -> Part:
        """Give the download of that name, begun or not."""
        self._work.mkdir(exist_ok=True)
        return Part(self._work, name)

    @contextlib.contextmanager
    def fresh(self) -> Iterator[Path]:
        """Give an empty folder, on the disk of the collection, that is gone afterwards."""
        self._fresh.mkdir(parents=True)
        try:
            yield self._fresh
        finally:
            shutil.rmtree(self._fresh, ignore_errors=True)

    def stage(self, unpacked: Path, received: Received) -> None:
        """Take whole classes; the record comes last, and classes without one are swept away after a kill."""
        self._ready.mkdir(exist_ok=True)
        for name in received.scans:
            if name not in self.published() | self.staged():
                (unpacked / name).rename(self._ready / name)
        entries = read_record(self._ready) | {received.address: received}
        write_record(self._ready, entries.values())

    def give_way(self, names: set[str]) -> set[str]:
        """Remove staged classes of an earlier fetch that never ended, with all that came from the same source.

        Returns:
            The names that are still there: of the collection, or staged by this very fetch.
        """
        entries = read_record(self._ready)
        for entry in list(entries.values()):
            if set(entry.scans) & names & self._leftover:
                for name in set(entry.scans) & self._leftover:
                    shutil.rmtree(self._ready / name)
                del entries[entry.address]
                write_record(self._ready, entries.values())
        return names & (self.published() | self.staged())

    def publish(self) -> None:
        """Make the collection of what is staged."""
        if not self.staged():
            return
        with contextlib.suppress(OSError):  # there is a collection already
            self._ready.rename(self.out)
            return
        write_record(self.out, self.record().values())
        for name in sorted(self.staged()):
            (self._ready / name).rename(self.out / name)
        shutil.rmtree(self._ready)

    def _sweep(self) -> None:
        """Remove what a killed fetch left behind and nobody can go on from."""
        if self.out.exists() and not self.out.is_dir():
            raise DataError(f"{self.out}: must be a folder, this is a file; give another --out")
        if self._fresh.exists():
            shutil.rmtree(self._fresh)
        recorded = {name for entry in read_record(self._ready).values() for name in entry.scans}
        for name in self.staged() - recorded:
            shutil.rmtree(self._ready / name)
        self._leftover = self.staged()

    def _tidy(self) -> None:
        """Remove the work folder; what can be gone on from stays."""
        with contextlib.suppress(OSError):
            if not self.unfinished:
                shutil.rmtree(self._work)


def _scans_in(folder: Path) -> int:
    return sum(
        file.lower().endswith(SUFFIXES) and not file.startswith(".")
        for _, _, files in os.walk(folder)
        for file in files
    )


def _work_folder(out: Path) -> Path:
    """Beside the collection; inside, hidden, where nothing can be renamed in from beside it."""
    if out.is_dir() and (out.stat().st_dev != out.parent.stat().st_dev or not os.access(out.parent, os.W_OK)):
        return out / ".fetch"
    return out.with_name(f".{out.name}.fetch")
