"""`ctexp data check`: one pass, the worst first, table, JSON, pictures, exit code."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from matplotlib.image import imread
from typer.testing import CliRunner, Result

from ctexp.cli.main import app
from ctexp.errors import DataError
from ctexp.experiments.viewing import contact
from ctexp.experiments.viewing.check import Report, check_scans
from ctexp.experiments.viewing.contact import COLUMNS, ROWS, SIDE, contact_sheet, thumbnail
from ctexp.project import find_project
from ctexp.scans import Volume, read_scan

pytestmark = pytest.mark.slow  # whole chests are drawn and judged


def run(*words: object) -> Result:
    """Run `ctexp data check`."""
    return CliRunner().invoke(app, ["data", "check", *map(str, words)])


def checked(*sources: object, **options: object) -> Report:
    """The report on some sources."""
    return check_scans([str(source) for source in sources], find_project(), **options)  # type: ignore[arg-type]


@pytest.fixture
def collection(tmp_path: Path, write_scan: Callable[..., Path]) -> Path:
    """Two good scans, a copy of one, one saved in a soft-tissue window, a truncated file and a text."""
    folder = tmp_path / "scans"
    good = write_scan(folder / "normal" / "a.nii.gz", 1)
    write_scan(folder / "abnormal" / "b ü.nii.gz", 2)
    shutil.copy(good, folder / "normal" / "z copy.nii.gz")
    image = nib.load(good)
    windowed = np.clip(np.asarray(image.dataobj), -160, 240).astype(np.int16)
    nib.save(nib.Nifti1Image(windowed, image.affine), folder / "abnormal" / "c.nii.gz")
    (folder / "normal" / "d.nii.gz").write_bytes(good.read_bytes()[:3000])
    (folder / "normal" / "e.png").write_bytes(b"picture")
    return folder


def test_worst_come_first(collection: Path) -> None:
    """Unreadable, refused, warned of, good; what is no scan is unreadable."""
    report = checked(collection)
    assert [(one.mark, one.path.name) for one in report.scans] == [
        ("unreadable", "d.nii.gz"),
        ("unreadable", "e.png"),
        ("refuse", "c.nii.gz"),
        ("warn", "z copy.nii.gz"),
        ("ok", "b ü.nii.gz"),
        ("ok", "a.nii.gz"),
    ]
    assert report.counts == {"ok": 2, "warn": 1, "refuse": 1, "unreadable": 2, "duplicates": 1}
    assert not report.sound


def test_facts_of_a_scan(collection: Path) -> None:
    """Shape, spacing, orientation, range and padding are those of the file."""
    path = collection / "normal" / "a.nii.gz"
    stored = np.asarray(nib.load(path).dataobj)
    (one,) = checked(path).scans
    assert one.facts is not None
    assert one.facts.shape == (20, 18, 20)
    assert one.facts.spacing_mm == (18.0, 16.0, 12.0)
    assert one.facts.orientation == "LAS"
    assert one.facts.hu == (stored.min(), stored.max())
    assert one.facts.padding == pytest.approx((stored <= -1024).mean())


def test_table_fits_a_terminal(collection: Path) -> None:
    """Every line has at most 80 characters, every problem its sentence, the last line counts; exit code 1."""
    done = run(collection)
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    text = " ".join(done.stdout.split())
    assert "the lowest is -160 HU" in text
    assert "gzip" in text
    assert lines[-1] == "6 scans: 2 ok, 1 warned of, 1 refused, 2 unreadable; duplicates: 1"


def test_json_is_one_object(collection: Path) -> None:
    """`--json` prints nothing else; each scan has its facts or its error."""
    done = run(collection, "--json")
    assert done.exit_code == 1
    said = json.loads(done.stdout)
    assert said["summary"] == {"scans": 6, "ok": 2, "warn": 1, "refuse": 1, "unreadable": 2, "duplicates": 1}
    broken, _, refused, copy, _, good = said["scans"]
    assert broken.keys() == {"path", "class", "verdict", "error"}
    assert refused["quality"]["codes"][0] == "windowed"
    assert copy["same_as"] == good["path"]
    assert good["class"] == "normal"
    assert good["quality"] == {"verdict": "ok", "findings": [], "codes": []}
    assert good["shape"] == [20, 18, 20]


def test_good_scans_are_exit_zero(tmp_path: Path, write_scan: Callable[..., Path]) -> None:
    """Good scans, named one by one or as a folder without classes, are exit code 0."""
    one, two = write_scan(tmp_path / "x" / "one.nii", 1), write_scan(tmp_path / "x" / "two.nii.gz", 2)
    for words in ((one, two), (tmp_path / "x",)):
        done = run(*words)
        assert (done.exit_code, done.stdout.splitlines()[-1][:13]) == (0, "2 scans: 2 ok")


def test_copies_in_two_classes_are_refused(tmp_path: Path, write_scan: Callable[..., Path]) -> None:
    """A scan that is normal here and abnormal there is refused at both places."""
    write_scan(tmp_path / "x" / "normal" / "a.nii", 1)
    write_scan(tmp_path / "x" / "abnormal" / "b.nii", 1)
    report = checked(tmp_path / "x")
    assert [one.mark for one in report.scans] == ["refuse", "refuse"]
    assert {one.path.name: one.same_as.name for one in report.scans if one.same_as} == {
        "a.nii": "b.nii",
        "b.nii": "a.nii",
    }


def test_copies_with_one_label_or_none_contradict_nothing(tmp_path: Path, write_scan: Callable[..., Path]) -> None:
    """Other names of one label, and a copy without a label, make a duplicate, as they do for a training; exit 0."""
    write_scan(tmp_path / "x" / "CT-2" / "a.nii", 1)
    write_scan(tmp_path / "x" / "CT-3" / "b.nii", 1)
    write_scan(tmp_path / "x" / "CT-0" / "c.nii", 2)
    write_scan(tmp_path / "loose" / "d.nii", 2)
    report = checked(tmp_path / "x", tmp_path / "loose")
    assert {one.path.name: one.mark for one in report.scans} == {"a.nii": "ok", "b.nii": "warn", "c.nii": "ok",
                                                                 "d.nii": "warn"}  # fmt: skip
    assert report.sound
    assert "None" not in run(tmp_path / "x", tmp_path / "loose").stdout


def test_of_three_copies_each_names_one_that_contradicts_it(tmp_path: Path, write_scan: Callable[..., Path]) -> None:
    """Two normal copies both point to the abnormal one."""
    for place in ("normal/a.nii", "normal/b.nii", "abnormal/c.nii"):
        write_scan(tmp_path / "x" / place, 1)
    report = checked(tmp_path / "x")
    assert {one.path.name: one.same_as.name for one in report.scans if one.same_as} == {
        "a.nii": "c.nii", "b.nii": "c.nii", "c.nii": "a.nii"}  # fmt: skip
    assert not report.sound


def test_manifest_and_own_class_names(tmp_path: Path, write_scan: Callable[..., Path]) -> None:
    """A manifest with names of one's own is checked, missing files included."""
    write_scan(tmp_path / "a.nii", 1)
    (tmp_path / "list.csv").write_text("path,label\na.nii,covid\nmissing.nii,healthy\n")
    report = checked(tmp_path / "list.csv", positive="covid")
    assert [(one.mark, one.class_name) for one in report.scans] == [("unreadable", "healthy"), ("ok", "covid")]


