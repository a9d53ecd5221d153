"""Challenger against champion on the same scans: not worse by the margin, on scans that neither was trained on."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.config import ScanSettings
from ctexp.datasets.collection import Collection, LabelledScan
from ctexp.errors import ConfigError
from ctexp.experiments.evaluating.enough import enough
from ctexp.experiments.evaluating.judge import (
    Margins,
    compare_outputs,
    neutral_scans,
    taught_by,
    unlocked_scans,
)
from ctexp.learning.evaluation import Outputs, sure_logits
from ctexp.registry.manifest import PredictorManifest


def outputs(seed: int, n: int = 400, distance: float = 2.0, scale: float = 1.0, own: float = 0.3) -> Outputs:
    """Answers of a network of some skill; those of one `n` share most of what makes a scan hard."""
    labels = np.arange(n, dtype=np.int64) % 2
    shared = np.random.default_rng(1).normal(size=n)
    logits = distance * (2 * labels - 1) + shared + own * np.random.default_rng(seed).normal(size=n)
    return Outputs(labels, scale * logits)


def passed(champion: Outputs, challenger: Outputs, margins: Margins = Margins()) -> list[bool]:  # noqa: B008 - frozen
    """Which of AUC and log loss pass."""
    return [one.passed for one in compare_outputs(champion, challenger, margins)[0]]


def test_the_same_network_passes() -> None:
    """A network is not worse than itself, however few the scans."""
    champion = outputs(1, n=12)
    assert passed(champion, champion) == [True, True]


def test_a_worse_order_fails_by_the_auc() -> None:
    """A network that orders scans clearly worse fails, and passes with a margin as wide as the loss."""
    champion, challenger = outputs(1), outputs(2, distance=0.8)
    assert not passed(champion, challenger)[0]
    assert passed(champion, challenger, Margins(auc=0.4))[0]


def test_worse_calibration_fails_by_the_log_loss_alone() -> None:
    """The same order, four times too sure: AUC passes, log loss does not."""
    champion = outputs(1, distance=1.0)
    challenger = Outputs(champion.labels, 4 * champion.logits)
    assert passed(champion, challenger) == [True, False]


def test_few_scans_do_not_pass_what_they_cannot_tell() -> None:
    """Two networks alike in skill but not in answers: 12 scans are not enough to say so, 4,000 are."""
    assert not all(passed(outputs(1, n=12, distance=0.5, own=2.0), outputs(2, n=12, distance=0.5, own=2.0)))
    assert passed(outputs(1, n=4000), outputs(2, n=4000)) == [True, True]


def test_numbers_tell_what_was_decided() -> None:
    """A condition holds exactly where the lower end is above what is allowed, and both are on record."""
    for challenger in (outputs(2), outputs(2, distance=0.8), outputs(2, scale=5.0)):
        checks, numbers = compare_outputs(outputs(1), challenger, Margins(0.02, 0.03))
        for check, key, margin in zip(checks, ("auc", "log_loss"), (0.02, 0.03), strict=True):
            assert numbers[key]["allowed"] == -margin
            assert check.passed == (numbers[key]["at_least"] > -margin)
            assert f"{numbers[key]['at_least']:+.3f}" in check.text
    assert numbers["scans"] == 400
    assert numbers["abnormal"] == 200


@pytest.mark.parametrize("margins", [(-0.01, 0.05), (0.6, 0.05), (float("nan"), 0.05), (0.05, -1.0)])
def test_margins_that_make_no_sense_are_refused(margins: tuple[float, float]) -> None:
    """A margin below 0, above any use, or no number is an error of the options."""
    with pytest.raises(ConfigError, match=r"margin: must be"):
        Margins(*margins)


def scan(number: int, patient: int) -> LabelledScan:
    """A scan of a patient."""
    return LabelledScan(
        Path(f"{number}.nii"), number % 2, "c", f"p{patient}", hashlib.sha256(str(number).encode()).hexdigest()
    )


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.sets(st.integers(0, 29)))
def test_patients_that_were_trained_on_do_not_judge(patients: list[int], trained: set[int]) -> None:
    """No scan is left whose patient has any scan among those trained on, and no other is dropped."""
    scans = tuple(scan(number, patient) for number, patient in enumerate(patients))
    hashes = frozenset(scan(number, 0).sha256 for number in trained)
    known = {patient for number, patient in enumerate(patients) if number in trained}
    left = neutral_scans(Collection("here", scans, synthetic=False), scans, hashes)
    assert left == tuple(one for one, patient in zip(scans, patients, strict=True) if patient not in known)


def test_the_champions_locked_test_does_not_judge() -> None:
    """Scans that another seed put into the champion's locked test are left out; those of its other sides stay."""
    scans = tuple(scan(number, number) for number in range(4))
    sides = dict(zip((one.sha256 for one in scans), ("test", "validation", "test"), strict=False))
    assert unlocked_scans(scans, sides) == (scans[1], scans[3])
    assert unlocked_scans(scans, {}) == scans


