"""Near-duplicates: found from prepared arrays, and never on two sides of a split."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.config import ScanSettings, SplitSettings
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import Collection, LabelledScan
from ctexp.datasets.folds import make_folds
from ctexp.datasets.leakage import Pair, find_near_duplicates, join_copies, join_on_sides, part_copies
from ctexp.datasets.load import load_collection
from ctexp.datasets.phantom import PhantomSettings, write_phantoms
from ctexp.datasets.sources import Source
from ctexp.datasets.splits import SIDES, Split, split_collection
from ctexp.errors import DataError

WORDS = ("normal", "abnormal")


def scan(number: int, label: int, patient: str | None = None) -> LabelledScan:
    """A scan that is only known by name."""
    sha256 = hashlib.sha256(str(number).encode()).hexdigest()
    return LabelledScan(Path(f"{number:03}.nii"), label, WORDS[label], patient or f"p{number:03}", sha256)


def collection(scans: list[LabelledScan]) -> Collection:
    """A collection named `here`."""
    return Collection("here", tuple(sorted(scans, key=lambda one: one.sha256)), synthetic=False)


class TestJoin:
    """Two patients who share a volume become one, so that splits and folds keep them together."""

    @given(st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=8), st.integers(0, 2**32 - 1))
    def test_copies_are_on_one_side_of_split_and_folds(self, couples: list[tuple[int, int]], seed: int) -> None:
        """Whatever is a copy of whatever, over any number of steps: no pair is on two sides, and no scan is lost."""
        scans = [scan(number, number % 2) for number in range(40)]
        alike = [(i, j) for i, j in couples if i != j and i % 2 == j % 2]
        pairs = [Pair(scans[i], scans[j], 0.9) for i, j in alike]
        joined, notes = join_copies(collection(scans), pairs, fixed=False)
        assert len(notes) == len(pairs)  # eight at the most; more are counted in one line
        assert {one.sha256 for one in joined.scans} == {one.sha256 for one in scans}
        split = split_collection(joined, SplitSettings(validation=0.3, test=0.3), seed)
        for parted in (split, *make_folds(split, 2, seed)):
            on = {one.sha256: side for side in SIDES for one in getattr(parted, side)}
            assert all(on.get(pair.first.sha256) == on.get(pair.second.sha256) for pair in pairs)

    def test_one_patient_twice_is_no_news(self) -> None:
        """A patient's own scans that are alike change nothing and are not spoken of."""
        scans = [scan(number, number % 2, "the same") for number in range(4)]
        whole = collection(scans)
        joined, notes = join_copies(whole, [Pair(scans[0], scans[2], 0.9)], fixed=False)
        assert joined == replace(whole, near_duplicates=1)
        assert notes == ()

    def test_labels_that_contradict_are_refused(self) -> None:
        """One volume labelled both ways is refused by name; `--skip-bad` goes on without either copy."""
        scans = [scan(number, number % 2) for number in range(6)]
        pairs = [Pair(scans[0], scans[1], 0.9), Pair(scans[1], scans[3], 0.9), Pair(scans[2], scans[4], 0.9)]
        with pytest.raises(DataError, match=r"(?s)here: 1 pair .*mend the labels.*000.nii and 001.nii .*abnormal"):
            join_copies(collection(scans), pairs, fixed=False)
        left, notes = join_copies(collection(scans), pairs, fixed=False, skip_bad=True)
        assert {one.path.name for one in left.scans} == {"002.nii", "003.nii", "004.nii", "005.nii"}
        assert [problem.path.name for problem in left.skipped] == ["000.nii"]
        assert len(notes) == 1
        assert "002.nii and 004.nii" in notes[0]