def test_labels_are_counted(collection: Path, tmp_path: Path) -> None:
    """Scans of each class are counted before the last line; patients where a manifest names them."""
    assert run(collection).stdout.splitlines()[-2] == "labels: 3 normal, 2 abnormal"
    rows = [f"{path.relative_to(tmp_path)},{path.parent.name},p" for path in sorted(collection.rglob("*.nii.gz"))]
    (tmp_path / "list.csv").write_text("\n".join(["path,label,patient", *rows[:3]]) + "\n")
    done = run(tmp_path / "list.csv", "--json")
    assert json.loads(done.stdout)["labels"] == {"normal": 1, "abnormal": 2, "patients": 1}
    assert json.loads(done.stdout)["warnings"] == []


def test_a_class_without_scans_is_said(tmp_path: Path, write_scan: Callable[..., Path]) -> None:
    """An empty class folder, labels of one class, and a class of which no scan can be used, each have a warning."""
    good = write_scan(tmp_path / "x" / "normal" / "a.nii", 1)
    empty = tmp_path / "x" / "abnormal"
    empty.mkdir()
    done = run(tmp_path / "x")
    assert (done.exit_code, done.stdout.splitlines()[-2]) == (0, "labels: 1 normal, 0 abnormal")
    said = " ".join(done.stderr.split())
    assert f"Warning: {empty}: this class has no scans" in said
    assert "Warning: no abnormal scans; a training needs both classes" in said
    (tmp_path / "list.csv").write_text(f"path,label\n{good},normal\n")
    assert checked(tmp_path / "list.csv").warnings == ("no abnormal scans; a training needs both classes",)
    (empty / "b.nii").write_bytes(b"no scan")
    only = "none of the 1 abnormal scans can be used; a training needs both classes"
    assert checked(tmp_path / "x").warnings == (only,)


