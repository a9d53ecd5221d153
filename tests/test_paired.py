"""Two networks on the same scans: their calls, their losses, and whether one is no worse."""

import math

import numpy as np
import pytest
from helpers.two_networks import draw, samples, undefined
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ctexp.learning.paired import PairedTest, delong_test, mcnemar_test, non_inferior, paired_loss


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

    @pytest.mark.slow
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
