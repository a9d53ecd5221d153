"""Scan files to cache entries, on all cores, each file read once and few in memory at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ctexp.datasets.cache import ScanCache
from ctexp.datasets.parallel import cores, ordered_map
from ctexp.errors import ScanError
from ctexp.scans.prepare import prepare
from ctexp.scans.quality import REFUSAL, Examination, examine
from ctexp.scans.read import ReadOptions, open_scan

Progress = Callable[[int, int], None]
"""Called with (done, all) after each scan."""


@dataclass(frozen=True)
class Ingested:
    """What is known of one scan after it was read: its hash, or why it is none, and what reading it had to decide."""

    path: Path
    sha256: str | None
    error: ScanError | None
    notes: tuple[str, ...] = ()
    examination: Examination | None = None


def ingest(
    paths: Sequence[Path],
    cache: ScanCache,
    *,
    options: ReadOptions = ReadOptions(),  # noqa: B008 - it is frozen
    threads: int | None = None,
    progress: Progress | None = None,
) -> list[Ingested]:
    """Read, hash and prepare scans into the cache; entries that are there are only hashed.

    Threads are enough: reading, inflating and numpy's arithmetic all run outside Python's lock. Each thread holds one
    scan at a time, so memory does not grow with their number.

    Args:
        paths: the scans, files and folders.
        cache: where prepared arrays go.
        options: how DICOM series are read.
        threads: at once; default one a core that this process may use.
        progress: told after each scan, in the calling thread.

    Returns:
        One result a path, in the order of `paths`.

    Raises:
        WorkError: the cache cannot be written.
    """
    results: list[Ingested] = []
    for result in ordered_map(lambda path: _ingest_one(path, cache, options), paths, threads or cores()):
        results.append(result)
        if progress:
            progress(len(results), len(paths))
    return results


def _ingest_one(path: Path, cache: ScanCache, options: ReadOptions) -> Ingested:
    try:
        scan = open_scan(path, replace(options, one_patient=True))  # whose it is the source says
        examination = cache.load_examination(scan.sha256)
        refused = examination is not None and examination.quality.verdict == "refuse"
        missing = [] if refused else [one for one in cache.wanted if not one.has(scan.sha256)]
        if examination is None or missing:
            volume = scan.decode()
            if examination is None:
                examination = examine(volume)
                cache.store_examination(scan.sha256, examination)
            for one in missing if examination.quality.verdict != "refuse" else ():
                one.store(scan.sha256, prepare(volume, one.settings))
        if examination.quality.verdict == "refuse":
            raise ScanError(f"{path}: {REFUSAL}: {examination.quality.reasons}")
    except ScanError as error:
        return Ingested(path, None, error)
    return Ingested(path, scan.sha256, None, scan.notes, examination)