def test_sub_folders_that_may_be_classes(tmp_path: Path, write_scan: Callable[..., Path]) -> None:
    """Sub-folders that are no known classes and hold several scans are no silent patients: `--positive` is named."""
    for name in ("covid", "gesund"):
        for number in range(2):
            write_scan(tmp_path / "x" / name / f"{number}.nii", 2 * number + len(name))
    done = run(tmp_path / "x")
    assert done.exit_code == 0
    assert "labels" not in done.stdout
    assert max(map(len, done.stderr.splitlines()[-2:])) <= 80
    said = " ".join(done.stderr.split())
    assert "taken for scans or patients without labels, not for classes: covid, gesund; if they" in said
    assert "name the abnormal one with --positive" in said
    assert checked(tmp_path / "x", positive="covid").warnings == ()
    (tmp_path / "x" / "covid").rename(tmp_path / "x" / "CT-1")
    assert "not for classes: gesund; if they" in checked(tmp_path / "x").warnings[0]


def test_nothing_to_check(tmp_path: Path) -> None:
    """No such source, and a folder of nothing, are one line and exit code 2."""
    (tmp_path / "empty").mkdir()
    for word in ("empty", "missing"):
        done = run(tmp_path / word)
        assert done.exit_code == 2
        assert done.stdout == ""
    with pytest.raises(DataError, match="must hold"):
        checked(tmp_path / "empty")


def test_pages_hold_every_scan(collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are PNG, as many as needed, and the frame of the first tile has the colour of the worst verdict."""
    monkeypatch.setattr(contact, "ROWS", 1)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    done = run(collection, "--pictures", tmp_path / "pages", "--json")
    made = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert {path.parent for path in made} == {tmp_path / "pages"}  # no cache, no store: nothing but the pictures
    pages = [Path(page) for page in json.loads(done.stdout)["pages"]]
    assert pages == [tmp_path / "pages" / "page-001.png", tmp_path / "pages" / "page-002.png"]
    assert sorted((tmp_path / "pages").iterdir()) == pages
    first = (imread(pages[0])[:, :, :3] * 255).round()
    assert (first[38, 14] == [0x5E, 0x35, 0xB1]).all()
    second = (imread(pages[1])[:, :, :3] * 255).round()
    assert (second[38, 14] == [0xB3, 0x62, 0x00]).all()


def test_sheet_keeps_thumbnails_apart(tmp_path: Path, rng: np.random.Generator) -> None:
    """Whatever order scans come in and are drawn in, each tile shows its own scan."""
    images = rng.integers(0, 256, (COLUMNS * ROWS, SIDE, 2 * SIDE), dtype=np.uint8)
    with contact_sheet() as sheet:
        for number in rng.permutation(len(images)):
            sheet.put(int(number), images[number])
        (page,) = sheet.draw(tmp_path, [(number, f"${number}", "ok", "") for number in reversed(range(len(images)))])
    paper = (imread(page)[:, :, 0] * 255).round().astype(np.uint8)
    last = images[-1]
    top, left = 24 + 12 + 4, 12 + 4
    np.testing.assert_array_equal(paper[top : top + SIDE, left : left + 2 * SIDE], last)


def test_thumbnail_is_a_radiologists_view(tmp_path: Path, write_scan: Callable[..., Path]) -> None:
    """Front above, the patient's right on the left, head above in the coronal slice, true to millimetres."""
    volume = read_scan(write_scan(tmp_path / "a.nii"))
    hu = volume.stored.copy()
    hu[10:, :, 10:] = 3000  # the patient's right half, upper part
    image = thumbnail(Volume(hu, 1.0, 0.0, volume.affine), in_hu=True)
    assert image.shape == (SIDE, 2 * SIDE)
    coronal = image[:, SIDE:]
    assert (coronal[40:80, 10:80] == 255).all()
    assert (coronal[120:160, 100:170] < 255).any()
    used = np.flatnonzero(coronal.any(axis=1))
    assert len(used) == pytest.approx(SIDE * (20 * 12) / (20 * 18), abs=1)
