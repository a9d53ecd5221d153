"""Scan files to cache entries: order, errors, memory, nothing done twice."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ctexp.config import ScanSettings
from ctexp.datasets.cache import ScanCache, restore
from ctexp.datasets.ingest import ingest
from ctexp.errors import ScanError, WorkError
from ctexp.scans import prepare, read_scan

SETTINGS = ScanSettings(shape=(8, 8, 8))


def test_results_have_the_order_of_the_paths(tmp_path: Path, write_scan: Callable[..., Path]) -> None:
    """Each scan's entry is its prepared array, each bad file carries its error, and all is in the order given."""
    paths = [write_scan(tmp_path / f"{number}.nii.gz", number) for number in range(7)]
    paths[2].write_bytes(b"no scan")
    paths.insert(4, tmp_path / "missing.nii")
    cache = ScanCache(tmp_path / "cache", SETTINGS)
    told: list[tuple[int, int]] = []
    results = ingest(paths, cache, threads=3, progress=lambda done, of: told.append((done, of)))
    assert [result.path for result in results] == paths
    assert told == [(done, 8) for done in range(1, 9)]
    for number, result in enumerate(results):
        if number in (2, 4):
            assert result.sha256 is None
            assert isinstance(result.error, ScanError)
            assert str(paths[number]) in str(result.error)
        else:
            assert result.error is None
            assert result.sha256 == hashlib.sha256(paths[number].read_bytes()).hexdigest()
            expected = prepare(read_scan(paths[number]), SETTINGS)
            np.testing.assert_allclose(restore(cache.load(result.sha256)), expected, atol=1e-5)


def test_second_pass_prepares_nothing(tmp_path: Path, write_scan: Callable[..., Path]) -> None:
    """Entries that are there are left alone, wherever the scan lies now; a changed byte makes another."""
    cache = ScanCache(tmp_path / "cache", SETTINGS)
    paths = [write_scan(tmp_path / f"{number}.nii", number) for number in range(3)]
    first = ingest(paths, cache)
    before = {path: path.stat().st_mtime_ns for path in cache.folder.iterdir()}
    moved = [path.rename(tmp_path / f"moved-{path.name}") for path in paths]
    assert [one.sha256 for one in ingest(moved, cache)] == [one.sha256 for one in first]
    assert {path: path.stat().st_mtime_ns for path in cache.folder.iterdir()} == before
    moved[0].write_bytes(moved[0].read_bytes() + b"\0")
    assert ingest(moved, cache)[0].sha256 != first[0].sha256
    assert len(list(cache.folder.iterdir())) == 4


def test_torn_entry_is_made_again(tmp_path: Path, write_scan: Callable[..., Path]) -> None:
    """An empty file in an entry's place, as a crash may leave, is replaced."""
    cache = ScanCache(tmp_path / "cache", SETTINGS)
    path = write_scan(tmp_path / "scan.nii")
    sha256 = ingest([path], cache)[0].sha256
    assert sha256 is not None
    whole = cache.path(sha256).read_bytes()
    cache.path(sha256).write_bytes(b"")
    ingest([path], cache)
    assert cache.path(sha256).read_bytes() == whole


def test_cache_that_cannot_be_written(tmp_path: Path, write_scan: Callable[..., Path]) -> None:
    """A broken cache ends the work: it is no fault of the scan."""
    (tmp_path / "cache").write_bytes(b"")
    with pytest.raises(WorkError, match="writable"):
        ingest([write_scan(tmp_path / "scan.nii")], ScanCache(tmp_path / "cache", SETTINGS))
