"""A folder with one sub-folder a class."""

import os
from pathlib import Path

import pytest

from ctexp.datasets.folders import list_folder
from ctexp.errors import DataError


def touch(folder: Path, *names: str) -> Path:
    """Make empty files; listing opens none."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def listed(folder: Path, positive: str | None = None) -> list[tuple[str, int, str, str]]:
    """List a folder without problems: path below it, label, class and patient."""
    entries, problems = list_folder(folder, positive)
    assert problems == []
    assert all(entry.side is None for entry in entries)
    return [
        (entry.path.relative_to(folder).as_posix(), entry.label, entry.class_name, entry.patient) for entry in entries
    ]


@pytest.mark.parametrize(
    ("name", "label"),
    [(name, 0) for name in ("CT-0", "ct-0", "normal", "Normal", "healthy", "negative", "0")]
    + [(name, 1) for name in ("CT-1", "CT-2", "CT-3", "CT-4", "CT-23", "abnormal", "Pneumonia", "POSITIVE", "1")],
)
def test_class_names(name: str, label: int, tmp_path: Path) -> None:
    """MosMedData's names and the usual words have their label in any letter case."""
    assert listed(touch(tmp_path, f"{name}/a.nii.gz")) == [(f"{name}/a.nii.gz", label, name, f"{name}/a.nii.gz")]


def test_entries_are_sorted_and_patients_are_sub_folders(tmp_path: Path) -> None:
    """A scan directly in the class folder is a patient of its own, deeper ones belong to the first folder's patient."""
    touch(tmp_path, "CT-1/p2/b.nii", "CT-1/p2/late/a.nii.gz", "CT-1/b.NII", "CT-1/a.nii", "CT-0/p2/x.nii")
    assert listed(tmp_path) == [
        ("CT-0/p2/x.nii", 0, "CT-0", "CT-0/p2"),
        ("CT-1/a.nii", 1, "CT-1", "CT-1/a.nii"),
        ("CT-1/b.NII", 1, "CT-1", "CT-1/b.NII"),
        ("CT-1/p2/b.nii", 1, "CT-1", "CT-1/p2"),
        ("CT-1/p2/late/a.nii.gz", 1, "CT-1", "CT-1/p2"),
    ]


def test_studies_round_the_classes_are_entered(tmp_path: Path) -> None:
    """MosMedData as it is unpacked, with `studies`, masks, papers and hidden files, lists the studies alone."""
    touch(
        tmp_path, "studies/CT-0/a.nii.gz", "studies/CT-4/b.nii.gz", "masks/c.nii.gz", "LICENSE", "dataset_registry.xlsx"
    )
    assert [path for path, *_ in listed(tmp_path)] == ["studies/CT-0/a.nii.gz", "studies/CT-4/b.nii.gz"]


def test_what_is_no_scan_by_its_name_is_passed_over(tmp_path: Path) -> None:
    """Masks beside the classes, hidden files and folders, and notes are no scans and no faults."""
    touch(tmp_path, "CT-0/a.nii", "masks/CT-0/a.nii", "Masks/b.nii", ".cache/x.nii", "readme.md", "phantom.json")
    touch(tmp_path, "CT-0/.hidden.nii", "CT-0/.tmp/b.nii", "CT-0/notes.TXT", "CT-0/table.csv", "CT-0/report.pdf")
    assert [path for path, *_ in listed(tmp_path)] == ["CT-0/a.nii"]


def test_other_files_among_the_scans_are_problems(tmp_path: Path) -> None:
    """A picture or an unpacked DICOM file among the scans is named, not passed over."""
    touch(tmp_path, "CT-0/a.nii", "CT-0/b.png", "CT-1/p/IM0001")
    entries, problems = list_folder(tmp_path)
    assert len(entries) == 1
    assert [problem.path for problem in problems] == [tmp_path / "CT-0/b.png", tmp_path / "CT-1/p/IM0001"]
    assert all(problem.reason.startswith(f"{problem.path}: a scan must be .nii or .nii.gz") for problem in problems)


class TestPositive:
    """Class names of the user's own."""

    def test_named_class_is_abnormal(self, tmp_path: Path) -> None:
        """`--positive` makes one of two folders abnormal in any letter case, and wins over known names."""
        touch(tmp_path, "covid/a.nii", "other/b.nii")
        assert [entry[1] for entry in listed(tmp_path, "COVID")] == [1, 0]
        assert [entry[1] for entry in listed(tmp_path, " other ")] == [0, 1]
        assert [entry[1] for entry in listed(touch(tmp_path / "n", "CT-0/a.nii", "CT-1/b.nii"), "ct-0")] == [1, 0]

    @pytest.mark.parametrize("positive", ["covd", ""])
    def test_it_must_be_there(self, positive: str, tmp_path: Path) -> None:
        """A name that no folder has is refused with the names there are."""
        touch(tmp_path, "covid/a.nii", "other/b.nii")
        with pytest.raises(DataError, match=r"that sub-folder and one other, got covid, other$"):
            list_folder(tmp_path, positive)

    def test_there_must_be_two(self, tmp_path: Path) -> None:
        """One against several is a decision that the user has to write down."""
        touch(tmp_path, "covid/a.nii", "flu/b.nii", "healthy/c.nii")
        with pytest.raises(DataError, match=r"one other, got covid, flu, healthy$"):
            list_folder(tmp_path, "covid")


