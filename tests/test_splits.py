"""Train, validation and test: by class, by patient, by seed, never by file order."""

import csv
import hashlib
import random
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.config import SplitSettings
from ctexp.datasets.collection import Collection, LabelledScan
from ctexp.datasets.splits import SIDES, Split, count_patients, split_collection
from ctexp.errors import DataError

WORDS = ("normal", "abnormal")


def scan(number: int, label: int, patient: str | None = None, **more: object) -> LabelledScan:
    """A scan that is only known by name."""
    sha256 = hashlib.sha256(str(number).encode()).hexdigest()
    path = Path(f"{number}.nii")
    return LabelledScan(path, label, WORDS[label], patient or f"p{number}", sha256, **more)  # type: ignore[arg-type]


def collection(scans: list[LabelledScan]) -> Collection:
    """A collection named `here`."""
    return Collection("here", tuple(sorted(scans, key=lambda one: one.sha256)), synthetic=False)


def single(normal: int, abnormal: int) -> Collection:
    """Patients with one scan each."""
    return collection([scan(number, int(number >= normal)) for number in range(normal + abnormal)])


def everyone(split: Split) -> list[LabelledScan]:
    """All scans of the three sides."""
    return [one for side in SIDES for one in getattr(split, side)]


shares = st.tuples(st.sampled_from([0.1, 0.16, 0.25, 0.3]), st.sampled_from([0.1, 0.2, 0.33]))


@given(st.integers(10, 80), st.integers(10, 80), shares, st.integers(0, 2**32 - 1))
def test_shares_of_each_class(normal: int, abnormal: int, wish: tuple[float, float], seed: int) -> None:
    """With one scan a patient each class is shared as wished, to one scan, and every scan is on exactly one side."""
    whole = single(normal, abnormal)
    split = split_collection(whole, SplitSettings(validation=wish[0], test=wish[1]), seed)
    assert sorted(one.sha256 for one in everyone(split)) == [one.sha256 for one in whole.scans]
    assert split.left_out == ()
    counts = split.counts()
    for word, total in (("normal", normal), ("abnormal", abnormal)):
        assert abs(counts["validation"][word] - total * wish[0]) <= 1
        assert abs(counts["test"][word] - total * wish[1]) <= 1
        assert sum(counts[side][word] for side in SIDES) == total


@given(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=5), min_size=40, max_size=80), st.integers(0, 99))
def test_no_patient_is_on_two_sides(labels: list[list[int]], seed: int) -> None:
    """Patients with many scans, of one class or of both, lie whole on one side, and shares stay near the wish."""
    scans = [
        scan(100 * patient + number, label, f"p{patient}")
        for patient, of_patient in enumerate([*labels, *[[0], [1]] * 10])
        for number, label in enumerate(of_patient)
    ]
    split = split_collection(collection(scans), SplitSettings(), seed)
    on: dict[str, set[str]] = {}
    for side in SIDES:
        for one in getattr(split, side):
            on.setdefault(one.patient, set()).add(side)
    assert all(len(sides) == 1 for sides in on.values())
    assert sorted(one.sha256 for one in everyone(split)) == sorted(one.sha256 for one in scans)
    assert abs(len(split.test) / len(scans) - 0.2) < 0.1
    assert abs(len(split.validation) / len(scans) - 0.16) < 0.1


@given(st.integers(0, 2**32 - 1))
def test_patients_with_one_scan_even_the_shares_out(seed: int) -> None:
    """Where patients with one scan are enough, those with many do not move the shares."""
    owners = ["big 1"] * 6 + ["big 2"] * 5 + ["big 3"] * 4 + [f"p{number}" for number in range(35)]
    scans = [scan(100 * label + n, label, f"{owner} {label}") for label in (0, 1) for n, owner in enumerate(owners)]
    counts = split_collection(collection(scans), SplitSettings(validation=0.16, test=0.2), seed).counts()
    assert counts["validation"] == {"normal": 8, "abnormal": 8}
    assert counts["test"] == {"normal": 10, "abnormal": 10}


