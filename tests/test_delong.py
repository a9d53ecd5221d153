"""The AUCs of two networks on the same scans: published examples, independent computations and simulation."""

import itertools
import math
from dataclasses import astuple

import numpy as np
import pytest
from helpers.two_networks import draw, samples, undefined
from hypothesis import given
from scipy import stats

from ctexp.learning.intervals import auc
from ctexp.learning.paired import delong_test, mcnemar_test, paired_loss

# Albumin, total protein, K-G score, and whether surgery helped: 43 patients with complete records of the example of
# DeLong, DeLong and Clarke-Pearson (1988), as SAS prints them with its results (PROC LOGISTIC, "Comparing ROC Curves").
_TABLE = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1
3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0
2.3 4.4 6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1
3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0
3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1  2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1
3.3 5.7 6 1  3.7 6.9 5 1  3.6 6.6 5 1
"""
OVARIAN = np.array(_TABLE.split(), dtype=np.float64).reshape(-1, 4)


def delong_by_definition(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """The difference and its variance from all pairs and from the 2x2 covariances S10 and S01 of the paper."""
    kernels = []
    for values in (first, second):
        pairs = itertools.product(values[labels == 1], values[labels == 0])
        kernel = [1.0 if p > n else 0.5 if p == n else 0.0 for p, n in pairs]
        kernels.append(np.array(kernel).reshape(int(labels.sum()), -1))
    s10 = np.cov([kernel.mean(axis=1) for kernel in kernels])
    s01 = np.cov([kernel.mean(axis=0) for kernel in kernels])
    covariance = s10 / kernels[0].shape[0] + s01 / kernels[0].shape[1]
    contrast = np.array([-1.0, 1.0])
    return kernels[1].mean() - kernels[0].mean(), float(contrast @ covariance @ contrast)


class TestDelong:
    """The difference of two AUCs."""

    @pytest.mark.parametrize(
        ("column", "difference", "error", "low", "high", "chi_squared", "p"),
        [
            (0, 0.0108, 0.0953, -0.1761, 0.1976, 0.0127, 0.9102),
            (1, -0.0780, 0.1046, -0.2830, 0.1271, 0.5554, 0.4561),
        ],
        ids=["albumin", "total protein"],
    )
    def test_against_the_papers_example(
        self, column: int, difference: float, error: float, low: float, high: float, chi_squared: float, p: float
    ) -> None:
        """Albumin and total protein against the K-G score, to all digits that SAS prints."""
        test = delong_test(OVARIAN[:, 3], 10 - OVARIAN[:, 2], OVARIAN[:, column])
        found = (test.difference, test.error, test.low, test.high, (test.difference / test.error) ** 2, test.p)
        assert tuple(round(value, 4) for value in found) == (difference, error, low, high, chi_squared, p)
        assert test.n == 43

    @given(samples)
    def test_against_the_definition(self, sample: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
        """Difference and error are those of a direct computation over all pairs, with ties."""
        test = delong_test(*sample)
        difference, variance = delong_by_definition(*sample)
        assert test.difference == pytest.approx(difference, abs=1e-12)
        assert test.error == pytest.approx(math.sqrt(max(0.0, variance)), abs=1e-7)
        assert test.difference == pytest.approx(
            auc(sample[0], sample[2]).value - auc(sample[0], sample[1]).value, abs=1e-12
        )

    @given(samples)
    def test_two_sides(self, sample: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
        """Exchanging the networks mirrors the test; monotone changes of the scores change nothing."""
        labels, first, second = sample
        test, mirrored = delong_test(labels, first, second), delong_test(labels, second, first)
        expected = (-test.difference, test.error, -test.high, -test.low, test.p, test.n, test.margin_error)
        assert astuple(mirrored) == pytest.approx(expected, abs=1e-9)
        assert delong_test(labels, np.exp(first / 3.0), second * 5.0 - 1) == test

    @given(samples)
    def test_numbers_are_in_their_ranges(self, sample: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
        """The interval holds the difference, and only networks that order all scans alike have one of no width."""
        labels, first, second = sample
        for one, other in ((first, second), (labels, second), (labels, -labels), (labels, labels * 2.0)):
            test = delong_test(labels, one, other)
            assert -1 <= test.low <= test.difference <= test.high <= 1
            assert 0 <= test.p <= 1
            assert 0 <= test.error <= test.margin_error
            alike = bool((stats.rankdata(one) == stats.rankdata(other)).all())
            assert (test.high == test.low) == alike
            assert (test.margin_error == 0) == alike

    @pytest.mark.slow
    def test_bootstrap_agrees(self, rng: np.random.Generator) -> None:
        """Drawing scans of each class again, with either network's score, spreads the difference as the error says."""
        labels = np.array([0] * 60 + [1] * 50)
        first, second = draw(labels, rng, distances=(1.2, 1.8))
        test = delong_test(labels, first, second)
        differences = []
        for _ in range(1500):
            chosen = np.concatenate([rng.integers(0, 60, 60), rng.integers(60, 110, 50)])
            differences.append(delong_test(labels, first[chosen], second[chosen]).difference)
        assert np.std(differences) == pytest.approx(test.error, rel=0.08)
        assert np.quantile(differences, [0.025, 0.975]) == pytest.approx([test.low, test.high], abs=0.02)

    @pytest.mark.slow
    def test_p_is_uniform_without_a_difference(self) -> None:
        """Of 400 pairs of equally good networks about 5 % are found different at 0.05."""
        rng = np.random.default_rng(8)
        labels = np.arange(100) % 2
        found = sum(delong_test(labels, *draw(labels, rng)).p < 0.05 for _ in range(400))
        assert 0.025 <= found / 400 <= 0.08

    def test_two_perfect_networks_are_not_certainly_equal(self) -> None:
        """Both order all scans rightly, each in its own way: no difference, and an interval that narrows with scans."""
        rng = np.random.default_rng(2)
        widths = []
        for each in (5, 30, 200):
            labels = np.array([0] * each + [1] * each)
            test = delong_test(labels, *(10 * labels + rng.random((2, 2 * each))))
            assert (test.difference, test.error, test.p) == (0.0, 0.0, 1.0)
            assert test.low == -test.high < 0
            assert test.margin_error == pytest.approx(math.sqrt(0.5) / each)
            widths.append(test.high - test.low)
        assert widths == sorted(widths, reverse=True)

    def test_perfect_against_always_wrong(self) -> None:
        """A difference of 1 without variance is a difference, not an error of division."""
        labels = [0, 1] * 10
        test = delong_test(labels, [-label for label in labels], labels)
        assert (test.difference, test.high) == (1.0, 1.0)
        assert test.p < 1e-6

    def test_the_same_network_again(self, rng: np.random.Generator) -> None:
        """Another scale of the same answers is not inferior by any margin."""
        labels = np.arange(40) % 2
        first, _ = draw(labels, rng)
        test = delong_test(labels, first, first / 2.5)
        assert (test.difference, test.low, test.high, test.p) == (0.0, 0.0, 0.0, 1.0)
        assert test.non_inferior(1e-6)

    @pytest.mark.parametrize(
        ("labels", "first"),
        [([1, 1, 1], [1, 2, 3]), ([0, 1, 1], [1, 2, 3]), ([], []), ([0, 0, 1, 1], [1, 2, 3, math.nan])],
    )
    def test_nothing_to_rest_on(self, labels: list[int], first: list[float]) -> None:
        """Fewer than two scans of a class, and scores that are no numbers, tell nothing and pass nothing."""
        test = delong_test(labels, first, list(range(len(labels))))
        assert undefined(test, len(labels))
        assert not test.non_inferior(1.0)

    @pytest.mark.parametrize("compare", [delong_test, mcnemar_test, paired_loss])
    def test_one_score_a_scan(self, compare: object) -> None:
        """Scores of other scans cannot be compared."""
        with pytest.raises(ValueError, match="needs one score a scan, got 3 for 4 scans"):
            compare([0, 0, 1, 1], [1, 2, 3, 4], [1, 2, 3])  # type: ignore[operator]
