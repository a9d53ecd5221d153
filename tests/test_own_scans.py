"""A version's own scans among another site's: by their bytes, and saved in another form."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ctexp.config import ScanSettings
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import Collection
from ctexp.datasets.leakage import Pair
from ctexp.datasets.load import load_collection
from ctexp.datasets.phantom import PhantomSettings, write_phantoms
from ctexp.datasets.sources import Source
from ctexp.experiments.evaluating.copies import find_own

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["stretch", "lungs"])
def cache(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ScanCache:
    """Where both are prepared; the geometry `lungs` shows the network a part of each scan only."""
    return ScanCache(tmp_path_factory.mktemp("cache"), ScanSettings(shape=(64, 64, 32), geometry=request.param))


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory, cache: ScanCache) -> Collection:
    """Sixteen scans of a version."""
    folder = tmp_path_factory.mktemp("mine") / "drawn"
    write_phantoms(folder, PhantomSettings(scans=16, size=96, masks=False), processes=1)
    return load_collection(Source("mine", folder), cache)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory, cache: ScanCache, mine: Collection) -> Collection:
    """Six scans of others, and two of the version's: one under another name, one brighter and in another type."""
    folder = tmp_path_factory.mktemp("theirs") / "drawn"
    write_phantoms(folder, PhantomSettings(scans=6, size=96, seed=5, masks=False), processes=1)
    same, changed = mine.scans[:2]
    (folder / same.class_name / "renamed.nii.gz").write_bytes(same.path.read_bytes())
    again(changed.path, folder / changed.class_name / "changed.nii")
    return load_collection(Source("theirs", folder), cache)


def again(path: Path, to: Path) -> Path:
    """Save a scan in another form: brighter, and in another type."""
    image = nib.load(path)
    nib.save(nib.Nifti1Image((image.get_fdata() + 30).astype(np.float32), image.affine), to)
    return to


def of(collection: Collection, name: str) -> str:
    """The content hash of a file."""
    return next(scan.sha256 for scan in collection.scans if scan.path.name == name)


def test_own_scans_are_found_by_bytes_and_as_copies(mine: Collection, theirs: Collection, cache: ScanCache) -> None:
    """Both are found with their sides, the one that was saved again is told apart, and no other scan is accused."""
    sides = {scan.sha256: "train" for scan in mine.scans} | {mine.scans[1].sha256: "test"}
    found = find_own(theirs, sides, cache)
    assert found.sides == {of(theirs, "renamed.nii.gz"): "train", of(theirs, "changed.nii"): "test"}
    assert found.copies == {of(theirs, "changed.nii")}
    assert found.patients == {scan.patient for scan in theirs.scans if scan.sha256 in found.sides}
    assert (found.unsearched, found.all) == (0, 16)


def test_what_is_on_no_side_is_new(mine: Collection, theirs: Collection, cache: ScanCache) -> None:
    """A scan that the version's split left out has taught it nothing."""
    sides = {scan.sha256: "train" for scan in mine.scans[2:]} | {mine.scans[0].sha256: "", mine.scans[1].sha256: ""}
    assert find_own(theirs, sides, cache).sides == {}


def test_scans_that_are_not_prepared_here_are_counted(
    mine: Collection, theirs: Collection, cache: ScanCache, tmp_path: Path
) -> None:
    """Where own scans lie elsewhere their bytes are known all the same, and how many could not be compared is said."""
    elsewhere = ScanCache(tmp_path, cache.settings)
    load_collection(Source("theirs", theirs.scans[0].path.parents[1]), elsewhere)
    found = find_own(theirs, {scan.sha256: "train" for scan in mine.scans}, elsewhere)
    assert found.sides == {of(theirs, "renamed.nii.gz"): "train"}
    assert (found.unsearched, found.all) == (15, 16)


def test_a_copy_beside_its_original_is_found(mine: Collection, cache: ScanCache, tmp_path: Path) -> None:
    """Own scans that the site has by their bytes are compared with the rest of it, too."""
    scan = mine.scans[0]
    copy = again(scan.path, tmp_path / "again.nii")
    lines = [f"{one.path},{one.class_name}" for one in mine.scans] + [f"{copy},{scan.class_name}"]
    (tmp_path / "site.csv").write_text("\n".join(["path,label", *lines]) + "\n")
    site = load_collection(Source("site", tmp_path / "site.csv"), cache)
    found = find_own(site, {one.sha256: "validation" for one in mine.scans}, cache)
    assert found.copies == {of(site, "again.nii")}
    assert len(found.sides) == 17


def test_copies_of_copies_and_their_persons(
    mine: Collection, theirs: Collection, cache: ScanCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known is known over any number of copies, and of several sides the one nearest to training is told."""
    new = [scan for scan in theirs.scans if scan.path.name.startswith("study")]
    first, second, third, fourth, *_ = new
    pairs = [Pair(mine.scans[2], first, 0.9), Pair(first, second, 0.9), Pair(mine.scans[3], second, 0.9),
             Pair(third, fourth, 0.9)]  # fmt: skip
    monkeypatch.setattr("ctexp.experiments.evaluating.copies.find_near_duplicates", lambda *_: pairs)
    known = {mine.scans[2].sha256: "test", mine.scans[3].sha256: "validation"}
    found = find_own(theirs, known, cache)
    assert found.sides == {first.sha256: "validation", second.sha256: "validation"}
    assert found.patients == {first.patient, second.patient}
    of_second = replace(third, patient=second.patient)
    pairs[3] = Pair(of_second, fourth, 0.9)
    scans = tuple(of_second if scan is third else scan for scan in theirs.scans)
    joined = find_own(replace(theirs, scans=scans), known, cache)
    assert joined.patients == {first.patient, second.patient, fourth.patient}
