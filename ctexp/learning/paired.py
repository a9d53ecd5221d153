"""Two networks on the same scans: is the second better, and is it at least not worse by a margin?

A difference of what two networks make of the same scans varies less than the two would apart. All tests here take scans
as independent: several scans of one patient make their errors too small.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

_Z = float(stats.norm.ppf(0.975))
_Z_ONE_SIDED = float(stats.norm.ppf(0.95))
_FEW = 25
"""Below so many discordant scans McNemar's chi-squared is not to be trusted, and the exact test is used."""


@dataclass(frozen=True)
class PairedTest:
    """A difference between two networks on the same scans; NaN where the scans cannot tell.

    Attributes:
        difference: of the second to the first; above 0 the second is better, whatever is compared.
        error: standard error of the difference.
        low: lower end of its 95 % interval.
        high: upper end.
        p: two-sided, of there being no difference.
        n: number of scans.
        margin_error: the standard error to hold the difference against a margin with. Where few scans or none tell the
            two apart, `error` is near 0 by chance, and a test with it would pass far too often.
    """

    difference: float
    error: float
    low: float
    high: float
    p: float
    n: int
    margin_error: float

    def non_inferior(self, margin: float) -> bool:
        """Say whether the second is, with 95 % confidence, worse by less than `margin`; see `non_inferior`."""
        return non_inferior(self.difference, self.margin_error, margin)


def non_inferior(difference: float, error: float, margin: float) -> bool:
    """Say whether the lower end of a one-sided 95 % interval lies above -margin.

    Args:
        difference: challenger less champion, of something where more is better.
        error: its standard error.
        margin: what may be lost at most, 0 or more; with 0 the challenger must be better. Same unit as the difference.

    Returns:
        False, too, where difference or error is NaN: what is not known is not passed.
    """
    if not margin >= 0:
        raise ValueError(f"margin: must be >= 0, got {margin}")
    return difference - _Z_ONE_SIDED * error > -margin


def delong_test(labels: npt.ArrayLike, first: npt.ArrayLike, second: npt.ArrayLike) -> PairedTest:
    """Compare two AUCs (DeLong, DeLong and Clarke-Pearson 1988, in the rank form of Sun and Xu 2014).

    The variance of the difference is that of the difference of each scan's placements: for an abnormal scan the share
    of normal ones that it is above, for a normal scan the share of abnormal ones that it is below.

    Near an AUC of 1 few scans make up that variance, and it is often too small or 0 (both order all scans rightly).
    `margin_error` therefore adds the variance of half a scan of each class, (1/2 / n)^2, and so does the interval
    where the variance is 0; Agresti and Min (2005) add half a scan to each cell of a paired table. By
    `benchmarks/intervals.py`, on 60 scans, non-inferiority then passes at most 6 % of the challengers that are worse
    by the margin, without it up to 17 %. Two networks that order all scans alike have no difference and no error.

    Args:
        labels: (n,) 0 normal or 1 abnormal.
        first: (n,) scores of the first network (the champion), higher means more abnormal; any monotone scale.
        second: (n,) scores of the second (the challenger) of the same scans in the same order.

    Returns:
        The difference of the AUCs; NaN with fewer than two scans of a class, or with scores that are no numbers.

    Raises:
        ValueError: not as many scores as labels.
    """
    truth = np.asarray(labels).ravel() > 0.5
    scores = [_column(truth, values) for values in (first, second)]
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if min(positives, negatives) < 2 or not np.isfinite(scores).all():
        return _unknown(truth.size)
    ranks = [stats.rankdata(values) for values in scores]
    below, above = [], []
    for values, rank in zip(scores, ranks, strict=True):
        below.append((rank[truth] - stats.rankdata(values[truth])) / negatives)
        above.append(1.0 - (rank[~truth] - stats.rankdata(values[~truth])) / positives)
    gains = below[1] - below[0]
    difference = float(gains.mean())
    variance = float(gains.var(ddof=1) / positives + (above[1] - above[0]).var(ddof=1) / negatives)
    variance = 0.0 if variance < 1e-20 else variance  # rounding of equal placements
    alike = bool((ranks[0] == ranks[1]).all())
    half_a_scan = 0.0 if alike else 0.25 / positives**2 + 0.25 / negatives**2
    error, margin_error = math.sqrt(variance), math.sqrt(variance + half_a_scan)
    reach = _Z * (error or margin_error)
    p = 2 * float(stats.norm.sf(abs(difference) / (error or margin_error))) if reach else 1.0
    low, high = max(-1.0, difference - reach), min(1.0, difference + reach)
    return PairedTest(difference, error, low, high, p, truth.size, margin_error)


