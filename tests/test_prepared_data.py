"""The data of a training between its files and its split: what is said, left out and refused on the way."""

import dataclasses
from pathlib import Path

import pytest
from helpers.watches import Told

from ctexp.datasets.leakage import Pair
from ctexp.datasets.splits import Split, split_collection
from ctexp.errors import DataError
from ctexp.experiments.data import prepare_data
from ctexp.experiments.request import TrainingRequest
from ctexp.experiments.training.tables import data_facts
from ctexp.presets import get_preset
from ctexp.project import Project

SIDES = ("train", "train", "train", "train", "validation", "validation", "test", "test")


@pytest.fixture
def manifest(write_scan, tmp_path: Path) -> Path:
    """Eight scans of as many patients with a given split."""
    lines = ["path,label,patient,split"]
    for number, side in enumerate(SIDES):
        write_scan(tmp_path / f"{number}.nii.gz", seed=number)
        lines.append(f"{number}.nii.gz,{'abnormal' if number % 2 else 'normal'},p{number},{side}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "manifest.csv"


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch):
    """Make scans near-duplicates of each other, by the numbers in their names."""

    def make(*couples: tuple[int, int]) -> None:
        def find(scans, cache) -> list[Pair]:
            named = {int(scan.path.name.partition(".")[0]): scan for scan in scans}
            return [Pair(named[first], named[second], 0.9) for first, second in couples]

        monkeypatch.setattr("ctexp.experiments.data.find_near_duplicates", find)

    make()  # scans of noise alone are alike
    return make


def prepared(manifest: Path, **wishes):
    """Prepare the data of a training, and give what was said."""
    watch = Told()
    request = TrainingRequest(get_preset("smoke"), str(manifest), **wishes)
    return prepare_data(request, Project(manifest.parent), watch), watch.lines


def test_scans_that_a_split_does_not_name_are_counted(manifest, copies, monkeypatch: pytest.MonkeyPatch) -> None:
    """They teach and judge nothing, as CT-1 and CT-4 do with the published split: it is said, and the run keeps it."""

    def split(*args) -> Split:
        whole = split_collection(*args)
        return dataclasses.replace(whole, train=whole.train[1:], left_out=whole.train[:1])

    monkeypatch.setattr("ctexp.experiments.data.split_collection", split)
    data, lines = prepared(manifest)
    assert "the manifest split does not name 1 of the 8 scans: they are on no side" in lines
    facts = data_facts(data.collection, data.split)
    assert (facts["data.left_out"], facts["data.scans"]) == (1, 8)


def test_a_class_that_is_lost_with_copies_is_told_before_training(manifest, copies) -> None:
    """`--skip-bad` leaves out the copy that is nearer to training; a side without a class could judge nothing."""
    copies((4, 6))
    with pytest.raises(DataError, match="near-duplicates lie on two sides of the split"):
        prepared(manifest)
    with pytest.raises(DataError, match=r"needs scans of both classes, validation has no normal ones .*remove copies"):
        prepared(manifest, skip_bad=True)


def test_copies_on_one_side_of_a_given_split_are_one_patient(manifest, copies) -> None:
    """So no fold that is dealt from it has one of them on either side; the split itself stays as it was given."""
    given, _ = prepared(manifest)
    copies((0, 2), (1, 3))
    data, _ = prepared(manifest)
    patients = {scan.path.name: scan.patient for scan in data.split.train}
    assert patients["0.nii.gz"] == patients["2.nii.gz"] != patients["1.nii.gz"] == patients["3.nii.gz"]
    assert data.split.hash == given.split.hash
    assert (given.split.patients()["train"], data.split.patients()["train"]) == (4, 2)


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (("covid+", "no finding"), {"data.class.covid_": 4, "data.class.no finding": 4}),
        (("a+", "a*"), {"data.class.a_": 8}),
        (("gesund", "überfüllt/../x"), {"data.class.gesund": 4, "data.class.überfüllt_.._x": 4}),
    ],
)
def test_names_of_classes_become_keys_that_mlflow_takes(manifest, copies, names, keys) -> None:
    """MLflow refuses most signs in a key, when all is prepared; names that come to one key are counted in one."""
    text = manifest.read_text().replace(",abnormal,", f",{names[0]},").replace(",normal,", f",{names[1]},")
    manifest.write_text(text)
    data, _ = prepared(manifest, positive=names[0])
    facts = data_facts(data.collection, data.split)
    assert {key: count for key, count in facts.items() if key.startswith("data.class.")} == keys


def test_what_exact_copies_take_away_shows_persons_all_the_same(manifest: Path, copies, write_scan) -> None:
    """A scan that goes because its patient is tested, too, still tells whose its near-duplicates are."""
    folder = manifest.parent
    write_scan(folder / "8.nii.gz", seed=8)
    write_scan(folder / "9.nii.gz", seed=9)
    (folder / "99.nii.gz").write_bytes((folder / "0.nii.gz").read_bytes())
    with manifest.open("a") as lines:
        lines.write("8.nii.gz,normal,p0,train\n9.nii.gz,normal,p9,train\n99.nii.gz,normal,p6,test\n")
    copies((2, 8))
    data, said = prepared(manifest, skip_bad=True)
    assert {scan.path.name for scan in data.split.train} == {"1.nii.gz", "3.nii.gz", "9.nii.gz"}
    assert {scan.path.name for scan in data.split.test} == {"6.nii.gz", "7.nii.gz", "99.nii.gz"}
    assert data.collection.near_duplicates == 0
    assert sum(line.startswith("skipped: ") for line in said) == 3
