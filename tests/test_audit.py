"""The audit: planted shortcuts are found, clean scans and honest networks are not accused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from ctexp.config import ScanSettings
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import LabelledScan
from ctexp.datasets.ingest import ingest
from ctexp.experiments.evaluating.audit import audit
from ctexp.learning.intervals import auc
from ctexp.learning.shortcuts import chances, likeness_scores, tells_apart
from ctexp.scans.ablate import ablate
from ctexp.scans.prepare import prepare
from ctexp.scans.quality import Examination, Quality
from ctexp.scans.quality.features import FEATURES
from ctexp.scans.volume import Volume

SETTINGS = ScanSettings(shape=(24, 24, 16), resampling="area")
EXTENT_MM = (360.0, 360.0, 320.0)
BODY_CELL, CORNER_CELL = (12, 12, 8), (1, 1, 8)


def chest(rng: np.random.Generator, lesion_hu: float | None = None) -> Volume:
    """A body of soft tissue in air with two lungs, a spine and, if wished, a lesion at the right lung's back."""
    hu = np.full((24, 24, 16), -1000.0)
    hu[2:22, 4:20] = 40
    hu[11:13, 5:8] = 400
    for lung in (slice(4, 10), slice(14, 20)):
        hu[lung, 8:17, 3:14] = -850
    if lesion_hu is not None:
        hu[14:18, 8:12, 4:8] = lesion_hu
    hu += rng.normal(0, 15, hu.shape)
    return Volume(hu.astype(np.float32), 1.0, 0.0, np.diag([15.0, 15.0, 20.0, 1.0]))


def features(**changed: float) -> tuple[float, ...]:
    """Features of a usual scan with some changed."""
    usual = {one.name: 1.0 for one in FEATURES} | {"pixel_mm": 15.0, "slice_mm": 20.0, "height_mm": 320.0,
                                                   "field_mm": 360.0, "padding": 0.1}  # fmt: skip
    return tuple({**usual, **changed}[one.name] for one in FEATURES)


@pytest.fixture
def collection(tmp_path, rng) -> Callable[..., tuple[ScanCache, list[LabelledScan]]]:
    """A function that prepares 60 chests, half of them with a lesion, and lets a test plant something in each."""

    def make(plant=lambda prepared, label: prepared, facts=lambda label: {}) -> tuple[ScanCache, list[LabelledScan]]:
        cache = ScanCache(tmp_path / "cache", SETTINGS)
        scans = []
        for number in range(60):
            label = number % 2
            prepared = prepare(chest(rng, rng.uniform(-400, 40) if label else None), SETTINGS)
            sha256 = f"{number:064x}"
            cache.store(sha256, plant(prepared, label).astype(np.float32))
            seen = Examination(Quality(), features(**facts(label)))
            scans.append(LabelledScan(Path(f"{number}.nii"), label, "", str(number), sha256, examination=seen))
        return cache, scans

    return make


def ask_at(cell: tuple[int, int, int] | None):
    """A network that answers with the mean of the whole scan, or with what it reads round one voxel."""
    where = (slice(None),) * 3 if cell is None else tuple(slice(max(0, at - 1), at + 2) for at in cell)
    return lambda inputs: inputs[(slice(None), *where, 0)].mean(axis=(1, 2, 3)).astype(np.float64)


def run_audit(cache: ScanCache, scans: list[LabelledScan], ask) -> dict:
    """Audit, by name."""
    from ctexp.datasets.batches import load_inputs

    logits = np.concatenate([ask(load_inputs(cache, [scan])) for scan in scans])
    return {one.name: one for one in audit(ask, cache, scans, logits)}


@pytest.mark.slow
def test_network_that_reads_the_lesion_is_not_accused(collection) -> None:
    """Lungs blanked and patient removed its AUC falls to chance, and no control of the collection finds anything."""
    cache, scans = collection()
    found = run_audit(cache, scans, ask_at(None))
    whole = auc(
        [scan.label for scan in scans], [restored.mean() for restored in map(cache.load, (s.sha256 for s in scans))]
    )
    assert whole.value > 0.9
    for name in ("lungs_blanked", "border_only", "header"):
        assert not found[name].found, name
        assert found[name].estimate.low < 0.5 < found[name].estimate.high
        assert found[name].sentence == ""


