"""Confidence intervals, against published numbers and direct computation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.learning.intervals import Estimate, auc, proportion

samples = st.integers(1, 25).flatmap(
    lambda positives: st.integers(1, 25).flatmap(
        lambda negatives: st.tuples(
            st.just(np.array([1] * positives + [0] * negatives)),
            st.lists(st.integers(-5, 5), min_size=positives + negatives, max_size=positives + negatives).map(np.array),
        )
    )
)


def pair_count(labels: np.ndarray, scores: np.ndarray) -> float:
    """The area as the share of pairs in the right order, counted one by one."""
    pairs = list(itertools.product(scores[labels == 1], scores[labels == 0]))
    return sum(1.0 if p > n else 0.5 if p == n else 0.0 for p, n in pairs) / len(pairs)


def delong_variance(labels: np.ndarray, scores: np.ndarray) -> float:
    """DeLong's variance by its definition, pair by pair."""
    positive, negative = scores[labels == 1], scores[labels == 0]
    kernel = np.array([[1.0 if p > n else 0.5 if p == n else 0.0 for n in negative] for p in positive])
    return float(kernel.mean(1).var(ddof=1) / len(positive) + kernel.mean(0).var(ddof=1) / len(negative))


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_against_newcombe(hits: int, n: int, low: float, high: float) -> None:
    """The worked examples of Newcombe (1998, table I, method 3) to all their digits."""
    estimate = proportion(hits, n)
    assert (estimate.value, estimate.n) == (hits / n, n)
    assert (round(estimate.low, 4), round(estimate.high, 4)) == (low, high)


@given(st.integers(1, 500), st.data())
def test_proportion_interval_holds_the_value(n: int, data: st.DataObject) -> None:
    """The interval lies in 0..1, holds the value, is never of zero width, and mirrors when hits become misses."""
    hits = data.draw(st.integers(0, n))
    estimate, mirrored = proportion(hits, n), proportion(n - hits, n)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate.high - estimate.low > 0
    assert estimate.low == pytest.approx(1 - mirrored.high, abs=1e-12)


def test_nothing_to_rest_on() -> None:
    """No scans, one class alone, and outputs that are no numbers give NaN with their count, shown as undefined."""
    for estimate, n in (
        (proportion(0, 0), 0),
        (auc([1, 1, 1], [0.1, 0.2, 0.3]), 3),
        (auc([0, 0], [0.1, 0.2]), 2),
        (auc([], []), 0),
        (auc([0, 1], [0.1, math.nan]), 2),
        (auc([0, 1], [0.1, math.inf]), 2),
    ):
        assert all(map(math.isnan, (estimate.value, estimate.low, estimate.high)))
        assert estimate.n == n
        assert str(estimate) == "undefined"


def test_estimate_as_text() -> None:
    """Value, interval and number of scans are one phrase."""
    assert str(Estimate(0.5, 0.25, 0.75, 40)) == "0.500 (95 % interval 0.250 to 0.750, n=40)"


@given(samples)
def test_metrics_of_a_store_give_the_estimate_back(sample: tuple[np.ndarray, np.ndarray]) -> None:
    """Value, both ends and n are kept under names of their own, and nothing is kept of what is undefined."""
    estimate = auc(*sample)
    kept = estimate.as_metrics("val_auc")
    assert kept["val_auc_n"] == len(sample[0])
    assert Estimate.from_metrics(kept, "val_auc") == estimate
    assert Estimate.from_metrics(kept, "val") is None
    alone = Estimate.from_metrics({"val_auc": 0.9}, "val_auc")  # an older run's, or another program's
    assert alone is not None
    assert (alone.value, alone.n) == (0.9, 0)
    assert math.isnan(alone.low)
    assert math.isnan(alone.high)
    assert auc([1, 1], [0.1, 0.2]).as_metrics("val_auc") == {}
    assert Estimate(0.5, math.nan, math.nan, 1).as_metrics("x") == {"x": 0.5, "x_n": 1.0}


@given(samples)
def test_area_is_the_pair_count(sample: tuple[np.ndarray, np.ndarray]) -> None:
    """Ties count half, as in the direct count of all pairs."""
    labels, scores = sample
    assert auc(labels, scores).value == pytest.approx(pair_count(labels, scores), abs=1e-12)


@pytest.mark.slow
def test_area_is_that_of_sklearn(rng: np.random.Generator) -> None:
    """Another implementation gives the same area on scores with and without ties."""
    metrics = pytest.importorskip("sklearn.metrics")
    for scores in (rng.normal(size=200), rng.integers(0, 6, 200)):
        labels = rng.integers(0, 2, 200)
        assert auc(labels, scores).value == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-12)


