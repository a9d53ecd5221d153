"""SOURCE, the word a user types, to the scans it stands for."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import Collection, gather
from ctexp.datasets.entries import Entry, Problem
from ctexp.datasets.folders import list_folder
from ctexp.datasets.ingest import Progress
from ctexp.datasets.manifest import list_manifest
from ctexp.datasets.phantom import PhantomSettings, write_phantoms
from ctexp.errors import DataError
from ctexp.project import Project
from ctexp.scans.read import ReadOptions

PHANTOM_MARK = "phantom.json"
"""The file that says a folder's scans are synthetic."""
BUILT_IN = ("phantom", "mosmed")
"""Sources with a place of their own in the project's `data` folder."""
DEFAULT_PHANTOMS = PhantomSettings(scans=200, size=128, seed=0)
"""The scans of the source `phantom`: 200, small in plane, so that a first run takes minutes on a laptop."""


@dataclass(frozen=True)
class Source:
    """A source that was found.

    Attributes:
        name: what the user typed, or the default that was taken.
        place: the folder or the manifest.
        is_default: nothing was typed and nothing real was found: these are the synthetic scans.
    """

    name: str
    place: Path
    is_default: bool = False

    @property
    def resumable_name(self) -> str:
        """A SOURCE that means the same from any folder of the project."""
        return self.name if self.name in BUILT_IN else str(self.place.absolute())

    @property
    def synthetic(self) -> bool:
        """Whether the scans are drawn by a program."""
        folder = self.place if self.place.is_dir() else self.place.parent
        return self.name == "phantom" or (folder / PHANTOM_MARK).is_file()


def find_source(typed: str | None, project: Project) -> Source:
    """Find what `--data` means; without it `$CTEXP_DATA`, else `data/mosmed` where it is, else `phantom`.

    Raises:
        DataError: there is no such folder or manifest.
    """
    name = typed or os.environ.get("CTEXP_DATA")
    if not name:
        mosmed = project.data / "mosmed"
        if mosmed.is_dir():
            return Source("mosmed", mosmed)
        return Source("phantom", project.data / "phantom", is_default=True)
    if name in BUILT_IN:  # a folder of your own with such a name is ./phantom
        place = project.data / name
        if name == "mosmed" and not place.is_dir():
            raise DataError(
                f"mosmed: the scans must lie in {place}; MosMedData cannot be shipped with ctexp (CC BY-NC-ND 3.0): "
                "`ctexp data fetch mosmed` downloads and unpacks CT-0.zip and CT-23.zip there"
            )
        return Source(name, place)
    place = Path(name).expanduser()
    if not place.exists():
        raise DataError(f"{name}: must be phantom, mosmed, a folder or a CSV manifest, there is nothing of that name")
    if place.is_file() and place.suffix.lower() != ".csv":
        raise DataError(f"{name}: a collection must be a folder or a .csv manifest, this is one file")
    return Source(name, place)


def list_source(
    source: Source, *, positive: str | None = None, progress: Callable[[str], Progress] | None = None
) -> tuple[list[Entry], list[Problem]]:
    """List a source's scans without opening them; the built-in synthetic ones are drawn on first use.

    Args:
        source: where the scans are.
        positive: name of the abnormal class when the names are the user's own.
        progress: makes a progress function for the stage it is told (`drawing`).

    Raises:
        DataError: see `list_folder` and `list_manifest`.
        WorkError: the disk does not take the scans.
    """
    if source.name == "phantom" and not source.place.is_file():
        source.place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(source.place.with_name(".phantom.lock")):  # two first runs at once draw them once
            write_phantoms(source.place, DEFAULT_PHANTOMS, progress=progress("drawing scans") if progress else None)
    if source.place.is_dir():
        return list_folder(source.place, positive)
    return list_manifest(source.place, positive), []


def load_collection(
    source: Source,
    cache: ScanCache,
    *,
    options: ReadOptions = ReadOptions(),  # noqa: B008 - it is frozen
    positive: str | None = None,
    skip_bad: bool = False,
    progress: Callable[[str], Progress] | None = None,
) -> Collection:
    """Read and prepare a source's scans; the built-in synthetic ones are drawn on first use.

    Args:
        source: where the scans are.
        cache: where prepared arrays go.
        options: how DICOM series are read.
        positive: name of the abnormal class when the names are the user's own.
        skip_bad: leave out what cannot be used.
        progress: makes a progress function for the stage it is told (`drawing`, `preparing`).

    Raises:
        DataError: see `gather`, `list_folder` and `list_manifest`.
        WorkError: the disk does not take the scans or the cache.
    """
    entries, problems = list_source(source, positive=positive, progress=progress)
    return gather(
        source.name,
        entries,
        cache,
        options=options,
        problems=problems,
        synthetic=source.synthetic,
        skip_bad=skip_bad,
        progress=progress("preparing scans") if progress else None,
    )
