"""Two networks on the same scans: published examples, independent computations, bootstrap and simulation."""

import itertools
import math
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ctexp.learning.intervals import auc
from ctexp.learning.paired import PairedTest, delong_test, mcnemar_test, non_inferior, paired_loss

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

scores = st.integers(-4, 4)
samples = st.tuples(st.integers(2, 20), st.integers(2, 20)).flatmap(
    lambda sizes: st.tuples(
        st.just(np.array([1] * sizes[0] + [0] * sizes[1])),
        st.lists(scores, min_size=sum(sizes), max_size=sum(sizes)).map(np.array),
        st.lists(scores, min_size=sum(sizes), max_size=sum(sizes)).map(np.array),
    )
)


def draw(
    labels: np.ndarray, rng: np.random.Generator, *, distances: tuple[float, float] = (1.5, 1.5), shared: float = 0.7
) -> np.ndarray:
    """(2, n) binormal scores of two networks."""
    n = len(labels)
    noise = math.sqrt(shared) * rng.normal(size=n) + math.sqrt(1 - shared) * rng.normal(size=(2, n))
    return noise + np.outer(distances, labels)


def undefined(test: PairedTest, n: int) -> bool:
    """Whether the test says nothing, about n scans."""
    numbers = (test.difference, test.error, test.low, test.high, test.p, test.margin_error)
    return all(map(math.isnan, numbers)) and test.n == n


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


