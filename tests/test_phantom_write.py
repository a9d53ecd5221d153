"""Writing a synthetic collection: the same bytes always, nothing lost and nothing foreign touched."""

import gzip
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ctexp.datasets.phantom import PhantomScan, PhantomSettings, make_scan, write_phantoms
from ctexp.datasets.phantom import write as writer
from ctexp.errors import ConfigError, DataError

pytestmark = pytest.mark.slow  # whole chests are drawn and judged

TINY = PhantomSettings(scans=4, size=32, seed=3)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


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


def test_what_a_desktop_leaves_is_no_scan(tmp_path: Path) -> None:
    """A folder that was looked at in a file manager goes on being the collection that it is."""
    write_phantoms(tmp_path, TINY, processes=1)
    (tmp_path / ".DS_Store").write_bytes(b"icons")
    (tmp_path / "CT-0" / "Thumbs.db").write_bytes(b"icons")
    write_phantoms(tmp_path, TINY, processes=1)
    (tmp_path / "CT-0" / "heat.nii.gz").write_bytes(b"")
    with pytest.raises(DataError, match=r"heat\.nii\.gz: is no part of this phantom collection; remove it, or give"):
        write_phantoms(tmp_path, TINY, processes=1)
