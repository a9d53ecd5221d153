"""Folds: by class, by patient, by seed, never by file order, and never touching the locked test."""

import hashlib
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.datasets.collection import LabelledScan
from ctexp.datasets.folds import make_folds, mean_and_error
from ctexp.datasets.splits import Split
from ctexp.errors import ConfigError, DataError

WORDS = ("normal", "abnormal")


def scan(number: int, label: int, patient: str | None = None) -> LabelledScan:
    """A scan that is only known by name."""
    sha256 = hashlib.sha256(str(number).encode()).hexdigest()
    return LabelledScan(Path(f"{number}.nii"), label, WORDS[label], patient or f"p{number}", sha256)


def split_of(labels: list[list[int]], test: tuple[LabelledScan, ...] = ()) -> Split:
    """A split whose train and validation sides hold patients with scans of these labels."""
    scans = [
        scan(100 * n + m, label, f"p{n}") for n, of_patient in enumerate(labels) for m, label in enumerate(of_patient)
    ]
    return Split(tuple(scans[: len(scans) // 2]), tuple(scans[len(scans) // 2 :]), test)


def hashes(scans: tuple[LabelledScan, ...]) -> list[str]:
    """Content hashes in the order of the side."""
    return [one.sha256 for one in scans]


def class_counts(folds: tuple[Split, ...]) -> np.ndarray:
    """(folds, 2) scans of each class on each validation side."""
    return np.array([[sum(one.label == label for one in fold.validation) for label in (0, 1)] for fold in folds])


one_class = st.tuples(st.integers(0, 1), st.integers(1, 6)).map(lambda pair: [pair[0]] * pair[1])
both_classes = st.lists(st.integers(0, 1), min_size=1, max_size=6)
# Twelve patients of each class are always enough for up to five folds.
pure = st.lists(one_class, max_size=40).map(lambda drawn: [*drawn, *[[0], [1]] * 12])
mixed = st.lists(both_classes, max_size=40).map(lambda drawn: [*drawn, *[[0], [1]] * 12])
numbers = st.integers(2, 5)
seeds = st.integers(0, 2**32 - 1)


@given(mixed, numbers, seeds, st.integers(1, 3))
def test_every_scan_is_validated_once_a_repeat(labels: list[list[int]], count: int, seed: int, repeats: int) -> None:
    """In each repeat every scan is on one validation side and on all other folds' train sides, sorted by content."""
    split = split_of(labels)
    everyone = sorted(hashes(split.train + split.validation))
    folds = make_folds(split, count, seed, repeats=repeats)
    assert len(folds) == count * repeats
    for repeat in range(repeats):
        of_repeat = folds[repeat * count : (repeat + 1) * count]
        assert sorted(one for fold in of_repeat for one in hashes(fold.validation)) == everyone
    for fold in folds:
        assert sorted(hashes(fold.train + fold.validation)) == everyone
        assert hashes(fold.train) == sorted(hashes(fold.train))
        assert hashes(fold.validation) == sorted(hashes(fold.validation))


@given(mixed, numbers, seeds)
def test_no_patient_is_on_two_sides(labels: list[list[int]], count: int, seed: int) -> None:
    """All scans of a patient, of one class or of both, are on one side of every fold."""
    for fold in make_folds(split_of(labels), count, seed, repeats=2):
        assert not {one.patient for one in fold.train} & {one.patient for one in fold.validation}


@given(mixed, numbers, seeds)
def test_both_classes_on_both_sides(labels: list[list[int]], count: int, seed: int) -> None:
    """Each fold trains and validates on scans of both classes."""
    for fold in make_folds(split_of(labels), count, seed):
        assert {one.label for one in fold.train} == {one.label for one in fold.validation} == {0, 1}


@given(pure, numbers, seeds)
def test_counts_differ_by_one_patient(labels: list[list[int]], count: int, seed: int) -> None:
    """Where patients have scans of one class, the folds' counts of it differ by no more than one patient has."""
    spread = np.ptp(class_counts(make_folds(split_of(labels), count, seed)), axis=0)
    for label in (0, 1):
        assert spread[label] <= max(len(one) for one in labels if one[0] == label)


@given(st.integers(5, 60), st.integers(5, 60), numbers, seeds)
def test_patients_with_one_scan_are_dealt_evenly(normal: int, abnormal: int, count: int, seed: int) -> None:
    """With one scan a patient, the folds' counts of each class and their sizes differ by at most one scan."""
    counts = class_counts(make_folds(split_of([[0]] * normal + [[1]] * abnormal), count, seed))
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert np.ptp(counts.sum(axis=1)) <= 1


@given(st.lists(both_classes, max_size=12), numbers, seeds)
def test_single_scans_even_out_patients_with_many(labels: list[list[int]], count: int, seed: int) -> None:
    """Enough patients with one scan bring the counts to within one scan, however uneven the others are."""
    counts = class_counts(make_folds(split_of([*labels, *[[0], [1]] * 60]), count, seed))
    assert (np.ptp(counts, axis=0) <= 1).all()


@given(st.randoms(use_true_random=False), seeds)
def test_order_and_names_do_not_matter(shuffled: random.Random, seed: int) -> None:
    """The same content in another order, with other files', patients' and sides' names, is dealt the same."""
    split = split_of([[0, 0], [1], [1, 0, 1], [0], [1, 1]] * 6)
    scans = [*split.train, *split.validation]
    shuffled.shuffle(scans)
    renamed = [replace(one, path=Path(f"{n}.nii"), patient=f"other {one.patient}") for n, one in enumerate(scans)]
    other = Split(tuple(renamed[:7]), tuple(renamed[7:]), ())
    ours, theirs = (make_folds(one, 3, seed, repeats=2) for one in (split, other))
    assert [one.hash for one in ours] == [one.hash for one in theirs]


class Locked:
    """A label that nobody may look at."""

    def _refuse(self, *_: object) -> NoReturn:
        raise AssertionError("a locked label was read")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __hash__ = __bool__ = __int__ = __index__ = __float__ = __str__ = __repr__ = __format__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = _refuse


def test_the_locked_test_is_handed_on_unread() -> None:
    """Its scans are the same objects in every fold, and no label of theirs, nor of what is left out, is looked at."""
    locked = tuple(replace(scan(5000 + n, 0), label=Locked()) for n in range(8))  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="locked"):
        assert locked[0].label == 0
    split = replace(split_of([[0], [1], [0, 1]] * 5, test=locked[:6]), left_out=locked[6:])
    for fold in make_folds(split, 3, 0, repeats=2):
        assert fold.test is split.test
        assert fold.left_out is split.left_out


def test_the_locked_test_decides_nothing() -> None:
    """Another locked test, or none, leaves the folds what they are."""
    split = split_of([[0], [1]] * 10)
    other = replace(split, test=tuple(scan(9000 + n, n % 2) for n in range(10)))
    for ours, theirs in zip(make_folds(split, 4, 1), make_folds(other, 4, 1), strict=True):
        assert (ours.train, ours.validation) == (theirs.train, theirs.validation)


def test_seeds_and_repeats_draw() -> None:
    """Fifty seeds and fifty repeats are as many partitions; fewer repeats are the first of more."""
    split = split_of([[0], [1]] * 15)

    def partition(folds: tuple[Split, ...]) -> frozenset[frozenset[str]]:
        return frozenset(frozenset(hashes(fold.validation)) for fold in folds)

    assert len({partition(make_folds(split, 3, seed)) for seed in range(50)}) == 50
    many = make_folds(split, 3, 7, repeats=50)
    assert len({partition(many[3 * repeat : 3 * repeat + 3]) for repeat in range(50)}) == 50
    assert make_folds(split, 3, 7, repeats=2) == many[:6]


def test_patients_of_different_sizes_meet_by_chance() -> None:
    """Which patients share a fold changes with the seed also where no two have as many scans."""
    split = split_of([[label] * size for label in (0, 1) for size in range(1, 9)])
    met = []
    for seed in range(40):
        folds = enumerate(make_folds(split, 2, seed))
        fold_of = {one.patient: number for number, fold in folds for one in fold.validation}
        met.append(fold_of["p6"] == fold_of["p7"])
    assert 5 <= sum(met) <= 35


def test_too_few_patients() -> None:
    """The class with too few patients is named, with the number of folds that they suffice for."""
    with pytest.raises(
        DataError, match=r"each of 5 needs.*only 3 patients .* abnormal ones; take at most 3 folds or add"
    ):
        make_folds(split_of([[0]] * 10 + [[1, 1, 1]] * 3), 5, 0)
    with pytest.raises(DataError, match=r"only 1 patients .* have normal ones; add patients$"):
        make_folds(split_of([[1]] * 10 + [[0, 0]]), 2, 0)


@given(st.integers(2, 5), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), seeds)
def test_it_fails_only_where_it_must(count: int, normal: int, abnormal: int, both: int, seed: int) -> None:
    """As many patients as folds with scans of each class, patients with both counted twice, are always enough."""
    split = split_of([[0]] * normal + [[1, 1]] * abnormal + [[1, 0, 0]] * both)
    if min(normal, abnormal) + both < count:
        with pytest.raises(DataError, match="both classes"):
            make_folds(split, count, seed)
    else:
        assert (class_counts(make_folds(split, count, seed)) > 0).all()


def test_no_other_partition() -> None:
    """Repeats that could only repeat a partition are refused: two patients of each class in two folds make two."""
    split = split_of([[0], [0], [1], [1]])
    assert len(make_folds(split, 2, 0, repeats=2)) == 4
    with pytest.raises(
        DataError, match=r"every repeat needs another partition, 4 patients in 2 folds gave 2 .* 2 repeats"
    ):
        make_folds(split, 2, 0, repeats=3)


@pytest.mark.parametrize(("folds", "repeats", "named"), [(1, 1, "folds"), (0, 1, "folds"), (2, 0, "repeats")])
def test_counts_must_be_sensible(folds: int, repeats: int, named: str) -> None:
    """One fold would train on nothing, and no repeat gives no folds."""
    with pytest.raises(ConfigError, match=f"^{named}: must be >= "):
        make_folds(split_of([[0], [1]] * 5), folds, 0, repeats=repeats)


class TestMeanAndError:
    """The mean over folds and its standard error."""

    def test_by_hand(self) -> None:
        """Three folds of 0.8, 0.9 and 1.0: s^2 = 0.01, (1/3 + 1/2) * 0.01 = 1/120."""
        mean, error = mean_and_error([0.8, 0.9, 1.0], folds=3)
        assert mean == pytest.approx(0.9)
        assert error == pytest.approx(math.sqrt(1 / 120))

    def test_against_scikit_learns_example(self, rng: np.random.Generator) -> None:
        """As in scikit-learn's "Statistical comparison of models": ten times ten folds, t 2.611 becomes 0.750."""
        differences = rng.normal(size=100)
        mean, error = mean_and_error(differences.tolist(), folds=10)
        naive = mean / (differences.std(ddof=1) / math.sqrt(100))
        assert round(2.611 * (mean / error) / naive, 3) == 0.750

    def test_more_repeats_do_not_make_it_certain(self) -> None:
        """Repeating the same scores leaves the share of the error that only other scans could lessen."""
        scores = [0.7, 0.8, 0.9, 0.8, 0.8]
        errors = [mean_and_error(scores * repeats, folds=5)[1] for repeats in (1, 10, 100)]
        assert errors[0] > errors[1] > errors[2] > 0.5 * float(np.std(scores))

    def test_part_of_the_folds(self) -> None:
        """The first folds alone have a mean and an error; one fold has a mean."""
        mean, error = mean_and_error([0.7, 0.9], folds=5)
        assert (mean, error) == (pytest.approx(0.8), pytest.approx(math.sqrt(0.02 * (1 / 2 + 1 / 4))))
        mean, error = mean_and_error([0.7, 0.9], folds=2)  # each is the other's training
        assert (mean, error) == (pytest.approx(0.8), pytest.approx(math.sqrt(0.02 * (1 / 2 + 1))))
        mean, error = mean_and_error([0.7], folds=5)
        assert mean == 0.7
        assert math.isnan(error)

    def test_scores_that_are_no_numbers_show(self) -> None:
        """A fold without a score makes the mean one that nobody can mistake for a number."""
        assert all(map(math.isnan, mean_and_error([0.7, math.nan, 0.8], folds=3)))

    @pytest.mark.parametrize(("scores", "folds"), [([], 3), ([0.5, 0.6], 1)])
    def test_nothing_to_rest_on(self, scores: list[float], folds: int) -> None:
        """No scores, or folds that are none, are a mistake of the caller."""
        with pytest.raises(ValueError, match="mean_and_error: needs"):
            mean_and_error(scores, folds=folds)

    def test_it_covers_what_the_naive_error_does_not(self) -> None:
        """Over 120 data sets the mean of the folds' AUCs is near the true one as often as the error says."""
        rng = np.random.default_rng(5)
        centre = np.array([0.8, 0.6, 0.4, 0.0, 0.0, 0.0])
        labels = np.arange(80) % 2
        true = 0.741  # mean over 500 draws of 64 training scans, of the same classifier
        held = {"ours": 0, "naive": 0}
        for _ in range(120):
            features = rng.normal(size=(80, 6)) + np.outer(labels, centre)
            order = np.argsort(labels, kind="stable")
            fold = np.empty(80, dtype=int)
            fold[rng.permutation(order[:40])] = fold[rng.permutation(order[40:])] = np.arange(40) % 5
            scores = []
            for number in range(5):
                seen, unseen = fold != number, fold == number
                means = [features[seen & (labels == label)].mean(axis=0) for label in (0, 1)]
                within = np.cov((features[seen] - np.array(means)[labels[seen]]).T)
                answers = features[unseen] @ np.linalg.solve(within, means[1] - means[0])
                normal, abnormal = (answers[labels[unseen] == label] for label in (0, 1))
                scores.append(float((abnormal[:, None] > normal).mean()))
            mean, error = mean_and_error(scores, folds=5)
            held["ours"] += abs(mean - true) < 1.96 * error
            held["naive"] += abs(mean - true) < 1.96 * float(np.std(scores, ddof=1)) / math.sqrt(5)
        assert held["naive"] < 0.88 * 120
        assert 0.88 * 120 < held["ours"] <= 120
