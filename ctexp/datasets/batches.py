"""Prepared scans to the arrays a training step reads: one order and one change a scan, an epoch and a seed.

Every draw is a function of (seed, epoch, scan), never of what was drawn before: threads cannot disturb it, and an
epoch after a restart is the epoch that would have been.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ctexp.config import AugmentSettings
from ctexp.datasets.augment import apply_change, draw_change
from ctexp.datasets.cache import ScanCache, restore
from ctexp.datasets.collection import LabelledScan

Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]

_ORDER, _CHANGE = 0, 1


def epoch_order(count: int, seed: int, epoch: int) -> npt.NDArray[np.intp]:
    """Give the order of `count` scans in one epoch."""
    return np.random.default_rng([seed, epoch, _ORDER]).permutation(count)


def load_inputs(cache: ScanCache, scans: Sequence[LabelledScan]) -> npt.NDArray[np.float32]:
    """Load prepared scans: (scans, rows, columns, slices, 1) float32 in 0..1."""
    return np.stack([restore(cache.load(scan.sha256)) for scan in scans])[..., None]


def labels_of(scans: Sequence[LabelledScan]) -> npt.NDArray[np.float32]:
    """Give labels as (scans, 1) float32."""
    return np.array([[scan.label] for scan in scans], dtype=np.float32)


def training_batch(
    cache: ScanCache,
    scans: Sequence[LabelledScan],
    numbers: npt.NDArray[np.intp],
    augment: AugmentSettings,
    *,
    seed: int,
    epoch: int,
) -> Batch:
    """Load and augment one batch.

    Args:
        cache: the prepared scans.
        scans: all training scans.
        numbers: which of them, by index.
        augment: ranges of the changes.
        seed: of the run.
        epoch: 1 for the first.

    Returns:
        Inputs (batch, rows, columns, slices, 1) float32 in 0..1 and labels (batch, 1) float32.
    """
    inputs = []
    for number in numbers:
        change = draw_change(augment, np.random.default_rng([seed, epoch, _CHANGE, int(number)]))
        inputs.append(apply_change(restore(cache.load(scans[number].sha256)), change, cache.settings.empty))
    return np.stack(inputs)[..., None], labels_of([scans[number] for number in numbers])
