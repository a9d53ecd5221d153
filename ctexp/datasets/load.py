"""The scans of a source: listed, read and prepared into a collection."""

from collections.abc import Callable

from filelock import FileLock

from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import Collection, gather
from ctexp.datasets.entries import Entry, Problem
from ctexp.datasets.folders import list_folder
from ctexp.datasets.ingest import Progress
from ctexp.datasets.manifest import list_manifest
from ctexp.datasets.phantom import PhantomSettings, write_phantoms
from ctexp.datasets.sources import Source
from ctexp.scans.read import ReadOptions

DEFAULT_PHANTOMS = PhantomSettings(scans=200, size=128, seed=0)
"""The scans of the source `phantom`: 200, small in plane, so that a first run takes minutes on a laptop."""


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