class TestPart:
    """A split that somebody else made is not changed in silence."""

    scans = tuple(scan(number, number % 2) for number in range(12))
    split = Split(scans[:4], scans[4:8], scans[8:])

    def test_copies_on_two_sides_are_refused(self) -> None:
        """All pairs are named with their sides and the remedy."""
        pairs = [Pair(self.scans[0], self.scans[9], 0.9), Pair(self.scans[1], self.scans[5], 0.8, mirrored=True)]
        with pytest.raises(DataError) as caught:
            part_copies(self.split, pairs, "here")
        text = str(caught.value)
        assert "here: 2 pairs of near-duplicates lie on two sides of the split; mend the split" in text
        assert "000.nii is on the side train, 009.nii on test" in text
        assert "(mirrored, likeness 0.80): 001.nii is on the side train, 005.nii on validation" in text

    def test_skipping_leaves_out_what_is_nearer_to_training(self) -> None:
        """The sides that judge stay as they were given: the test loses nothing, validation only to the test."""
        pairs = [Pair(self.scans[0], self.scans[9], 0.9), Pair(self.scans[10], self.scans[5], 0.8)]
        split, problems = part_copies(self.split, pairs, "here", skip_bad=True)
        assert split.test == self.split.test
        assert split.validation == tuple(one for one in self.split.validation if one is not self.scans[5])
        assert split.train == self.split.train[1:]
        assert split.left_out == (self.scans[0], self.scans[5])
        assert [problem.path.name for problem in problems] == ["000.nii", "005.nii"]

    def test_copies_on_one_side_stay(self) -> None:
        """Two copies on one side, or one that a split does not name, are nobody's advantage."""
        pairs = [Pair(self.scans[0], self.scans[1], 0.9), Pair(self.scans[2], scan(77, 0), 0.9)]
        assert part_copies(self.split, pairs, "here") == (self.split, ())

    def test_a_pair_that_went_shows_a_person_all_the_same(self) -> None:
        """Neither copies that contradict each other nor one that is on no side leave their person on two sides."""
        gone = [scan(20, 0, "p000"), scan(21, 1, "p009")]  # another of each, left out for their labels
        for pair in (Pair(*gone, 0.9), Pair(gone[0], self.scans[9], 0.9)):
            with pytest.raises(DataError, match="their person is on train and on test"):
                part_copies(self.split, [pair], "here")
            split, problems = part_copies(self.split, [pair], "here", skip_bad=True)
            assert split == Split(self.scans[1:4], self.scans[4:8], self.scans[8:], left_out=self.scans[:1])
            assert [problem.reason for problem in problems] == [
                "000.nii: copies show that patient p000 is on train and on test"
            ]
        joined, split = join_on_sides(
            collection(list(self.scans)), self.split, [Pair(scan(20, 0, "p000"), scan(21, 1, "p001"), 0.9)]
        )
        assert split.train[0].patient == split.train[1].patient == "p000"
        assert len({one.patient for one in joined.scans}) == 11

    @pytest.mark.parametrize("seed", range(4))
    def test_copies_of_a_fixed_split_are_in_one_fold(self, seed: int) -> None:
        """Folds are dealt anew from what a manifest gave: two patients who share a volume are one there, too."""
        scans = [scan(number, number % 2) for number in range(40)]
        pairs = [Pair(scans[number], scans[number + 2], 0.9) for number in range(0, 32, 4)]
        given = Split(tuple(scans[:32]), tuple(scans[32:36]), tuple(scans[36:]), left_out=(scan(77, 0),))
        joined, split = join_on_sides(collection(scans), given, pairs)
        assert split.hash == given.hash
        assert split.left_out == given.left_out
        assert len({one.patient for one in joined.scans}) == 32
        for fold in make_folds(split, 4, seed):
            on = {one.sha256: side for side in SIDES for one in getattr(fold, side)}
            assert all(on[pair.first.sha256] == on[pair.second.sha256] for pair in pairs)

    def test_what_a_split_does_not_name_joins_nobody(self) -> None:
        """A copy that is on no side, or a patient's own, changes nothing."""
        pairs = [Pair(self.scans[0], scan(77, 0), 0.9)]
        whole = collection(list(self.scans))
        assert join_on_sides(whole, self.split, pairs) == (whole, self.split)


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "brighter": lambda hu: hu + 20,
    "clipped": lambda hu: np.clip(hu, -1000, 400),
    "noisy": lambda hu: hu + np.random.default_rng(0).normal(0, 25, hu.shape),
    "mirrored": lambda hu: np.flip(hu, 0),
    "a slice less": lambda hu: hu[:, :, 1:],
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four synthetic chests."""
    folder = tmp_path_factory.mktemp("leakage") / "drawn"
    write_phantoms(folder, PhantomSettings(scans=24, size=96, masks=False), processes=1)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> ScanCache:
    """Where they are prepared."""
    return ScanCache(tmp_path_factory.mktemp("leakage-cache"), ScanSettings(shape=(96, 96, 48)))


@pytest.mark.slow
def test_different_scans_are_not_accused(drawn: Path, cache: ScanCache) -> None:
    """Among different synthetic chests, which are more alike than people are, there is no pair."""
    assert find_near_duplicates(load_collection(Source("drawn", drawn), cache).scans, cache) == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
def test_planted_copies_are_found(drawn: Path, cache: ScanCache, name: str) -> None:
    """A scan that was changed and saved again under another name is found, and nothing else is."""
    copies = []
    try:
        for path in sorted(drawn.glob("CT-*/*.nii.gz"))[::8]:
            image = nib.load(path)
            copies.append(path.with_name(f"copy-of-{path.name}"))
            hu = CHANGES[name](image.get_fdata())
            nib.save(nib.Nifti1Image(np.round(hu).astype(np.int16), image.affine), copies[-1])
        scans = load_collection(Source("drawn", drawn), cache).scans
        pairs = find_near_duplicates(scans, cache)
    finally:
        for copy in copies:
            copy.unlink()
    found = {frozenset((pair.first.path.name, pair.second.path.name)) for pair in pairs}
    assert found == {frozenset((copy.name, copy.name.removeprefix("copy-of-"))) for copy in copies}
    assert {pair.mirrored for pair in pairs} == {name == "mirrored"}


def test_the_rest_of_a_torn_patient_goes_too() -> None:
    """Where a copy shows that somebody is on two sides, none of that person's scans stays on the nearer one."""
    scans = [scan(number, number % 2, patient) for number, patient in enumerate(("p1", "p1", "p2", "p2", "p3", "p4"))]
    split = Split(train=(scans[0], scans[1], scans[4], scans[5]), validation=(), test=(scans[2], scans[3]))
    pair = Pair(scans[0], scans[2], 0.9)
    with pytest.raises(DataError, match="1 pair of near-duplicates lie on two sides"):
        part_copies(split, [pair], "here")
    left, problems = part_copies(split, [pair], "here", skip_bad=True)
    assert (left.train, left.test) == ((scans[4], scans[5]), (scans[2], scans[3]))
    assert set(left.left_out) == {scans[0], scans[1]}
    assert sorted(problem.path.name for problem in problems) == ["000.nii", "001.nii"]


def test_copies_that_contradict_are_of_one_patient() -> None:
    """Both are left out, and what is left of the two patients stays together."""
    scans = [scan(number, number % 2, patient) for number, patient in enumerate(("p1", "p2", "p1", "p2", "p3", "p4"))]
    left, notes = join_copies(collection(scans), [Pair(scans[0], scans[1], 0.9)], fixed=False, skip_bad=True)
    assert {one.path.name: one.patient for one in left.scans} == {"002.nii": "p1", "003.nii": "p1", "004.nii": "p3",
                                                                  "005.nii": "p4"}  # fmt: skip
    assert notes == ()
