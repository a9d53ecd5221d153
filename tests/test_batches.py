"""Prepared scans to training batches: a function of seed, epoch and scan."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.config import AugmentSettings, ScanSettings
from ctexp.datasets.batches import epoch_order, labels_of, load_inputs, training_batch
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import LabelledScan

AUGMENT = AugmentSettings(rotation_degrees=20, scale=0.1, shift=0.1, flip=True, intensity=0.1)


@pytest.fixture
def scans() -> list[LabelledScan]:
    """Six scans of both classes."""
    return [LabelledScan(Path(f"{n}.nii"), n % 2, "x", f"p{n}", f"{n:064x}") for n in range(6)]


@pytest.fixture
def cache(tmp_path: Path, scans: list[LabelledScan], rng: np.random.Generator) -> ScanCache:
    """A cache with their entries."""
    cache = ScanCache(tmp_path / "cache", ScanSettings(shape=(9, 8, 10)))
    for scan in scans:
        cache.store(scan.sha256, rng.random((9, 8, 10), dtype=np.float32))
    return cache


@given(st.integers(1, 50), st.integers(0, 2**32 - 1), st.integers(1, 1000))
def test_order_is_a_permutation_that_can_be_repeated(count: int, seed: int, epoch: int) -> None:
    """Every scan is seen once an epoch, in an order that seed and epoch alone decide."""
    order = epoch_order(count, seed, epoch)
    assert sorted(order) == list(range(count))
    np.testing.assert_array_equal(order, epoch_order(count, seed, epoch))


def test_each_epoch_and_seed_has_its_own_order() -> None:
    """Twenty epochs of two seeds are forty orders."""
    assert len({tuple(epoch_order(50, seed, epoch)) for seed in (0, 1) for epoch in range(20)}) == 40


def test_inputs_and_labels(cache: ScanCache, scans: list[LabelledScan]) -> None:
    """Scans are stacked in the order given with a channel axis, labels beside them, both float32."""
    inputs, labels = load_inputs(cache, scans), labels_of(scans)
    assert inputs.shape == (6, 9, 8, 10, 1)
    assert inputs.dtype == labels.dtype == np.float32
    assert labels.tolist() == [[0], [1], [0], [1], [0], [1]]
    np.testing.assert_array_equal(load_inputs(cache, scans[::-1]), inputs[::-1])


def test_batch_without_changes_is_what_is_kept(cache: ScanCache, scans: list[LabelledScan]) -> None:
    """With everything off a batch has the chosen scans exactly."""
    numbers = np.array([4, 1])
    inputs, labels = training_batch(cache, scans, numbers, AugmentSettings(rotation_degrees=0), seed=1, epoch=1)
    np.testing.assert_array_equal(inputs, load_inputs(cache, [scans[4], scans[1]]))
    assert labels.tolist() == [[0], [1]]
    assert inputs.dtype == labels.dtype == np.float32


def test_scan_changes_alike_in_any_batch_and_thread(cache: ScanCache, scans: list[LabelledScan]) -> None:
    """A scan's change depends on seed, epoch and scan, not on its batch, its place in it, or who asks when."""
    whole, _ = training_batch(cache, scans, np.arange(6), AUGMENT, seed=3, epoch=2)

    def one(number: int) -> np.ndarray:
        return training_batch(cache, scans, np.array([number]), AUGMENT, seed=3, epoch=2)[0][0]

    with ThreadPoolExecutor(4) as pool:
        for number, alone in zip([5, 3, 1, 0, 2, 4] * 5, pool.map(one, [5, 3, 1, 0, 2, 4] * 5), strict=True):
            np.testing.assert_array_equal(alone, whole[number])


def test_epoch_seed_and_scan_each_change_the_change(cache: ScanCache, scans: list[LabelledScan]) -> None:
    """Another epoch or seed changes the same scan otherwise, and two scans of one content are changed otherwise."""
    twins = [scans[0], scans[0]]
    pictures = [
        training_batch(cache, twins, np.array([number]), AUGMENT, seed=seed, epoch=epoch)[0].tobytes()
        for number in (0, 1)
        for seed in (0, 1)
        for epoch in (1, 2)
    ]
    assert len(set(pictures)) == 8