def test_an_ensemble_was_taught_by_its_validation_scans_too() -> None:
    """A manifest that counts more scans than the training side has is of a cross-validation."""
    sides = {"a": "train", "b": "train", "c": "validation", "d": "test"}

    def manifest(scans: int) -> PredictorManifest:
        return PredictorManifest(ScanSettings(), {}, synthetic=False, run_id="r", trained_on={"scans": scans})

    assert taught_by(manifest(2), sides) == {"a", "b"}
    assert taught_by(manifest(3), sides) == {"a", "b", "c"}


def test_logits_of_rounded_probabilities_are_finite() -> None:
    """An answer of exactly 0 or 1 has a logit, as far out as a double can tell, and order is kept."""
    logits = sure_logits(np.array([0.0, 1e-9, 0.5, 1.0]))
    assert np.isfinite(logits).all()
    assert (np.diff(logits) > 0).all()
    assert logits[2] == 0
    assert logits[3] == pytest.approx(34.5, abs=0.1)


@pytest.mark.parametrize(
    ("left", "own", "folds", "same_split", "remedy"),
    [
        (6, 6, (False, False), True, "train on more scans"),
        (3, 6, (False, True), False, "train on more scans"),
        (6, 20, (False, False), False, "train a challenger with the seed and split of version 1"),
        (6, 20, (False, True), True, "train a challenger without --folds"),
        (6, 20, (False, True), False, "train a challenger without --folds, with the seed and split of version 1"),
        (0, 0, (True, False), True, "version 1 has folds, all but its test taught it: only --force helps"),
    ],
)
def test_only_causes_that_apply_are_named(left, own, folds, same_split, remedy) -> None:
    """Where the champion's own validation scans are too few, no other seed helps; else what leaves more is told."""
    scans = tuple(scan(number, number) for number in range(40))
    sides = {one.sha256: "validation" if number < own else "train" for number, one in enumerate(scans)}
    collection = Collection("here", scans, synthetic=False)
    passed, text = enough(scans[:left], collection, sides, "1", folds, same_split=same_split)
    assert not passed
    assert text.startswith(f"at least 10 validation scans, two a class, that neither was trained on, got {left} (")
    assert text.endswith(f"); {remedy}")


def test_ten_scans_are_enough() -> None:
    """Ten scans of both classes are; ten of which one is abnormal are not."""
    scans = tuple(scan(number, number) for number in range(40))
    collection = Collection("here", scans, synthetic=False)
    sides = {one.sha256: "validation" for one in scans}
    few = (*scans[:20:2], scans[1])
    found = [enough(some, collection, sides, "1", (False, False), same_split=True) for some in (scans[:10], few)]
    assert found[0] == (True, "10 (5 normal, 5 abnormal), which neither was trained on")
    assert not found[1][0]
