"""Probabilities that mean what they say: temperature scaling, and how far from it a network is."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

from ctexp.errors import WorkError
from ctexp.learning.evaluation import Outputs
from ctexp.learning.intervals import Estimate, proportion

TEMPERATURES = (0.01, 100.0)
"""A temperature is sought between these; one at either end says that the network is past mending by it."""


@dataclass(frozen=True)
class ReliabilityPoint:
    """Scans with similar answers.

    Attributes:
        probability: mean probability of abnormal that they were given.
        abnormal: the share that is abnormal, with its interval; `n` is the number of scans.
    """

    probability: float
    abnormal: Estimate


def fit_temperature(outputs: Outputs) -> float:
    """Find the temperature T that makes the probabilities of logits / T fit the labels best.

    Temperature scaling (Guo, Pleiss, Sun and Weinberger 2017, arXiv 1706.04599, section 4.2) minimises the log loss.
    Where every scan lies on its right side of 0, as those of a good network do when they are few, that loss only falls
    while T falls to 0, and the network would end infinitely sure. So a label of a class of k scans counts as
    (k + 1/2) / (k + 1): Platt's targets (1999, "Probabilistic outputs for support vector machines", section 2.2) with
    half a scan in place of one. They make no network surer than k right answers can, and no difference with many scans;
    `benchmarks/intervals.py` holds either against fresh scans. Within the bounds `TEMPERATURES` the loss has one
    minimum, where its derivative in 1/T, which rises throughout, is 0.

    Args:
        outputs: of scans that the network was not trained on; those of one class only are allowed.

    Returns:
        T: above 1 the network was too sure, below 1 not sure enough. 1 where all logits are 0. It changes no order and
        no decision at 0.5, and does not mend a network that leans to one class.

    Raises:
        WorkError: no outputs, or one that is no number.
    """
    logits = outputs.logits
    if not logits.size or not outputs.finite:
        raise WorkError(f"calibration: needs scans whose outputs are all numbers, got {logits.size} outputs")
    if not logits.any():
        return 1.0
    targets = _softened(outputs.labels)

    def slope(log_temperature: float) -> float:
        return float(np.mean(logits * (special.expit(logits * math.exp(-log_temperature)) - targets)))

    low, high = map(math.log, TEMPERATURES)
    if slope(low) <= 0:
        return TEMPERATURES[0]
    if slope(high) >= 0:
        return TEMPERATURES[1]
    return math.exp(float(optimize.brentq(slope, low, high, xtol=1e-12)))


def scaled(outputs: Outputs, temperature: float) -> Outputs:
    """Give the outputs with logits / temperature; order, ROC curve and AUC stay what they are."""
    return Outputs(outputs.labels, outputs.logits / temperature)


def reliability(outputs: Outputs, bins: int = 10) -> tuple[ReliabilityPoint, ...]:
    """Give the points of the reliability diagram, lowest probability first.

    Bins hold about equally many scans: with bins of equal width most of a sure network's would be empty, and each of
    the rest would rest on a few scans. Scans with the same probability are in the same bin, so there may be fewer.

    Args:
        outputs: of scans that neither network nor temperature was fitted to.
        bins: number of bins, at least 1.
    """
    probabilities = outputs.probabilities
    if not probabilities.size:
        return ()
    # Middle ranks, doubled to be whole numbers: quantiles would be rounded, and an equal answer fall on either side.
    ranks = (2 * stats.rankdata(probabilities) - 1).astype(np.int64)
    numbers = ranks * bins // (2 * probabilities.size)
    return tuple(
        ReliabilityPoint(
            probability=float(probabilities[numbers == number].mean()),
            abnormal=proportion(int(outputs.labels[numbers == number].sum()), int((numbers == number).sum())),
        )
        for number in np.unique(numbers)
    )


def _softened(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Give (n,) float64 targets: (k + 1/2) / (k + 1) for a class of k scans, and 1 less that for normal ones."""
    abnormal = int(labels.sum())
    normal = labels.size - abnormal
    return np.where(labels == 1, (abnormal + 0.5) / (abnormal + 1), 0.5 / (normal + 1))