@pytest.mark.slow
def test_network_that_reads_the_border_is_found(collection) -> None:
    """A mark outside the body of abnormal scans is found with the patient taken out, and with the lungs blanked."""

    def mark(prepared, label):
        prepared = prepared.copy()
        prepared[:2, :2] += 0.05 * label
        return prepared

    found = run_audit(*collection(mark), ask_at(CORNER_CELL))
    assert found["border_only"].found
    assert found["border_only"].estimate.value > 0.99
    assert "what lies round the body" in found["border_only"].sentence
    assert found["lungs_blanked"].found


@pytest.mark.slow
def test_network_that_reads_the_chest_wall_is_found_by_blanked_lungs_only(collection) -> None:
    """A mark in the body's wall is something outside the lungs, but not outside the body."""

    def mark(prepared, label):
        prepared = prepared.copy()
        prepared[5:7, 10:14] += 0.2 * label
        return np.clip(prepared, 0, 1)

    found = run_audit(*collection(mark), ask_at((5, 12, 8)))
    assert found["lungs_blanked"].found
    assert "outside the lungs" in found["lungs_blanked"].sentence
    assert not found["border_only"].found


@pytest.mark.slow
def test_padding_of_one_class_is_found_and_named(collection) -> None:
    """Abnormal scans that are padded round the field are found by such facts alone, and the fact is named."""

    def pad(prepared, label):
        prepared = np.maximum(prepared, 0.001)  # noisy air
        prepared[:1] *= 1 - label
        return prepared

    found = run_audit(*collection(pad, lambda label: {"padding": 0.21}), ask_at(None))
    assert found["header"].found
    assert found["header"].estimate.value > 0.99
    assert found["header"].sentence.startswith("The share of padding, air without noise, alone tells the classes apart")


@pytest.mark.slow
def test_pattern_that_no_threshold_sees_is_found(collection) -> None:
    """Two scanners for the normal scans, one between them for the abnormal ones: no threshold parts them."""
    turn = iter(range(1000))
    found = run_audit(
        *collection(facts=lambda label: {"slice_mm": 20.0 if label else (10.0, 40.0)[next(turn) % 2]}), ask_at(None)
    )
    assert found["header"].found
    assert 0.3 < found["header"].details["slice_mm"].value < 0.7


@pytest.mark.slow
def test_mean_density_that_does_as_well_is_said(collection) -> None:
    """A network that only measures the mean is no better than the mean."""
    found = run_audit(*collection(), ask_at(None))
    assert found["mean_hu"].found
    assert "it adds nothing here" in found["mean_hu"].sentence


@pytest.mark.slow
def test_facts_without_meaning_are_chance(rng) -> None:
    """Facts that know nothing of the label: an AUC round 0.5, and one small p among seven as often as it says."""
    areas, least = [], []
    for _ in range(120):
        labels = rng.permutation(np.repeat([0, 1], (22, 18)))
        facts = rng.normal(size=(40, 6))
        areas.append(auc(labels, likeness_scores(labels, facts)).value)
        least.append(chances(labels, facts).min())
    assert 0.46 < np.mean(areas) < 0.54
    assert 0.02 < np.mean(np.array(least) < 0.1) < 0.19


def test_fact_with_a_meaning_is_no_chance(rng) -> None:
    """The fact that tells the classes apart has the smallest p that the deals allow, those beside it do not."""
    labels = np.repeat([0, 1], 20)
    facts = rng.normal(size=(40, 4))
    facts[:, 2] += 4.0 * labels
    found = chances(labels, facts)
    assert found[2] == pytest.approx(0.001)
    assert found[[0, 1, 3]].min() > 0.05


