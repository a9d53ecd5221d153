"""Confidence intervals of proportions and of the area under the ROC curve."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval and the number of scans it rests on; NaN where there is nothing to rest on."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "undefined"
        return f"{self.value:.3f} (95 % interval {self.low:.3f} to {self.high:.3f}, n={self.n})"

    def as_metrics(self, name: str) -> dict[str, float]:
        """Give value, both ends and n as a store keeps them: under `name`, `..._low`, `..._high` and `..._n`.

        What is NaN is left out; all of it where there is no value.
        """
        if math.isnan(self.value):
            return {}
        parts = {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high, f"{name}_n": float(self.n)}
        return {key: value for key, value in parts.items() if not math.isnan(value)}

    @classmethod
    def from_metrics(cls, metrics: Mapping[str, float], name: str) -> "Estimate | None":
        """Read back what `as_metrics` gave; None where the value is missing, n 0 where nobody kept it."""
        if name not in metrics:
            return None
        low, high = (metrics.get(f"{name}{end}", math.nan) for end in ("_low", "_high"))
        return cls(metrics[name], low, high, int(metrics.get(f"{name}_n", 0)))


def proportion(hits: int, n: int, confidence: float = 0.95) -> Estimate:
    """Give hits/n with Wilson's score interval (Wilson 1927; `scipy.stats.binomtest`)."""
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    interval = stats.binomtest(hits, n).proportion_ci(confidence, method="wilson")
    return Estimate(hits / n, float(interval.low), float(interval.high), n)


def auc(labels: npt.ArrayLike, scores: npt.ArrayLike, confidence: float = 0.95) -> Estimate:
    """Give the area under the ROC curve with its interval.

    The area is the share of (normal, abnormal) pairs that the scores order rightly, ties counting half. Its variance
    is DeLong's (DeLong, DeLong and Clarke-Pearson 1988, in the rank form of Sun and Xu 2014), carried to the logit
    scale so that the interval stays within 0..1. DeLong's variance is 0 when every pair is ordered rightly, every
    one wrongly or all are tied, and unknown with one scan of a class: then the interval is Newcombe's score-like one
    (2006, method 5), which is never of zero width.

    Args:
        labels: (n,) 0 or 1.
        scores: (n,) higher means more abnormal; any monotone scale.
        confidence: of the interval.
    """
    truth = np.asarray(labels).ravel() > 0.5
    values = np.asarray(scores, dtype=np.float64).ravel()
    positives, negatives = int(truth.sum()), int((~truth).sum())
    n = positives + negatives
    if positives == 0 or negatives == 0 or not np.isfinite(values).all():
        return Estimate(math.nan, math.nan, math.nan, n)
    ranks = stats.rankdata(values)
    # For each positive the share of negatives below it, for each negative the share of positives above it.
    below = (ranks[truth] - stats.rankdata(values[truth])) / negatives
    above = 1.0 - (ranks[~truth] - stats.rankdata(values[~truth])) / positives
    area = float(below.mean())
    quantile = float(stats.norm.ppf(0.5 + confidence / 2))
    variance = 0.0
    if positives > 1 and negatives > 1:
        variance = float(below.var(ddof=1) / positives + above.var(ddof=1) / negatives)
    if variance > 0 and 0 < area < 1:
        centre = float(special.logit(area))
        reach = quantile * math.sqrt(variance) / (area * (1 - area))
        return Estimate(area, float(special.expit(centre - reach)), float(special.expit(centre + reach)), n)
    low, high = _score_interval(area, positives, negatives, quantile)
    return Estimate(area, low, high, n)


def _score_interval(area: float, positives: int, negatives: int, quantile: float) -> tuple[float, float]:
    """Solve |t - area| = z * sd(t) for t on both sides of the estimate (Newcombe 2006, method 5)."""
    middle = (positives + negatives) / 2 - 1

    def distance(t: float) -> float:
        spread = 1 + middle * (1 - t) / (2 - t) + middle * t / (1 + t)
        return abs(t - area) - quantile * math.sqrt(t * (1 - t) * spread / (positives * negatives))

    tiny = 1e-12
    low = 0.0 if area <= tiny else float(optimize.brentq(distance, tiny, area - tiny)) if area > 2 * tiny else 0.0
    high = 1.0 if area >= 1 - 2 * tiny else float(optimize.brentq(distance, area + tiny, 1 - tiny))
    return low, high
