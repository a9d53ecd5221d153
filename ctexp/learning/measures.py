"""Everything that is said of a network's answers on scans whose truth is known, each number with its 95 % interval."""

import math

import numpy as np
import numpy.typing as npt
from scipy import stats

from ctexp.learning.evaluation import Outputs, evaluate
from ctexp.learning.intervals import Estimate

_DRAWS = 1000
_SEED = 20170606


def all_estimates(outputs: Outputs, threshold: float = 0.5) -> dict[str, Estimate]:
    """Give the estimates of `evaluate`, and log loss, Brier score and calibration error, with 95 % intervals and n.

    Log loss is in nats. Its interval and the Brier score's are `mean_estimate`'s.

    Args:
        outputs: labels and logits, the logits calibrated if the network's answers are.
        threshold: probability from which a scan is called abnormal.
    """
    return {
        **evaluate(outputs, threshold),
        "log_loss": mean_estimate(outputs.losses, math.inf),
        "brier": brier_score(outputs),
        "ece": calibration_error(outputs),
    }


def brier_score(outputs: Outputs) -> Estimate:
    """Give the mean squared error of the probabilities (`calibration.brier`) with its interval (`mean_estimate`)."""
    return mean_estimate((outputs.probabilities - outputs.labels) ** 2, 1.0)


def bins_for(scans: int) -> int:
    """Give the bins of reliability diagram and calibration error: eight scans each, but 3 bins at least, 15 at most."""
    return min(15, max(3, scans // 8))


def calibration_error(outputs: Outputs) -> Estimate:
    """Give the expected calibration error with its interval.

    The value is `calibration.ece` with `bins_for(n)` bins. Its interval is the basic bootstrap's (Davison and Hinkley
    1997, "Bootstrap methods and their application", section 5.2; 1,000 draws): chance makes the error too large, in a
    resample once more, and the basic interval takes that off; it is widened to hold the value where need be.
    """
    n = outputs.labels.size
    if n == 0 or not outputs.finite:
        return Estimate(math.nan, math.nan, math.nan, n)
    bins = bins_for(n)
    value = float(_errors(outputs.labels[None], outputs.probabilities[None], bins)[0])
    chosen = np.random.default_rng(_SEED).integers(0, n, (_DRAWS, n))
    drawn = _errors(outputs.labels[chosen], outputs.probabilities[chosen], bins)
    low, high = (2 * value - float(np.quantile(drawn, share)) for share in (0.975, 0.025))
    return Estimate(value, max(0.0, min(low, value)), min(1.0, max(high, value)), n)


def calibration_error_by_chance(outputs: Outputs) -> float:
    """Give the calibration error that a network without fault would show on average with these probabilities.

    Labels are drawn with the given probabilities (1,000 draws), as Bröcker and Smith (2007, "Increasing the reliability
    of reliability diagrams") do for the diagram. NaN without scans.
    """
    probabilities = outputs.probabilities
    n = probabilities.size
    if n == 0 or not outputs.finite:
        return math.nan
    labels = (np.random.default_rng(_SEED).random((_DRAWS, n)) < probabilities).astype(np.int64)
    return float(_errors(labels, np.broadcast_to(probabilities, labels.shape), bins_for(n)).mean())


def mean_estimate(values: npt.NDArray[np.float64], most: float = math.inf) -> Estimate:
    """Give a mean with Student's interval, cut to 0..`most`.

    It takes scans as independent and, where few scans make up most of the mean, is too narrow.

    Args:
        values: (n,) one a scan, 0 or more.
        most: the largest mean that is possible.
    """
    n = values.size
    if n < 2 or not np.isfinite(values).all():
        return Estimate(float(values[0]) if n else math.nan, math.nan, math.nan, n)
    value = float(values.mean())
    reach = float(stats.t.ppf(0.975, n - 1)) * float(values.std(ddof=1)) / math.sqrt(n)
    return Estimate(value, max(0.0, value - reach), min(most, value + reach), n)


def _errors(
    labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64], bins: int
) -> npt.NDArray[np.float64]:
    """Give the calibration errors of (draws, n) labels and probabilities; binned as `calibration.reliability` bins."""
    draws, n = probabilities.shape
    ranks = (2 * stats.rankdata(probabilities, axis=1) - 1).astype(np.int64)
    numbers = ranks * bins // (2 * n) + bins * np.arange(draws)[:, None]
    sums = np.bincount(numbers.ravel(), (labels - probabilities).ravel(), minlength=draws * bins)
    errors: npt.NDArray[np.float64] = np.abs(sums.reshape(draws, bins)).sum(axis=1) / n
    return errors