def test_equal_facts_are_ties() -> None:
    """Where all scans have the same facts every score is the same, and everything is chance."""
    labels = np.array([0, 1] * 8 + [1])
    assert len(set(likeness_scores(labels, np.ones((17, 6))))) == 1
    assert (chances(labels, np.ones((17, 6))) == 1.0).all()


def test_blanked_lungs_leave_no_outline_of_the_lesion(rng) -> None:
    """Without the lungs a scan with a lesion is the scan without it; what is outside the body stays to the last bit."""
    for lesion in (-500.0, -100.0, 40.0):
        sick, well = (prepare(chest(np.random.default_rng(1), hu), SETTINGS) for hu in (lesion, None))
        ablated = [ablate(one, SETTINGS, EXTENT_MM) for one in (sick, well)]
        assert np.abs(sick - well).max() > 0.2
        assert np.abs(ablated[0].without_lungs - ablated[1].without_lungs).max() < 0.05
        assert (ablated[0].without_lungs[:2] == sick[:2]).all()


def test_taken_out_patient_leaves_air(rng) -> None:
    """Without the body nothing denser than air is left, and what was outside stays."""
    prepared = prepare(chest(rng), SETTINGS)
    empty = ablate(prepared, SETTINGS, EXTENT_MM).without_body
    assert prepared.max() > 0.7
    assert empty.max() < 0.1
    assert (empty[0] == prepared[0]).all()


def test_window_without_a_body_says_nothing(rng) -> None:
    """A window in which no body can be told from air gives no ablation, and the audit leaves the scan out."""
    narrow = ScanSettings(shape=(24, 24, 16), window_hu=(-200.0, 300.0))
    assert ablate(prepare(chest(rng), narrow), narrow, EXTENT_MM) is None


@pytest.mark.slow
def test_false_alarms_of_three_questions_together(rng) -> None:
    """With nothing to be found at most about 5 % of audits raise an alarm."""
    alarms = 0
    for _ in range(300):
        labels = np.repeat([0, 1], 30)
        alarms += any(tells_apart(labels, special.expit(rng.normal(size=60)), 3) for _ in range(3))
    assert alarms <= 25


def test_a_network_that_is_shown_the_lungs_alone_has_nothing_else_to_read(tmp_path, write_scan) -> None:
    """With `lungs` the two controls that ask the network are left out; the others look at whole scans."""
    settings = ScanSettings(shape=(16, 16, 16), geometry="lungs", resampling="area")
    cache = ScanCache(tmp_path / "cache", settings)
    files = [write_scan(tmp_path / f"{number}.nii.gz", number) for number in range(4)]
    scans = [
        LabelledScan(one.path, number % 2, "", str(number), one.sha256, examination=one.examination)
        for number, one in enumerate(ingest(files, cache))
    ]

    def ask(inputs: np.ndarray) -> np.ndarray:
        raise AssertionError("the network was asked")

    controls = audit(ask, cache, scans, np.zeros(4))
    assert [one.name for one in controls] == ["header", "mean_hu", "lung_hu"]
    assert controls[1].estimate.n == 4


def test_an_empty_field_says_nothing() -> None:
    """Where no body is found there is nothing to take out."""
    empty = Volume(np.full((24, 24, 16), -1000.0, np.float32), 1.0, 0.0, np.diag([15.0, 15.0, 20.0, 1.0]))
    assert ablate(prepare(empty, SETTINGS), SETTINGS, EXTENT_MM) is None


def test_a_body_without_lungs_loses_the_body_alone(rng) -> None:
    """Without lungs in view the question about them is left out; the other one is asked."""
    hu = np.full((24, 24, 16), -1000.0, np.float32)
    hu[2:22, 4:20] = 40 + rng.normal(0, 15, (20, 16, 16))
    solid = Volume(hu, 1.0, 0.0, np.diag([15.0, 15.0, 20.0, 1.0]))
    found = ablate(prepare(solid, SETTINGS), SETTINGS, EXTENT_MM)
    assert found.without_lungs is None
    assert found.without_body.max() < 0.1