@given(st.randoms(use_true_random=False), st.integers(0, 9))
def test_order_and_names_do_not_matter(shuffled: random.Random, seed: int) -> None:
    """The same content in another order, under other names and patients' names, is split the same."""
    whole = collection([scan(number, number % 3 // 2, f"p{number // 2}") for number in range(60)])
    scans = list(whole.scans)
    shuffled.shuffle(scans)
    renamed = [replace(one, path=Path(f"{n}.nii"), patient=f"other {one.patient}") for n, one in enumerate(scans)]
    other = Collection("there", tuple(renamed), synthetic=True)
    assert split_collection(other, SplitSettings(), seed).hash == split_collection(whole, SplitSettings(), seed).hash


def test_patients_are_counted() -> None:
    """Several scans of a patient count once, on their side."""
    whole = collection([scan(number, number % 2, f"p{number // 4}-{number % 2}") for number in range(80)])
    split = split_collection(whole, SplitSettings(), 0)
    assert split.patients() == {side: len({one.patient for one in getattr(split, side)}) for side in SIDES}
    assert sum(split.patients().values()) == 40
    assert count_patients(whole.scans) == 40


def test_seed_decides() -> None:
    """The same seed gives the same split, fifty seeds give fifty, and every scan is tested by some."""
    whole = single(30, 30)
    splits = [split_collection(whole, SplitSettings(), seed) for seed in range(50)]
    assert split_collection(whole, SplitSettings(), 7) == splits[7]
    assert len({split.hash for split in splits}) == 50
    assert {one.sha256 for split in splits for one in split.test} == {one.sha256 for one in whole.scans}


def test_hash_moves_with_one_scan() -> None:
    """Exchanging two scans between sides is another split."""
    split = split_collection(single(20, 20), SplitSettings(), 0)
    swapped = Split((split.test[0], *split.train[1:]), split.validation, (split.train[0], *split.test[1:]))
    assert swapped.hash != split.hash


def test_no_locked_test() -> None:
    """With a test share of 0 nothing is locked away and nothing is missed."""
    split = split_collection(single(10, 10), SplitSettings(test=0), 0)
    assert split.test == ()
    assert split.counts()["validation"] == {"normal": 2, "abnormal": 2}


@pytest.mark.parametrize(
    ("normal", "abnormal", "side", "word"), [(2, 20, "validation", "normal"), (20, 2, "validation", "abnormal")]
)
def test_too_few_scans(normal: int, abnormal: int, side: str, word: str) -> None:
    """A side that would lack a class is named with the counts and the way out."""
    with pytest.raises(DataError, match=rf"^here: .*{side} has no {word} ones \(.*: 2, 0, 0 {word}\); add patients"):
        split_collection(single(normal, abnormal), SplitSettings(), 0)


def test_test_side_may_not_lack_a_class() -> None:
    """Few scans leave a small test share without one of a class: that is refused, unless no test was wished for."""
    few = single(3, 20)
    with pytest.raises(
        DataError, match=r"^here: .*test has no normal ones \(.*: 2, 1, 0 normal\); add patients or change"
    ):
        split_collection(few, SplitSettings(validation=0.3, test=0.1), 0)
    assert split_collection(few, SplitSettings(validation=0.3, test=0), 0).test == ()


def test_a_seed_means_the_same_split_for_ever() -> None:
    """Another version of the program draws this very split from these scans and this seed."""
    split = split_collection(single(8, 8), SplitSettings(), 5)
    assert {one.path.stem for one in split.validation} == {"0", "14"}
    assert {one.path.stem for one in split.test} == {"6", "7", "11", "12"}
    assert split.hash == "35d1e54cbe627deb125562a83adf292ca6b13ae7af1e07cd7655b285896318f7"


class TestManifest:
    """Sides that the source fixes."""

    def scans(self) -> list[LabelledScan]:
        """Two scans a side and class."""
        return [scan(number, number % 2, side=SIDES[number // 2 % 3]) for number in range(12)]

    @pytest.mark.parametrize("scheme", ["auto", "manifest"])
    @given(seed=st.integers(0, 9))
    def test_sides_are_taken(self, scheme: str, seed: int) -> None:
        """Whatever the seed and the shares, every scan is where its manifest puts it."""
        scans = self.scans()
        split = split_collection(collection(scans), SplitSettings(scheme=scheme, test=0.5), seed)  # type: ignore[arg-type]
        assert {one.path: side for side in SIDES for one in getattr(split, side)} == {o.path: o.side for o in scans}

    def test_the_test_may_be_kept_elsewhere(self) -> None:
        """A manifest without a test line locks nothing away; the other sides are what it says."""
        scans = [scan(number, number % 2, side=SIDES[number // 2 % 2]) for number in range(8)]
        split = split_collection(collection(scans), SplitSettings(), 0)
        assert (len(split.train), len(split.validation), split.test, split.left_out) == (4, 4, (), ())

    def test_random_ignores_them(self) -> None:
        """Asked for a random split, the manifest's column is not used."""
        scans = self.scans()
        hashes = {split_collection(collection(scans), SplitSettings("random", 0.3, 0.3), s).hash for s in range(5)}
        assert len(hashes) > 1

    def test_needs_the_column(self) -> None:
        """Asked for the manifest's split without one, the message says so."""
        with pytest.raises(DataError, match=r"split\.scheme manifest needs a manifest with a split column"):
            split_collection(single(10, 10), SplitSettings(scheme="manifest"), 0)

    def test_patient_on_two_sides(self) -> None:
        """A fixed split that tears a patient apart is refused."""
        scans = [replace(one, patient="p") if number in (0, 4) else one for number, one in enumerate(self.scans())]
        with pytest.raises(DataError, match="one side of the split, 1 patients are on two, 'p' among them"):
            split_collection(collection(scans), SplitSettings(), 0)

    def test_side_without_a_class(self) -> None:
        """A fixed split is told to mend its column, not to change shares that it does not use."""
        scans = [one for one in self.scans() if one.side != "test" or one.label == 0]
        with pytest.raises(DataError, match="test has no abnormal ones") as caught:
            split_collection(collection(scans), SplitSettings(), 0)
        assert str(caught.value).startswith("here: ")
        assert str(caught.value).endswith("; mend the manifest split or choose split.scheme random")


class TestPublished:
    """MosMedData's published split."""

    def table(self) -> list[dict[str, str]]:
        """The table that ships with the package."""
        text = resources.files("ctexp.datasets").joinpath("mosmed_published_split.csv").read_text(encoding="utf-8")
        return list(csv.DictReader(text.splitlines()))

    def studies(self) -> list[LabelledScan]:
        """A collection with the table's file names."""
        return [
            replace(scan(number, int(row["label"])), path=Path("studies", row["folder"], row["file"]))
            for number, row in enumerate(self.table())
        ]

    def test_sides_come_from_the_table(self) -> None:
        """All 424 studies lie where the table says, in any folder; studies that it does not name are left out."""
        extra = replace(scan(9999, 1), path=Path("studies/CT-1/study_0300.nii.gz"))
        rows = self.table()
        assert extra.path.name not in {row["file"] for row in rows}
        split = split_collection(collection([*self.studies(), extra]), SplitSettings(scheme="published"), 3)
        found = {one.path.name: side for side in SIDES for one in getattr(split, side)}
        assert found == {row["file"]: row["split"] for row in rows}
        assert split.left_out == (extra,)
        assert split.counts() == {
            "train": {"normal": 177, "abnormal": 118},
            "validation": {"normal": 27, "abnormal": 18},
            "test": {"normal": 50, "abnormal": 34},
        }

    def test_labels_must_be_the_tables(self) -> None:
        """A study whose label is not the table's is named: other scans with the same file names are no MosMedData."""
        studies = self.studies()
        studies[3] = replace(studies[3], label=1 - studies[3].label)
        with pytest.raises(DataError, match=f"1 differ, {studies[3].path.name} among them"):
            split_collection(collection(studies), SplitSettings(scheme="published"), 0)

    def test_it_needs_every_study(self) -> None:
        """The number of missing studies and the first of them are named."""
        studies = sorted(self.studies(), key=lambda one: one.path.name)
        with pytest.raises(DataError, match=f"all its 424 studies.* 2 are not here, {studies[0].path.name} among them"):
            split_collection(collection(studies[2:]), SplitSettings(scheme="published"), 0)