def test_unknown_class_names_are_all_named(tmp_path: Path) -> None:
    """Folders whose name is no label are listed, with the names that are known and the way out."""
    touch(tmp_path, "CT-0/a.nii", "CT-9/b.nii", "stuff/c.nii")
    with pytest.raises(DataError, match=r"CT-23 \(abnormal\).*got CT-9, stuff; name your own with --positive"):
        list_folder(tmp_path)


def test_a_folder_too_deep_is_told_the_one_above(tmp_path: Path) -> None:
    """Of many sub-folders three are named; a folder that is itself named as a class is told to name the one above."""
    for name in ("export/normal", "export/covid"):
        touch(tmp_path / name, *(f"case_{number:02}/a.nii" for number in range(30)))
    names = "got case_00, case_01, case_02 and 27 more"
    with pytest.raises(DataError, match=f"{names}; this folder is itself named as a class, name the folder above it$"):
        list_folder(tmp_path / "export" / "normal")
    with pytest.raises(DataError, match=f"{names}; if these are scans name the folder above, if they are classes"):
        list_folder(tmp_path / "export" / "covid")
    with pytest.raises(DataError, match=f"that sub-folder and one other, {names}; this folder is itself named"):
        list_folder(tmp_path / "export" / "covid", "covid")
    with pytest.raises(DataError, match=r"it has no sub-folder; this folder is itself named as a class"):
        list_folder(touch(tmp_path / "flat" / "CT-0", "a.nii"))


def test_two_names_of_the_users_own(tmp_path: Path) -> None:
    """Two sub-folders may be classes: `--positive` is named."""
    with pytest.raises(DataError, match="got covid, gesund; name your own with --positive, or write a manifest"):
        list_folder(touch(tmp_path, "covid/a.nii", "gesund/b.nii"))


def test_scans_without_class_folders(tmp_path: Path) -> None:
    """A flat folder of scans is told what is missing."""
    with pytest.raises(DataError, match="must hold one sub-folder a class"):
        list_folder(touch(tmp_path, "a.nii", "masks/b.nii"))


def test_no_folder(tmp_path: Path) -> None:
    """A missing folder or a file is a line."""
    touch(tmp_path, "file")
    for name in ("none", "file"):
        with pytest.raises(DataError, match=f"{name}: must be a readable folder"):
            list_folder(tmp_path / name)


def test_link_loop_ends(tmp_path: Path) -> None:
    """Links to folders inside a class are not followed; links to scans are; a class folder may be a link."""
    touch(tmp_path / "data", "CT-0/p/a.nii")
    touch(tmp_path / "away", "b.nii")
    (tmp_path / "data/CT-0/p/loop").symlink_to(tmp_path / "data", target_is_directory=True)
    (tmp_path / "data/CT-0/c.nii").symlink_to(tmp_path / "away/b.nii")
    (tmp_path / "data/CT-1").symlink_to(tmp_path / "away", target_is_directory=True)
    assert [path for path, *_ in listed(tmp_path / "data")] == ["CT-0/c.nii", "CT-0/p/a.nii", "CT-1/b.nii"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads every folder")
def test_folder_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    """A patient's folder without permission is named: its scans would be missing from every count."""
    locked = touch(tmp_path, "CT-0/p/a.nii", "CT-1/q/b.nii") / "CT-1/q"
    locked.chmod(0)
    try:
        with pytest.raises(DataError, match=r"CT-1/q: must be a readable folder"):
            list_folder(tmp_path)
    finally:
        locked.chmod(0o700)


def test_masks_inside_a_class_folder_are_no_scans(tmp_path: Path, write_scan) -> None:
    """A folder `masks` is passed over at every depth."""
    write_scan(tmp_path / "normal" / "a.nii", 1)
    write_scan(tmp_path / "normal" / "masks" / "a.nii", 2)
    write_scan(tmp_path / "abnormal" / "b.nii", 3)
    entries, problems = list_folder(tmp_path)
    assert [entry.path.name for entry in entries] == ["b.nii", "a.nii"]
    assert problems == []