def mcnemar_test(labels: npt.ArrayLike, first_called: npt.ArrayLike, second_called: npt.ArrayLike) -> PairedTest:
    """Compare two accuracies by the scans that one network gets right and the other wrong (McNemar 1947).

    With fewer than 25 such scans the test is the exact binomial one, with more it is chi-squared with Edwards' (1948)
    correction, as Dietterich (1998, section 3.1) recommends for networks trained once. The interval and `margin_error`
    are those of Agresti and Min (2005, "Simple improved confidence intervals for comparing matched proportions"):
    half a scan is added to each of the four cells, so that two networks which agree throughout are still not certain
    to agree elsewhere.

    Args:
        labels: (n,) 0 normal or 1 abnormal.
        first_called: (n,) what the first network (the champion) called each scan, 0 or 1.
        second_called: (n,) the same of the second (the challenger).

    Returns:
        The difference of the accuracies; NaN without scans.

    Raises:
        ValueError: not as many calls as labels.
    """
    truth = np.asarray(labels).ravel() > 0.5
    first, second = (_column(truth, values) > 0.5 for values in (first_called, second_called))
    n = truth.size
    if n == 0:
        return _unknown(0)
    lost = int(((first == truth) & (second != truth)).sum())
    won = int(((first != truth) & (second == truth)).sum())
    discordant = lost + won
    if discordant == 0:
        p = 1.0
    elif discordant < _FEW:
        p = float(stats.binomtest(won, discordant).pvalue)
    else:
        p = float(stats.chi2.sf(max(0, abs(won - lost) - 1) ** 2 / discordant, df=1))
    error = math.sqrt(discordant - (won - lost) ** 2 / n) / n
    margin_error = math.sqrt(discordant + 1 - (won - lost) ** 2 / (n + 2)) / (n + 2)
    centre = (won - lost) / (n + 2)
    low, high = max(-1.0, centre - _Z * margin_error), min(1.0, centre + _Z * margin_error)
    return PairedTest((won - lost) / n, error, low, high, p, n, margin_error)


def paired_loss(labels: npt.ArrayLike, first: npt.ArrayLike, second: npt.ArrayLike) -> PairedTest:
    """Compare two mean log losses by the t test of each scan's difference (Student's, paired).

    A good network loses most on few scans, and where these happen to be missing the error is too small: `margin_error`
    adds what one scan more like the most telling one would. A challenger that is surer than the champion, right or
    wrong, looks better for it as long as no scan is answered wrongly: what one more such scan would cost it beyond the
    champion, both as sure of it as they are of the middle scan, is taken off as well. By `benchmarks/promotions.py` and
    `benchmarks/intervals.py` non-inferiority then passes about 5 % of the challengers that are worse by the margin,
    whether they order scans worse or are too sure; without, up to 8 % and 23 %.

    Args:
        labels: (n,) 0 normal or 1 abnormal.
        first: (n,) logits of the first network (the champion).
        second: (n,) logits of the second (the challenger) of the same scans in the same order.

    Returns:
        By how many nats a scan the second network's loss is lower; NaN with fewer than two scans, or with logits that
        are no numbers.

    Raises:
        ValueError: not as many logits as labels.
    """
    truth = np.asarray(labels).ravel() > 0.5
    scores = [_column(truth, values) for values in (first, second)]
    n = truth.size
    if n < 2 or not np.isfinite(scores).all():
        return _unknown(n)
    losses = [np.logaddexp(0.0, values) - truth * values for values in scores]
    gains = losses[0] - losses[1]
    difference, error = float(gains.mean()), float(gains.std(ddof=1)) / math.sqrt(n)
    if_wrong = [np.logaddexp(0.0, np.abs(values)) for values in scores]
    surer = max(0.0, float(np.median(if_wrong[1] - if_wrong[0]))) / n
    # In units of the error, so that the lower end of the one-sided interval is lower by all of it.
    margin_error = math.hypot(error, float(np.abs(gains).max()) / n) + surer / _Z_ONE_SIDED
    reach = float(stats.t.ppf(0.975, n - 1)) * error
    p = float(stats.ttest_1samp(gains, 0.0).pvalue) if error > 0 else float(difference == 0)
    return PairedTest(difference, error, difference - reach, difference + reach, p, n, margin_error)


def _column(truth: npt.NDArray[np.bool_], values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    column = np.asarray(values, dtype=np.float64).ravel()
    if column.shape != truth.shape:
        raise ValueError(f"paired test: needs one score a scan, got {column.size} for {truth.size} scans")
    return column


def _unknown(n: int) -> PairedTest:
    return PairedTest(math.nan, math.nan, math.nan, math.nan, math.nan, n, math.nan)
