"""Temperature, Brier score, calibration error and reliability diagram."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.errors import WorkError
from ctexp.learning.calibration import TEMPERATURES, fit_temperature, reliability, scaled
from ctexp.learning.evaluation import Outputs
from ctexp.learning.intervals import auc, proportion
from ctexp.learning.measures import brier_score, ece


def outputs(labels: list[int], logits: list[float]) -> Outputs:
    """Outputs from lists."""
    return Outputs(np.array(labels, dtype=np.int64), np.array(logits, dtype=np.float64))


def answered(probabilities: list[float], labels: list[int]) -> Outputs:
    """Outputs from probabilities."""
    return outputs(labels, [math.log(p / (1 - p)) for p in probabilities])


def sample(n: int, rng: np.random.Generator, *, distance: float = 2.0, sureness: float = 1.0) -> Outputs:
    """Binormal scans with their true logits, times `sureness`."""
    labels = np.arange(n) % 2
    return Outputs(labels, sureness * distance * (rng.normal(size=n) + distance * (labels - 0.5)))


def softened_loss(given_outputs: Outputs, temperature: float) -> float:
    """Mean log loss against targets in which half a scan of each class was the other class."""
    labels = given_outputs.labels
    abnormal, normal = int(labels.sum()), int((1 - labels).sum())
    targets = np.where(labels == 1, 1 - 0.5 / (abnormal + 1), 0.5 / (normal + 1))
    logits = given_outputs.logits / temperature
    return float(np.mean(targets * np.logaddexp(0, -logits) + (1 - targets) * np.logaddexp(0, logits)))


answers = st.lists(st.tuples(st.integers(0, 1), st.integers(-12, 12)), min_size=1, max_size=40).map(
    lambda pairs: outputs([label for label, _ in pairs], [logit / 2 for _, logit in pairs])
)


class TestTemperature:
    """How sure a network may be."""

    @pytest.mark.parametrize(("right", "of"), [(24, 30), (30, 30), (17, 30), (90, 100)])
    def test_where_it_is_known_in_closed_form(self, right: int, of: int) -> None:
        """A network that gives every scan 2 or -2 and is right about k of n a class gets the logit of the share."""
        logits = [2.0] * right + [-2.0] * (of - right) + [-2.0] * right + [2.0] * (of - right)
        temperature = fit_temperature(outputs([1] * of + [0] * of, logits))
        target = (of + 0.5) / (of + 1)
        share = (right * target + (of - right) * (1 - target)) / of
        assert temperature == pytest.approx(2.0 / math.log(share / (1 - share)), rel=1e-9)

    @given(answers)
    def test_no_other_temperature_is_better(self, given_outputs: Outputs) -> None:
        """The loss that it minimises is higher at temperatures all over the allowed range."""
        best = fit_temperature(given_outputs)
        assert TEMPERATURES[0] <= best <= TEMPERATURES[1]
        least = softened_loss(given_outputs, best)
        for other in np.geomspace(*TEMPERATURES, 61):
            assert least <= softened_loss(given_outputs, float(other)) + 1e-9

    @pytest.mark.parametrize("sureness", [0.5, 1.0, 3.0])
    def test_many_scans_give_the_true_one(self, sureness: float, rng: np.random.Generator) -> None:
        """A network that is k times too sure has temperature k, and then its probabilities fit."""
        unsure = sample(20000, rng, sureness=sureness)
        temperature = fit_temperature(unsure)
        assert temperature == pytest.approx(sureness, rel=0.05)
        assert scaled(unsure, temperature).loss <= unsure.loss + 1e-5
        assert ece(scaled(unsure, temperature), 15) < 0.02

    @pytest.mark.parametrize("size", [0.1, 1.0, 60.0])
    @pytest.mark.parametrize("each", [1, 5, 50])
    def test_all_right_is_no_certainty(self, each: int, size: float) -> None:
        """With every scan on its right side the answers end no surer than as many right answers can show."""
        perfect = outputs([0, 1] * each, [-size, size] * each)
        temperature = fit_temperature(perfect)
        sure = float(scaled(perfect, temperature).probabilities[1])
        assert math.isfinite(temperature)
        assert sure <= (each + 0.5) / (each + 1) + 1e-9

    def test_few_scans_of_a_good_network_do_little_harm(self, rng: np.random.Generator) -> None:
        """A faultless network of AUC 0.999, scaled on 32 scans at a time, loses at most 0.06 nats on fresh ones."""
        fresh = sample(4000, rng, distance=4.5)
        ours = [scaled(fresh, fit_temperature(sample(32, rng, distance=4.5))).loss for _ in range(40)]
        assert float(np.mean(ours)) < fresh.loss + 0.06

    def test_ends_of_the_range(self) -> None:
        """A network that is always wrong is brought as near to undecided as allowed, a timid one as near to sure."""
        assert fit_temperature(outputs([0, 1], [5.0, -5.0])) == TEMPERATURES[1]
        assert fit_temperature(outputs([0, 1] * 50, [-1e-4, 1e-4] * 50)) == TEMPERATURES[0]

    @pytest.mark.filterwarnings("error")
    def test_enormous_logits(self) -> None:
        """Logits of thousands neither overflow nor fail."""
        assert fit_temperature(outputs([0, 1, 0, 1], [-4000.0, 3000.0, 2000.0, 5000.0])) == TEMPERATURES[1]

    def test_undecided_network(self) -> None:
        """Logits that are all 0 are left alone."""
        assert fit_temperature(outputs([0, 1, 1], [0.0, 0.0, 0.0])) == 1.0

    def test_one_class(self) -> None:
        """Scans of one class still say how sure the network may be: nine right and one wrong of ten."""
        share = (9 * (10.5 / 11) + 0.5 / 11) / 10
        temperature = fit_temperature(outputs([1] * 10, [3.0] * 9 + [-3.0]))
        assert temperature == pytest.approx(3.0 / math.log(share / (1 - share)))

    @pytest.mark.parametrize("logits", [[], [math.nan, 1.0], [math.inf, -1.0]])
    def test_nothing_to_fit(self, logits: list[float]) -> None:
        """No outputs, and outputs that are no numbers, are refused in one line."""
        with pytest.raises(
            WorkError, match=r"^calibration: needs scans whose outputs are all numbers, got \d outputs$"
        ):
            fit_temperature(outputs([0, 1][: len(logits)], logits))

    @given(answers, st.floats(*TEMPERATURES))
    def test_scaling_keeps_order_and_decisions(self, given_outputs: Outputs, temperature: float) -> None:
        """Any temperature leaves the AUC with its interval, the decisions at 0.5 and the given outputs as they are."""
        before = given_outputs.logits.copy()
        after = scaled(given_outputs, temperature)
        assert str(auc(after.labels, after.logits)) == str(auc(given_outputs.labels, before))
        assert ((after.probabilities >= 0.5) == (given_outputs.probabilities >= 0.5)).all()
        assert (given_outputs.logits == before).all()
        assert scaled(given_outputs, 1.0).logits.tolist() == before.tolist()


class TestBrier:
    """Mean squared error of probabilities."""

    def test_by_hand(self) -> None:
        """(0.1^2 + 0.2^2 + 0.6^2 + 0.5^2) / 4."""
        assert brier_score(answered([0.1, 0.8, 0.4, 0.5], [0, 1, 1, 0])).value == pytest.approx(0.165)

    @given(answers)
    def test_against_sklearn(self, given_outputs: Outputs) -> None:
        """Another implementation gives the same."""
        metrics = pytest.importorskip("sklearn.metrics")
        theirs = metrics.brier_score_loss(given_outputs.labels, given_outputs.probabilities, labels=[0, 1])
        assert brier_score(given_outputs).value == pytest.approx(theirs, abs=1e-12)

    def test_no_scans(self) -> None:
        """Nothing has no score."""
        assert math.isnan(brier_score(outputs([], [])).value)


class TestReliability:
    """Points of the diagram and their mean distance from the diagonal."""

    def test_by_hand(self) -> None:
        """Two bins of three: means 0.2 and 0.8, a third and all of them abnormal."""
        given_outputs = answered([0.9, 0.1, 0.2, 0.7, 0.3, 0.8], [1, 0, 1, 1, 0, 1])
        low, high = reliability(given_outputs, bins=2)
        assert (low.probability, high.probability) == (pytest.approx(0.2), pytest.approx(0.8))
        assert (low.abnormal, high.abnormal) == (proportion(1, 3), proportion(3, 3))
        assert ece(given_outputs, bins=2) == pytest.approx((3 * (1 / 3 - 0.2) + 3 * (1 - 0.8)) / 6)

    @given(st.integers(1, 20), st.integers(2, 12), st.integers(0, 99))
    def test_against_sklearn(self, each: int, bins: int, seed: int) -> None:
        """Where the bins can be filled equally, scikit-learn's curve of such bins has the same points."""
        calibration = pytest.importorskip("sklearn.calibration")
        given_outputs = sample(each * bins, np.random.default_rng(seed))
        shares, means = calibration.calibration_curve(
            given_outputs.labels, given_outputs.probabilities, n_bins=bins, strategy="quantile"
        )
        points = reliability(given_outputs, bins)
        assert [point.abnormal.value for point in points] == pytest.approx(shares.tolist())
        assert [point.probability for point in points] == pytest.approx(means.tolist())

    @given(answers, st.integers(1, 20))
    def test_bins_hold_every_scan_once(self, given_outputs: Outputs, bins: int) -> None:
        """Points rise, scans add up, equal answers share a bin, and the error is the points' mean distance."""
        points = reliability(given_outputs, bins)
        assert 1 <= len(points) <= bins
        assert sum(point.abnormal.n for point in points) == len(given_outputs.labels)
        assert (np.diff([point.probability for point in points]) > 0).all()
        assert len(points) <= len(np.unique(given_outputs.logits))
        distances = [point.abnormal.n * abs(point.abnormal.value - point.probability) for point in points]
        assert ece(given_outputs, bins) == pytest.approx(sum(distances) / len(given_outputs.labels))

    @given(st.integers(20, 200), st.integers(2, 10), st.integers(0, 99))
    def test_bins_are_equally_full(self, n: int, bins: int, seed: int) -> None:
        """Without equal answers the bins differ by one scan at most."""
        counts = [point.abnormal.n for point in reliability(sample(n, np.random.default_rng(seed)), bins)]
        assert len(counts) == bins
        assert max(counts) - min(counts) <= 1

    def test_order_of_scans_does_not_matter(self, rng: np.random.Generator) -> None:
        """The diagram is that of the scans, in whatever order they come, equal answers included."""
        given_outputs = outputs(rng.integers(0, 2, 60).tolist(), rng.integers(-3, 4, 60).tolist())
        order = rng.permutation(60)
        shuffled = Outputs(given_outputs.labels[order], given_outputs.logits[order])
        ours, theirs = reliability(given_outputs, 7), reliability(shuffled, 7)
        assert [point.abnormal for point in ours] == [point.abnormal for point in theirs]
        assert [one.probability for one in ours] == pytest.approx([one.probability for one in theirs])

    def test_extremes(self) -> None:
        """Sure and right is 0, sure and wrong is 1."""
        assert ece(outputs([0, 1] * 20, [-800.0, 800.0] * 20), 15) == 0.0
        assert ece(outputs([0, 1] * 20, [800.0, -800.0] * 20), 15) == 1.0

    @pytest.mark.slow
    def test_chance_as_documented(self) -> None:
        """A faultless network of AUC 0.92 has about 0.12 on 60 scans with 15 bins and 0.07 with 5."""
        rng = np.random.default_rng(3)
        faultless = [sample(60, rng) for _ in range(150)]
        assert np.mean([ece(one, 15) for one in faultless]) == pytest.approx(0.12, abs=0.01)
        assert np.mean([ece(one, 5) for one in faultless]) == pytest.approx(0.07, abs=0.01)

    def test_no_scans(self) -> None:
        """Nothing has no points and no error."""
        assert reliability(outputs([], [])) == ()
        assert math.isnan(ece(outputs([], []), 15))
