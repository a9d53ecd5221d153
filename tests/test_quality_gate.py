"""The gate before training: what is refused is a bad scan, what is doubtful is counted, nothing is examined twice."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ctexp.config import ScanSettings
from ctexp.datasets import ingest as ingesting
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import gather
from ctexp.datasets.entries import Entry
from ctexp.datasets.ingest import ingest
from ctexp.errors import DataError, WorkError
from ctexp.scans import Volume
from ctexp.scans.quality import Examination, examine

pytestmark = pytest.mark.slow  # whole chests are drawn and judged

SETTINGS = ScanSettings(shape=(8, 8, 8))


@pytest.fixture
def cache(tmp_path: Path) -> ScanCache:
    """An empty cache."""
    return ScanCache(tmp_path / "cache", SETTINGS)


@pytest.fixture
def paths(tmp_path: Path, write_scan: Callable[..., Path]) -> list[Path]:
    """Two good scans, one with its bright end cut off, one in a soft-tissue window."""
    found = [write_scan(tmp_path / "data" / f"{number}.nii", number) for number in range(4)]
    for path, low, high in ((found[2], -1100, 150), (found[3], -160, 240)):
        image = nib.load(path)
        nib.save(nib.Nifti1Image(np.clip(np.asarray(image.dataobj), low, high), image.affine), path)
    return found


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[Volume]:
    """The volumes that are examined from now on."""
    seen: list[Volume] = []

    def watched(volume: Volume) -> Examination:
        seen.append(volume)
        return examine(volume)

    monkeypatch.setattr(ingesting, "examine", watched)
    return seen


def entries(paths: list[Path]) -> list[Entry]:
    """Normal and abnormal in turn, each a patient of its own."""
    return [Entry(path, number % 2, ("normal", "abnormal")[number % 2], path.name) for number, path in enumerate(paths)]


def test_refused_scan_is_a_bad_scan(paths: list[Path], cache: ScanCache) -> None:
    """It is listed with its reason among all bad scans, and left out with `--skip-bad`."""
    paths[0].write_bytes(b"no scan")
    with pytest.raises(DataError) as caught:
        gather("here", entries(paths), cache)
    assert "2 of 4 files cannot be used" in str(caught.value)
    assert f"{paths[3]}: must be a readable chest CT in HU: lungs must be in the numbers" in str(caught.value)
    kept = gather("here", entries(paths), cache, skip_bad=True)
    assert {scan.path for scan in kept.scans} == {paths[1], paths[2]}


def test_doubts_are_counted(paths: list[Path], cache: ScanCache) -> None:
    """A doubtful scan stays, with its findings; the collection counts them by code."""
    collection = gather("here", entries(paths), cache, skip_bad=True)
    assert collection.doubts == {"clipped-high": 1, "no-bone": 1}
    assert all(scan.examination and scan.examination.features for scan in collection.scans)


def test_nothing_is_examined_twice(paths: list[Path], cache: ScanCache, examined: list[Volume]) -> None:
    """A second pass reads what was kept, refusals included, also under other preparation settings."""
    first = ingest(paths, cache)
    assert len(examined) == 4
    again = ingest(paths, cache)
    other = ingest(paths, ScanCache(cache.folder.parent, replace(SETTINGS, shape=(8, 8, 16))))
    assert len(examined) == 4
    assert (
        [one.examination for one in first] == [one.examination for one in again] == [one.examination for one in other]
    )
    assert [one.error is None for one in again] == [True, True, True, False]


def test_refused_scan_is_not_prepared(paths: list[Path], cache: ScanCache) -> None:
    """Only scans that pass have a prepared array; all have a record of what was found."""
    ingest(paths, cache)
    assert len(list(cache.folder.iterdir())) == 3
    assert len(list(cache.examined.iterdir())) == 4


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"rules": 0, "findings": [], "features": null}', b"[1", b"\xff"])
def test_damaged_record_is_made_again(
    damage: bytes, paths: list[Path], cache: ScanCache, examined: list[Volume]
) -> None:
    """An empty, torn or outdated record is replaced by the same as before."""
    sha256 = ingest(paths[:1], cache)[0].sha256
    file = cache.examined / f"{sha256}.json"
    whole = file.read_bytes()
    file.write_bytes(damage)
    assert ingest(paths[:1], cache)[0].examination is not None
    assert file.read_bytes() == whole
    assert json.loads(whole)["rules"] >= 1
    assert len(examined) == 2


def test_record_that_cannot_be_written(paths: list[Path], cache: ScanCache) -> None:
    """A disk that does not take the record ends the work: it is no fault of the scan."""
    cache.examined.parent.mkdir(parents=True)
    cache.examined.write_bytes(b"")
    with pytest.raises(WorkError, match="must be writable here"):
        ingest(paths[:1], cache)
