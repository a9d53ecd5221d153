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

    Log loss is in nats.

    Args:
        outputs: labels and logits, the logits calibrated if the network's answers are.
        threshold: probability from which a scan is called abnormal.
    """
    return {
        **evaluate(outputs, threshold),
        "log_loss": log_loss(outputs),
        "brier": brier_score(outputs),
        "ece": calibration_error(outputs),
    }


def log_loss(outputs: Outputs) -> Estimate:
    """Give the mean binary cross-entropy in nats with its interval (`mean_estimate`)."""
    wrong = np.logaddexp(0.0, np.abs(outputs.logits))
    return mean_estimate(outputs.losses, one_more=_middle(wrong))


def brier_score(outputs: Outputs) -> Estimate:
    """Give the mean squared error of the probabilities (Brier 1950, in the form for two classes) with its interval."""
    probabilities = outputs.probabilities
    wrong = np.maximum(probabilities, 1 - probabilities) ** 2
    return mean_estimate((probabilities - outputs.labels) ** 2, 1.0, one_more=_middle(wrong))


def bins_for(scans: int) -> int:
    """Give the bins of reliability diagram and calibration error: eight scans each, but 3 bins at least, 15 at most."""
    return min(15, max(3, scans // 8))


def ece(outputs: Outputs, bins: int) -> float:
    """Give the expected calibration error: the mean distance of the reliability diagram's points from the diagonal.

    Each bin of about equally many scans weighs by its scans (Naeini, Cooper and Hauskrecht 2015; equal mass: Nixon et
    al. 2019, arXiv 1904.01685). Chance alone keeps it above 0, the more so the fewer scans a bin has: a faultless
    network of AUC 0.92 has on average 0.12 on 60 scans with 15 bins and 0.07 with 5. Compare figures of the same scans
    and bins only.

    Args:
        outputs: of scans that neither network nor temperature was fitted to.
        bins: number of bins, at least 1.

    Returns:
        0 to 1; NaN without scans.
    """
    if not outputs.labels.size:
        return math.nan
    return float(_errors(outputs.labels[None], outputs.probabilities[None], bins)[0])


def calibration_error(outputs: Outputs) -> Estimate:
    """Give the expected calibration error with its interval.

    The value is `ece` with `bins_for(n)` bins. Chance makes it too large, in a bootstrap's resample once
    more, so neither of the usual bootstrap intervals holds the truth as often as it says. Here the lower end is the
    value less what chance alone adds in all but 2.5 % of draws, when labels are drawn with each bin's own share of
    abnormal scans (one of each class added); the higher end is the percentile bootstrap's (Efron 1981). 1,000 draws
    each. As in `mean_estimate` the higher end allows for one more scan that is answered wrongly. By
    `benchmarks/intervals.py` it holds the truth in 95 % or more, and is wider than it need be where the probabilities
    fit.
    """
    n = outputs.labels.size
    if n == 0 or not outputs.finite:
        return Estimate(math.nan, math.nan, math.nan, n)
    bins = bins_for(n)
    value = ece(outputs, bins)
    rng = np.random.default_rng(_SEED)
    chosen = rng.integers(0, n, (_DRAWS, n))
    resampled = _errors(outputs.labels[chosen], outputs.probabilities[chosen], bins)
    members = _bins(outputs.probabilities[None], bins)[0]
    counts = np.maximum(np.bincount(members, minlength=bins), 1)
    shares = ((np.bincount(members, outputs.labels, bins) + 1) / (counts + 2))[members]
    drawn = (rng.random((_DRAWS, n)) < shares).astype(np.int64)
    by_chance = _distances(drawn, np.broadcast_to(shares, drawn.shape), np.broadcast_to(members, drawn.shape), bins)
    low, high = value - float(np.quantile(by_chance, 0.975)), float(np.quantile(resampled, 0.975))
    one_more = _middle(np.maximum(outputs.probabilities, 1 - outputs.probabilities)) / n
    upwards = math.hypot(max(0.0, high - value), float(stats.norm.ppf(0.975)) * one_more)
    return Estimate(value, max(0.0, low), min(1.0, value + upwards), n)


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


def mean_estimate(values: npt.NDArray[np.float64], most: float = math.inf, *, one_more: float = 0.0) -> Estimate:
    """Give a mean with Student's interval, whose higher end allows for one scan more like the worst; cut to 0..`most`.

    Few scans make up most of the mean of a good network's losses, and where these happen to be missing Student's
    interval is too narrow, down to nothing: it then holds the truth in half the cases. The higher end's error is
    therefore that of the sample and of one scan more, which is as `paired_loss` does it. By `benchmarks/intervals.py`
    the interval holds the truth in 93 % or more. It takes scans as independent.

    Args:
        values: (n,) one a scan, 0 or more.
        most: the largest mean that is possible.
        one_more: what one scan more may add at least, though none of these is as bad; for a network, what a scan costs
            that is answered wrongly, as surely as the middle one is answered.
    """
    n = values.size
    if n < 2 or not np.isfinite(values).all():
        return Estimate(float(values[0]) if n == 1 else math.nan, math.nan, math.nan, n)
    value = float(values.mean())
    quantile, error = float(stats.t.ppf(0.975, n - 1)), float(values.std(ddof=1)) / math.sqrt(n)
    upwards = math.hypot(error, max(float(values.max()), one_more) / n)
    return Estimate(value, max(0.0, value - quantile * error), min(most, value + quantile * upwards), n)


def _middle(values: npt.NDArray[np.float64]) -> float:
    return float(np.median(values)) if values.size else math.nan


def _errors(
    labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64], bins: int
) -> npt.NDArray[np.float64]:
    """Give the calibration errors of (draws, n) labels and probabilities; binned as `calibration.reliability` bins."""
    return _distances(labels, probabilities, _bins(probabilities, bins), bins)


def _bins(probabilities: npt.NDArray[np.float64], bins: int) -> npt.NDArray[np.int64]:
    """Give the bin, 0 to bins - 1, of each of (draws, n) probabilities."""
    ranks = (2 * stats.rankdata(probabilities, axis=1) - 1).astype(np.int64)
    members: npt.NDArray[np.int64] = ranks * bins // (2 * probabilities.shape[1])
    return members


def _distances(
    labels: npt.NDArray[np.int64], expected: npt.NDArray[np.float64], members: npt.NDArray[np.int64], bins: int
) -> npt.NDArray[np.float64]:
    """Give (draws,) mean distances of the bins' labels from what was expected of them, a bin weighing by its scans."""
    draws, n = expected.shape
    numbers = members + bins * np.arange(draws)[:, None]
    sums = np.bincount(numbers.ravel(), (labels - expected).ravel(), minlength=draws * bins)
    distances: npt.NDArray[np.float64] = np.abs(sums.reshape(draws, bins)).sum(axis=1) / n
    return distances