def calls(both: int, lost: int, won: int, neither: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels and two networks' calls with so many scans that both, only the first, only the second, none got right."""
    n = both + lost + won + neither
    labels = np.arange(n) % 2
    first = np.array([1] * (both + lost) + [0] * (won + neither))
    second = np.array([1] * both + [0] * lost + [1] * won + [0] * neither)
    return labels, np.where(first, labels, 1 - labels), np.where(second, labels, 1 - labels)


tables = st.tuples(*[st.integers(0, 40)] * 4).filter(lambda counts: sum(counts) > 0)


class TestMcnemar:
    """The difference of two accuracies."""

    def test_against_a_published_example(self) -> None:
        """Agresti's approval ratings, 150 against 86: R prints chi-squared 16.818 and p 4.115e-05."""
        test = mcnemar_test(*calls(794, 150, 86, 570))
        assert test.p == pytest.approx(4.115e-05, abs=5e-9)
        assert test.difference == pytest.approx((86 - 150) / 1600)
        assert test.p == pytest.approx(float(stats.chi2.sf(16.818, 1)), rel=1e-3)

    def test_agrestis_interval(self) -> None:
        """The Wald interval of the same ratings in his textbook is 0.040 +- 1.96 * 0.0095; ours is hardly another."""
        test = mcnemar_test(*calls(794, 150, 86, 570))
        assert test.error == pytest.approx(0.0095, abs=5e-5)
        assert (test.low, test.high) == (pytest.approx(-0.0587, abs=2e-4), pytest.approx(-0.0213, abs=2e-4))

    @given(tables)
    def test_few_discordant_scans_are_counted_exactly(self, counts: tuple[int, int, int, int]) -> None:
        """Below 25 p is the chance that a fair coin falls as unevenly; from 25 it is the corrected chi-squared."""
        _, lost, won, _ = counts
        p = mcnemar_test(*calls(*counts)).p
        if lost + won < 25:
            fair = [math.comb(lost + won, heads) / 2 ** (lost + won) for heads in range(lost + won + 1)]
            distance = abs(won - lost)
            expected = sum(share for heads, share in enumerate(fair) if abs(2 * heads - lost - won) >= distance)
        else:
            expected = math.erfc(math.sqrt(max(0, abs(won - lost) - 1) ** 2 / (lost + won) / 2))
        assert p == pytest.approx(expected, abs=1e-12)

    @given(tables)
    def test_difference_and_errors(self, counts: tuple[int, int, int, int]) -> None:
        """Error is the sample's, interval and margin error are those of half a scan more in each cell; never 0 wide."""
        test = mcnemar_test(*calls(*counts))
        gains = np.repeat([0, -1, 1, 0], counts)
        more = np.array(counts) + 0.5
        mean = float(more @ [0, -1, 1, 0]) / more.sum()
        spread = math.sqrt((float(more @ [0, 1, 1, 0]) / more.sum() - mean**2) / more.sum())
        assert (test.difference, test.error) == (
            pytest.approx(gains.mean()),
            pytest.approx(gains.std() / math.sqrt(len(gains))),
        )
        assert test.margin_error == pytest.approx(spread)
        assert test.low == pytest.approx(max(-1, mean - 1.959964 * spread), abs=1e-6)
        assert test.high == pytest.approx(min(1, mean + 1.959964 * spread), abs=1e-6)
        assert test.low < test.high

    def test_agreement_throughout(self) -> None:
        """Two networks that call all scans alike do not differ, and a few scans do not prove that they never will."""
        test = mcnemar_test(*calls(20, 0, 0, 3))
        assert (test.difference, test.error, test.p) == (0.0, 0.0, 1.0)
        assert not test.non_inferior(0.02)
        assert mcnemar_test(*calls(400, 0, 0, 30)).non_inferior(0.02)

    def test_no_scans(self) -> None:
        """Nothing has no accuracy."""
        assert undefined(mcnemar_test([], [], []), 0)


class TestLoss:
    """The difference of two log losses."""

    def test_by_hand(self) -> None:
        """Scans whose loss falls by ln 2 - ln 4/3 and rises by as much: no difference, error of two scans."""
        undecided, sure = 0.0, math.log(3)
        test = paired_loss([1, 1], [undecided, sure], [sure, undecided])
        assert test.difference == pytest.approx(0.0)
        assert test.error == pytest.approx(math.log(1.5))

    @given(samples)
    def test_against_scipy(self, sample: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
        """Mean, interval and p are those of the paired t test on the losses; above 0 the second loses less."""
        labels, first, second = sample
        losses = [-np.log(np.where(labels == 1, p, 1 - p)) for p in (1 / (1 + np.exp(-one)) for one in (first, second))]
        test = paired_loss(labels, first, second)
        assert test.difference == pytest.approx(losses[0].mean() - losses[1].mean(), abs=1e-12)
        if test.error < 1e-9:
            return
        theirs = stats.ttest_rel(*losses)
        interval = theirs.confidence_interval(0.95)
        assert test.p == pytest.approx(theirs.pvalue, abs=1e-9)
        assert (test.low, test.high) == (pytest.approx(interval.low), pytest.approx(interval.high))
        telling = math.hypot(test.error, np.abs(losses[0] - losses[1]).max() / test.n)
        if_wrong = [np.log1p(np.exp(np.abs(np.asarray(one, dtype=float)))) for one in (first, second)]
        surer = max(0.0, float(np.median(if_wrong[1] - if_wrong[0]))) / test.n
        assert test.margin_error == pytest.approx(telling + surer / stats.norm.ppf(0.95))

    @pytest.mark.filterwarnings("error")
    def test_no_variance(self) -> None:
        """The same outputs do not differ; outputs that are better by the same on every scan do."""
        same = paired_loss([0, 1, 1], [1.0, 2.0, -3.0], [1.0, 2.0, -3.0])
        assert (same.difference, same.error, same.p, same.margin_error) == (0.0, 0.0, 1.0, 0.0)
        assert same.non_inferior(1e-6)
        better = paired_loss([1, 1, 1], [0.0, 0.0, 0.0], [2.0, 2.0, 2.0])
        assert better.p < 1e-9
        assert better.low > 0

    @pytest.mark.parametrize(("labels", "first"), [([], []), ([1], [0.5]), ([0, 1], [math.inf, 1.0])])
    def test_nothing_to_rest_on(self, labels: list[int], first: list[float]) -> None:
        """One scan has no error, and outputs that are no numbers no loss."""
        assert undefined(paired_loss(labels, first, [0.5] * len(labels)), len(labels))


class TestNonInferior:
    """Not worse by a margin."""

    @pytest.mark.parametrize(
        ("difference", "error", "margin", "passes"),
        [
            (0.0, 0.03, 0.05, True),  # lower end -0.0493
            (0.0, 0.031, 0.05, False),  # lower end -0.0510
            (-0.02, 0.01, 0.04, True),
            (-0.05, 0.0, 0.05, False),
            (0.1, 0.05, 0.0, True),
            (0.0, 0.0, 0.0, False),
            (math.nan, 0.01, 0.5, False),
            (0.0, math.nan, 0.5, False),
        ],
    )
    def test_by_hand(self, difference: float, error: float, margin: float, passes: bool) -> None:
        """The lower end, 1.645 errors below the difference, must lie above -margin; what is unknown does not pass."""
        assert non_inferior(difference, error, margin) is passes

    @pytest.mark.parametrize("margin", [-0.01, math.nan])
    def test_margins_that_cannot_be(self, margin: float) -> None:
        """A margin below 0 is no margin."""
        with pytest.raises(ValueError, match="margin: must be >= 0"):
            non_inferior(0.0, 0.1, margin)

    def test_it_uses_the_margin_error(self) -> None:
        """A test that few scans decide is held against the margin with the error that says so."""
        test = PairedTest(0.0, 0.0, -0.1, 0.1, 1.0, 40, margin_error=0.04)
        assert not test.non_inferior(0.05)
        assert test.non_inferior(0.07)

    @pytest.mark.slow
    def test_a_challenger_that_loses_more_rarely_passes(self) -> None:
        """Of 300 challengers whose loss is 0.05 nats higher (0.127 to 0.177), on 60 scans each, about 5 % pass."""
        rng = np.random.default_rng(6)
        labels = np.arange(60) % 2
        champion, challenger = 3.29, 2.928  # distances of the classes, with AUC 0.99 and 0.98
        ours, theirs = (
            float(np.mean(np.logaddexp(0, -d * (rng.normal(size=400_000) + d / 2)))) for d in (champion, challenger)
        )
        assert theirs - ours == pytest.approx(0.05, abs=0.002)
        passed = 0
        for _ in range(300):
            first, second = draw(labels, rng, distances=(champion, challenger))
            logits = (champion * (first - champion / 2), challenger * (second - challenger / 2))
            passed += paired_loss(labels, *logits).non_inferior(0.05)
        assert passed <= 0.085 * 300

    @pytest.mark.parametrize(("scans", "distance", "factor"), [(32, 3.29, 2.23), (60, 2.326, 1.82)])
    def test_a_challenger_that_is_too_sure_rarely_passes(self, scans: int, distance: float, factor: float) -> None:
        """Of 300 challengers of the same order, so much too sure that they lose 0.05 nats more, about 5 % pass.

        Where few scans are answered wrongly a sample often holds none that shows it; 23 % and 9 % passed by that.
        """
        rng = np.random.default_rng(8)
        labels = np.arange(scans) % 2
        true = distance * (rng.normal(size=400_000) + distance / 2)
        lost = float(np.mean(np.logaddexp(0, -factor * true) - np.logaddexp(0, -true)))
        assert lost == pytest.approx(0.05, abs=0.006)
        passed = 0
        for _ in range(300):
            first, second = draw(labels, rng, distances=(distance, distance))
            logits = [distance * (one - distance / 2) for one in (first, second)]
            passed += paired_loss(labels, logits[0], factor * logits[1]).non_inferior(0.05)
        assert passed <= 0.085 * 300

    @pytest.mark.slow
    @pytest.mark.parametrize(("area", "margin"), [(0.9, 0.05), (0.97, 0.05), (0.99, 0.02)])
    def test_a_worse_challenger_rarely_passes(self, area: float, margin: float) -> None:
        """Of 300 challengers that are worse by the margin, on 60 scans each, about 5 % pass, also near an AUC of 1."""
        rng = np.random.default_rng(4)
        labels = np.arange(60) % 2
        distances = tuple(math.sqrt(2) * float(stats.norm.ppf(one)) for one in (area, area - margin))
        passed = [delong_test(labels, *draw(labels, rng, distances=distances)) for _ in range(300)]  # type: ignore[arg-type]
        assert sum(test.non_inferior(margin) for test in passed) <= 0.085 * 300