@given(samples)
def test_interval_is_delongs_on_the_logit_scale(sample: tuple[np.ndarray, np.ndarray]) -> None:
    """Its half width in logits is 1.96 times DeLong's standard deviation over A(1-A), from a direct computation."""
    labels, scores = sample
    estimate = auc(labels, scores)
    area = estimate.value
    if min(labels.sum(), (1 - labels).sum()) < 2 or not 0 < area < 1:
        return
    variance = delong_variance(labels, scores)
    if variance < 1e-12:
        return
    half = 1.959964 * math.sqrt(variance) / (area * (1 - area))
    centre = math.log(area / (1 - area))
    assert estimate.low == pytest.approx(1 / (1 + math.exp(-(centre - half))), abs=1e-6)
    assert estimate.high == pytest.approx(1 / (1 + math.exp(-(centre + half))), abs=1e-6)


@given(samples)
def test_interval_holds_the_area_and_has_width(sample: tuple[np.ndarray, np.ndarray]) -> None:
    """Also where every pair is ordered rightly, wrongly or not at all, the interval is in 0..1 and not a point."""
    labels, scores = sample
    for values in (scores, labels, -labels, np.zeros(len(labels))):
        estimate = auc(labels, values)
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
        assert estimate.high - estimate.low > 0.01
        assert estimate.n == len(labels)


@given(samples)
def test_area_knows_order_alone(sample: tuple[np.ndarray, np.ndarray]) -> None:
    """A monotone change of the scores and another order of the scans change nothing; reversed scores mirror it."""
    labels, scores = sample
    estimate = auc(labels, scores)
    assert auc(labels, np.arctan(scores / 3.0) * 1e-3 + 7) == estimate
    again, mirrored = auc(labels[::-1], scores[::-1]), auc(labels, -scores)
    assert (again.low, again.high) == pytest.approx((estimate.low, estimate.high), abs=1e-9)
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - estimate.high, 1 - estimate.low), abs=1e-6)


@pytest.mark.parametrize("each", [5, 20, 100])
def test_certain_intervals_narrow_with_more_scans(each: int) -> None:
    """A perfect order of few scans is little evidence: the lower end rises with their number."""
    labels = [0] * each + [1] * each
    perfect, twice = auc(labels, labels), auc(labels * 2, labels * 2)
    assert perfect.high == 1.0
    assert 0.4 < perfect.low < twice.low < 1.0


def newcombes_variance(area: float, normal: int, abnormal: int) -> float:
    """Variance of an area (Newcombe 2006, method 5), as he writes it."""
    count = (normal + abnormal) / 2
    factor = 1 + (count - 1) * (1 - area) / (2 - area) + (count - 1) * area / (1 + area)
    return area * (1 - area) * factor / (normal * abnormal)


@pytest.mark.parametrize(("normal", "abnormal"), [(16, 16), (5, 20), (40, 3)])
def test_perfect_order_has_newcombes_interval(normal: int, abnormal: int) -> None:
    """Where DeLong's variance is zero the end solves Newcombe's equation (2006, method 5), as he writes it."""
    labels = [0] * normal + [1] * abnormal
    end = auc(labels, labels).low
    assert (1 - end) ** 2 == pytest.approx(1.959964**2 * newcombes_variance(end, normal, abnormal), rel=1e-5)
    reversed_end = auc(labels, [-label for label in labels]).high
    assert reversed_end == pytest.approx(1 - end, abs=1e-9)


@pytest.mark.parametrize("labels", [[0, 0, 0, 1], [0, 1, 1, 1]])
def test_one_scan_of_a_class_has_newcombes_interval(labels: list[int]) -> None:
    """DeLong's variance needs two scans of each class; with one, both ends solve the other equation."""
    estimate = auc(labels, [1.0, 2.0, 4.0, 3.0] if sum(labels) == 1 else [2.0, 1.0, 3.0, 4.0])
    assert estimate.value == pytest.approx(2 / 3)
    for end in (estimate.low, estimate.high):
        variance = newcombes_variance(end, labels.count(0), labels.count(1))
        assert (estimate.value - end) ** 2 == pytest.approx(1.959964**2 * variance, rel=1e-5)


def test_two_scans_of_each_class_have_delongs_interval() -> None:
    """That is enough for DeLong's variance."""
    labels, scores = np.array([0, 0, 1, 1]), np.array([1.0, 3.0, 2.0, 4.0])
    estimate = auc(labels, scores)
    half = 1.959964 * math.sqrt(delong_variance(labels, scores)) / (0.75 * 0.25)
    assert estimate.value == 0.75
    assert math.log(estimate.high / (1 - estimate.high)) == pytest.approx(math.log(3) + half, abs=1e-5)


@pytest.mark.slow
def test_coverage() -> None:
    """Of 300 samples of 60 scans about 95 of 100 intervals hold the true area (binormal, 0.80)."""
    rng = np.random.default_rng(11)
    distance = math.sqrt(2) * 0.8416212
    labels = np.array([0, 1] * 30)
    hit = 0
    for _ in range(300):
        estimate = auc(labels, rng.normal(size=60) + distance * labels)
        hit += estimate.low <= 0.8 <= estimate.high
    assert 0.90 <= hit / 300 <= 0.99
