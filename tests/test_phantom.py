"""Synthetic chest CT: determinism, geometry, anatomy, lesions, and writing a collection."""

import gzip
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from ctexp.datasets.phantom import PhantomScan, PhantomSettings, make_scan, write_phantoms
from ctexp.datasets.phantom import write as writer
from ctexp.datasets.phantom.acquisition import draw_acquisition
from ctexp.datasets.phantom.patient import draw_patient
from ctexp.datasets.phantom.settings import stream
from ctexp.errors import ConfigError, DataError

pytestmark = pytest.mark.slow  # whole chests are drawn and judged

TINY = PhantomSettings(scans=4, size=32, seed=3)
SMALL = PhantomSettings(scans=8, size=64, seed=5)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def lungs(hu: np.ndarray) -> np.ndarray:
    """Voxels under -300 HU that are not joined to the border of their axial slice."""
    inside = np.zeros(hu.shape, dtype=bool)
    for k in range(hu.shape[2]):
        parts, _ = ndimage.label(hu[:, :, k] < -300)
        rim = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
        inside[:, :, k] = (parts > 0) & ~np.isin(parts, rim)
    return inside


@pytest.fixture(scope="module")
def pair() -> tuple[PhantomScan, PhantomScan]:
    """A normal and an abnormal scan."""
    return make_scan(0, SMALL), make_scan(1, SMALL)


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tiny collection; tests copy it before they change anything."""
    folder = tmp_path_factory.mktemp("phantom") / "set"
    write_phantoms(folder, TINY, processes=1)
    return folder


@pytest.mark.slow
def test_two_processes_write_the_same_bytes_as_one(collection: Path, tmp_path: Path) -> None:
    """The number of processes and a repetition leave every byte of every file as it is."""
    write_phantoms(tmp_path / "again", TINY, processes=2)
    assert contents(tmp_path / "again") == contents(collection)


def test_scan_does_not_depend_on_the_number_of_scans() -> None:
    """Scan 1 of 2 is scan 1 of 8; another seed gives another scan."""
    one = make_scan(1, PhantomSettings(scans=2, size=32, seed=5))
    many = make_scan(1, PhantomSettings(scans=8, size=32, seed=5))
    other = make_scan(1, PhantomSettings(scans=2, size=32, seed=6))
    np.testing.assert_array_equal(one.hu, many.hu)
    np.testing.assert_array_equal(one.mask, many.mask)
    assert one.hu.shape != other.hu.shape or not np.array_equal(one.hu, other.hu)


def test_size_changes_resolution_and_not_anatomy() -> None:
    """The scan at 128, averaged over 2 x 2 pixels, is the scan at 64 but for noise."""
    large = make_scan(1, PhantomSettings(scans=8, size=128, seed=5))
    small = make_scan(1, SMALL)
    nx, ny, nz = small.hu.shape
    averaged = large.hu.reshape(nx, 2, ny, 2, nz).mean(axis=(1, 3))
    assert np.corrcoef(np.maximum(averaged, -1000).ravel(), np.maximum(small.hu, -1000).ravel())[0, 1] > 0.985
    share = large.mask.reshape(nx, 2, ny, 2, nz).mean(axis=(1, 3))
    assert np.corrcoef(share.ravel(), small.mask.ravel().astype(float))[0, 1] > 0.9
    np.testing.assert_allclose(np.diag(small.affine)[:2], 2 * np.diag(large.affine)[:2])


def test_geometry_is_las_with_8_mm_slices(pair: tuple[PhantomScan, PhantomScan]) -> None:
    """Scans are int16 in LAS order, 36 to 52 slices of 8 mm, with a field of view of 330 to 420 mm."""
    for scan in pair:
        assert scan.hu.dtype == np.int16
        assert "".join(nib.aff2axcodes(scan.affine)) == "LAS"
        assert scan.affine[2, 2] == 8.0
        assert 36 <= scan.hu.shape[2] <= 52
        assert 330 <= scan.hu.shape[0] * scan.affine[1, 1] <= 420
        assert scan.mask.shape == scan.hu.shape


def test_hu_of_air_lung_soft_tissue_and_bone_are_plausible(pair: tuple[PhantomScan, PhantomScan]) -> None:
    """Air, lung, muscle, fat and bone all have the HU that CT gives them, in plausible amounts."""
    for scan in pair:
        body = scan.hu[scan.hu > -200]
        assert 0.15 < len(body) / scan.hu.size < 0.7
        assert 20 < np.median(body[body > -20]) < 70
        assert -125 < np.median(body[body < -40]) < -70
        assert 0.004 < (scan.hu > 200).mean() < 0.06
        assert scan.hu.max() < 2000
        corner = scan.hu[:3, -3:, :]
        assert np.median(corner) <= -900
    air = pair[0].hu[lungs(pair[0].hu)]
    assert -930 < np.median(air) < -680
    litres = lungs(pair[0].hu).sum() * pair[0].affine[1, 1] ** 2 * 8 * 1e-6
    assert 1.2 < litres < 8


@pytest.mark.parametrize("index", [0, 2])
def test_liver_lies_on_the_patients_right(index: int) -> None:
    """In the lowest slices the patient's right half, the upper half of the first axis, holds more soft tissue.

    The first axis runs to the left, so low indices are the patient's right.
    """
    scan = make_scan(index, SMALL)
    low = scan.hu[:, :, 1:5]
    organ = (low > 25) & (low < 120)
    middle = len(organ) // 2
    assert organ[:middle].sum() > 1.15 * organ[middle:].sum()


def test_heart_lies_to_the_patients_left(pair: tuple[PhantomScan, PhantomScan]) -> None:
    """The right lung is the larger one, since heart lies to the left."""
    inside = lungs(pair[0].hu)
    middle = len(inside) // 2
    assert inside[:middle].sum() > inside[middle:].sum()


@pytest.mark.parametrize(("difficulty", "low", "high"), [("standard", 0.04, 0.5), ("hard", 0.008, 0.13)])
def test_lesions_lie_in_the_lung_and_raise_its_density(difficulty: str, low: float, high: float) -> None:
    """Lesions lie in the lung, take the share of it that the difficulty says, and are denser than the lung around."""
    settings = PhantomSettings(scans=8, size=64, seed=11, difficulty=difficulty)  # type: ignore[arg-type]
    scan = make_scan(1, settings)
    assert scan.label == 1
    air = lungs(scan.hu)
    assert low < scan.mask.sum() / (air | scan.mask).sum() < high
    near = ndimage.binary_dilation(scan.mask, np.ones((5, 5, 1))) & ~scan.mask & air
    assert scan.hu[scan.mask & air].mean() > scan.hu[near].mean() + 30
    assert (scan.hu[scan.mask] < 120).mean() > 0.97
    assert (ndimage.binary_closing(air, np.ones((9, 9, 1))) & scan.mask).sum() > 0.6 * scan.mask.sum()


def test_classes_alternate_and_normal_scans_have_no_lesion(pair: tuple[PhantomScan, PhantomScan]) -> None:
    """Even indices are normal, with an empty mask; odd ones are abnormal."""
    assert [scan.label for scan in pair] == [0, 1]
    assert not pair[0].mask.any()
    assert pair[1].mask.any()


def test_padding_says_nothing_about_the_class() -> None:
    """About half of the scans of both classes are padded; what a scanner does is drawn apart from the class."""
    settings = PhantomSettings(scans=200, size=32, seed=1)
    padded = []
    for index in range(200):
        patient = draw_patient(stream(settings, index, "anatomy"))
        scanner = draw_acquisition(stream(settings, index, "acquisition"), patient)
        assert scanner.padding_hu in (None, -1024, -2048, -3024)
        padded.append(scanner.padding_hu is not None)
    assert 35 <= sum(padded[0::2]) <= 65
    assert 35 <= sum(padded[1::2]) <= 65


def test_padding_lies_outside_the_field_of_view() -> None:
    """A padded scan has its padding value in every corner and nowhere near the middle."""
    settings = PhantomSettings(scans=8, size=32, seed=5)
    seen = set()
    for index in (1, 2):
        patient = draw_patient(stream(settings, index, "anatomy"))
        padding = draw_acquisition(stream(settings, index, "acquisition"), patient).padding_hu
        hu = make_scan(index, settings).hu
        corners = np.concatenate([hu[i, j] for i in (0, -1) for j in (0, -1)])
        assert (corners == padding).all() if padding else corners.max() < -200
        assert hu[8:24, 8:24].min() >= -1024
        seen.add(padding is None)
    assert seen == {True, False}


def test_written_files_carry_geometry_and_classes(collection: Path) -> None:
    """Files lie in class folders, with unscaled int16 voxels and masks of the same geometry."""
    names = sorted(contents(collection))
    assert names == [
        "CT-0/study_0001.nii.gz", "CT-0/study_0003.nii.gz",
        "CT-23/study_0002.nii.gz", "CT-23/study_0004.nii.gz",
        "masks/CT-23/study_0002.nii.gz", "masks/CT-23/study_0004.nii.gz",
        "phantom.json",
    ]  # fmt: skip
    image = nib.load(collection / "CT-23/study_0002.nii.gz")
    mask = nib.load(collection / "masks/CT-23/study_0002.nii.gz")
    scan = make_scan(1, TINY)
    np.testing.assert_array_equal(np.asarray(image.dataobj), scan.hu)
    np.testing.assert_array_equal(np.asarray(mask.dataobj), scan.mask)
    assert image.get_data_dtype() == np.int16
    assert (image.dataobj.slope, image.dataobj.inter) == (1.0, 0.0)
    assert mask.get_data_dtype() == np.uint8
    np.testing.assert_allclose(image.affine, scan.affine, atol=1e-3)
    np.testing.assert_allclose(mask.affine, image.affine)
    assert json.loads((collection / "phantom.json").read_text())["settings"]["seed"] == 3


def test_masks_can_be_left_out(tmp_path: Path) -> None:
    """Without masks no mask folder is made."""
    write_phantoms(tmp_path, PhantomSettings(scans=2, size=32, masks=False), processes=1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["CT-0", "CT-23", "phantom.json"]


def test_interrupted_write_is_resumed(collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an interruption nothing claims to be complete; a second call keeps what is there and adds the rest."""
    seen: list[tuple[int, int]] = []

    def interrupt(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_phantoms(tmp_path, TINY, processes=1, progress=interrupt)
    assert not (tmp_path / "phantom.json").exists()
    (tmp_path / "CT-0" / ".tmp-1-study_0003.nii.gz").write_bytes(b"half a file")
    made: list[int] = []

    def counted(index: int, settings: PhantomSettings) -> PhantomScan:
        made.append(index)
        return make_scan(index, settings)

    monkeypatch.setattr(writer, "make_scan", counted)
    write_phantoms(tmp_path, TINY, processes=1, progress=lambda done, total: seen.append((done, total)))
    assert made == [2, 3]
    assert seen == [(0, 4), (1, 4), (2, 4), (2, 4), (3, 4), (4, 4)]
    assert contents(tmp_path) == contents(collection)


def test_finished_collection_is_left_alone(collection: Path) -> None:
    """Writing a finished collection again makes no scan."""
    before = {p: p.stat().st_mtime_ns for p in collection.rglob("*.gz")}
    write_phantoms(collection, TINY, processes=1)
    assert {p: p.stat().st_mtime_ns for p in collection.rglob("*.gz")} == before


def test_foreign_folder_is_refused(collection: Path, tmp_path: Path) -> None:
    """A folder of other settings, with foreign files, or a plain file, is refused and left as it is."""
    with pytest.raises(DataError, match=r"other settings"):
        write_phantoms(collection, PhantomSettings(scans=4, size=32, seed=4), processes=1)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"notes\.txt: is no part"):
        write_phantoms(foreign, TINY, processes=1)
    assert sorted(p.name for p in foreign.iterdir()) == ["notes.txt"]
    mixed = tmp_path / "mixed"
    shutil.copytree(collection, mixed)
    (mixed / "CT-0" / "patient.nii.gz").write_bytes(gzip.compress(b"", mtime=0))
    with pytest.raises(DataError, match=r"patient\.nii\.gz"):
        write_phantoms(mixed, TINY, processes=1)
    with pytest.raises(DataError, match=r"must be a folder"):
        write_phantoms(foreign / "notes.txt", TINY, processes=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scans": 3}, "scans: must be an even number >= 2, got 3"),
        ({"scans": 0}, "scans: must be an even number >= 2, got 0"),
        ({"scans": True}, "scans: must be an even number >= 2, got True"),
        ({"size": 31}, "size: must be a whole number >= 32, got 31"),
        ({"size": 64.0}, "size: must be a whole number >= 32, got 64.0"),
        ({"seed": -1}, "seed: must be a whole number >= 0, got -1"),
        ({"difficulty": "easy"}, "difficulty: must be one of standard, hard, got 'easy'"),
        ({"masks": 1}, "masks: must be true or false, got 1"),
    ],
)
def test_wrong_settings_are_named(changes: dict[str, object], message: str) -> None:
    """A setting that breaks a rule is named with the rule and the value."""
    with pytest.raises(ConfigError) as caught:
        PhantomSettings(**changes)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_index_and_processes_are_checked(tmp_path: Path) -> None:
    """An index outside the collection and a number of processes under 1 are refused."""
    with pytest.raises(ConfigError, match=r"index: must be between 0 and 3, got 4"):
        make_scan(4, TINY)
    with pytest.raises(ConfigError, match=r"processes: must be a whole number >= 1, got 0"):
        write_phantoms(tmp_path / "none", TINY, processes=0)


def test_lost_file_of_a_finished_collection_is_made_again(collection: Path, tmp_path: Path) -> None:
    """A scan that is gone or empty comes back with the same bytes; the others stay."""
    copy = tmp_path / "copy"
    shutil.copytree(collection, copy)
    (copy / "CT-23" / "study_0002.nii.gz").unlink()
    (copy / "CT-0" / "study_0001.nii.gz").write_bytes(b"")
    write_phantoms(copy, TINY, processes=1)
    assert contents(copy) == contents(collection)


def test_users_own_temporary_file_is_not_removed(tmp_path: Path) -> None:
    """Only leftovers of this writer are cleared away; a file that merely looks temporary is foreign."""
    (tmp_path / ".tmp-notes").write_text("mine")
    with pytest.raises(DataError, match=r"is no part"):
        write_phantoms(tmp_path, TINY, processes=1)
    assert (tmp_path / ".tmp-notes").read_text() == "mine"
