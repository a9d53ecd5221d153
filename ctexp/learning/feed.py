"""Cached scans to Keras: training batches made by threads while the step runs, and outputs for any scans."""

from collections.abc import Iterator, Sequence

import keras
import numpy as np
import numpy.typing as npt

from ctexp.config import AugmentSettings
from ctexp.datasets.batches import Batch, epoch_order, load_inputs, training_batch
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import LabelledScan
from ctexp.datasets.parallel import cores, ordered_map


def count_steps(scans: int, batch_size: int) -> int:
    """Count the full batches of an epoch; fewer scans than one batch are one small batch."""
    return max(1, scans // batch_size)


class TrainingFeed:
    """The batches of one epoch, in that epoch's order and with its changes.

    A random remainder of less than a batch is left out, so that every step has the same shape.
    """

    def __init__(
        self,
        cache: ScanCache,
        scans: tuple[LabelledScan, ...],
        batch_size: int,
        augment: AugmentSettings,
        *,
        seed: int,
        epoch: int,
    ) -> None:
        self._cache, self._scans, self._augment = cache, scans, augment
        self._batch_size, self._seed, self._epoch = batch_size, seed, epoch
        self._order = epoch_order(len(scans), seed, epoch)

    def __len__(self) -> int:
        return count_steps(len(self._scans), self._batch_size)

    def __iter__(self) -> Iterator[Batch]:
        return ordered_map(self._batch, range(len(self)), min(4, max(1, cores() // 2)))

    def _batch(self, step: int) -> Batch:
        numbers = self._order[step * self._batch_size : (step + 1) * self._batch_size]
        return training_batch(self._cache, self._scans, numbers, self._augment, seed=self._seed, epoch=self._epoch)


def predict_logits(
    network: keras.Model, cache: ScanCache, scans: Sequence[LabelledScan], batch_size: int
) -> npt.NDArray[np.float64]:
    """Give the network's (n,) float64 logits for scans in the given order, one batch in memory at a time."""
    outputs = []
    for start in range(0, len(scans), batch_size):
        inputs = load_inputs(cache, scans[start : start + batch_size])
        outputs.append(network.predict_on_batch(inputs))
    return np.concatenate(outputs).ravel().astype(np.float64)
