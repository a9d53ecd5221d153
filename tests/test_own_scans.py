"""A version's own scans among another site's: by their bytes, and saved in another form."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ctexp.config import ScanSettings
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import Collection
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
    image = nib.load(changed.path)
    hu = (image.get_fdata() + 30).astype(np.float32)
    nib.save(nib.Nifti1Image(hu, image.affine), folder / changed.class_name / "changed.nii")
    return load_collection(Source("theirs", folder), cache)


def of(collection: Collection, name: str) -> str:
    """The content hash of a file."""
    return next(scan.sha256 for scan in collection.scans if scan.path.name == name)


def test_own_scans_are_found_by_bytes_and_as_copies(mine: Collection, theirs: Collection, cache: ScanCache) -> None:
    """Both are found with their sides, the one that was saved again is told apart, and no other scan is accused."""
    sides = {scan.sha256: "train" for scan in mine.scans} | {mine.scans[1].sha256: "test"}
    found = find_own(theirs, sides, cache)
    assert found.sides == {of(theirs, "renamed.nii.gz"): "train", of(theirs, "changed.nii"): "test"}
    assert found.copies == {of(theirs, "changed.nii")}
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
