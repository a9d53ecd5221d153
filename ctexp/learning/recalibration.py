"""Batch normalisation's running statistics, measured afresh.

While the weights move fast, the running mean and variance describe networks of some steps ago, and a network that
orders scans well answers all of them with the same class. Measuring them again on a few training scans, with the
weights as they now are, is "precise BatchNorm" (Wu and Johnson 2021, arXiv 2105.07576, section 3).
"""

import keras
import numpy as np

from ctexp.datasets.batches import load_inputs
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import LabelledScan


def recalibrate(
    network: keras.Model,
    cache: ScanCache,
    scans: tuple[LabelledScan, ...],
    *,
    count: int,
    batch_size: int,
    seed: int,
) -> None:
    """Replace the running statistics by the plain mean of those of some batches; no weight that learns is touched.

    Args:
        network: with batch normalisation, or without: then nothing happens.
        cache: the prepared scans.
        scans: training scans to choose from.
        count: how many to choose, fewer than a batch or not at all without effect.
        batch_size: scans a batch.
        seed: of the choice.
    """
    normalisations = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    if not normalisations:
        return
    kept = [layer.momentum for layer in normalisations]
    order = np.random.default_rng(seed).permutation(len(scans))[:count]
    for batch in range(len(order) // batch_size):
        for layer in normalisations:
            layer.momentum = batch / (batch + 1)  # share of the mean so far: 0, 1/2, 2/3, ...
        chosen = order[batch * batch_size : (batch + 1) * batch_size]
        network(load_inputs(cache, [scans[number] for number in chosen]), training=True)
    for layer, momentum in zip(normalisations, kept, strict=True):
        layer.momentum = momentum
