"""Measures with intervals: the library's own values, intervals that hold them, and what chance alone does."""

import numpy as np
import pytest
from scipy import special

from ctexp.learning.calibration import reliability
from ctexp.learning.evaluation import Outputs, evaluate
from ctexp.learning.measures import (
    all_estimates,
    bins_for,
    brier_score,
    calibration_error,
    calibration_error_by_chance,
    mean_estimate,
)


def outputs(rng, n: int, *, sure: float = 1.0) -> Outputs:
    """Answers of a network whose logits are `sure` times what they should be."""
    logits = rng.normal(0, 2, n)
    labels = (rng.random(n) < special.expit(logits)).astype(np.int64)
    return Outputs(labels, logits * sure)


def distance(given: Outputs) -> float:
    """Mean distance of the diagram's points from the diagonal, a point weighing by its scans."""
    points = reliability(given, bins_for(given.labels.size))
    return sum(one.abnormal.n * abs(one.abnormal.value - one.probability) for one in points) / given.labels.size


def test_values_are_those_of_the_library(rng) -> None:
    """AUC and the rates are `evaluate`'s, log loss and Brier score the means, the calibration error the diagram's."""
    given = outputs(rng, 90)
    found = all_estimates(given, 0.3)
    assert {name: found[name] for name in evaluate(given, 0.3)} == evaluate(given, 0.3)
    assert found["log_loss"].value == pytest.approx(given.loss)
    assert found["brier"].value == pytest.approx(np.mean((given.probabilities - given.labels) ** 2))
    assert found["ece"].value == pytest.approx(distance(given))


def test_calibration_error_with_equal_answers(rng) -> None:
    """Scans with the same probability share a bin, as in the diagram."""
    given = Outputs(rng.integers(0, 2, 60), np.repeat([-1.0, 0.0, 2.0], 20))
    assert calibration_error(given).value == pytest.approx(distance(given))


def test_every_interval_holds_its_value_and_stays_possible(rng) -> None:
    """Low, value and high are in order, and nothing is below 0."""
    for n in (8, 30, 200):
        for one in all_estimates(outputs(rng, n, sure=3.0)).values():
            assert 0 <= one.low <= one.value <= one.high


def test_intervals_of_the_means_cover(rng) -> None:
    """Of 300 repetitions the interval of the log loss holds the truth in about 95 %."""
    truth = float(outputs(rng, 200_000).losses.mean())
    many = [mean_estimate(outputs(rng, 100).losses) for _ in range(300)]
    assert 275 <= sum(one.low <= truth <= one.high for one in many) <= 297


@pytest.mark.slow
@pytest.mark.parametrize(("n", "apart", "sure"), [(60, 2.0, 1.0), (32, 4.4, 3.0)])
def test_intervals_cover_for_good_networks_and_few_scans(rng, n: int, apart: float, sure: float) -> None:
    """Of 60 draws at least 54 intervals of each measure hold the truth, at AUC 0.92 and 0.999, fitting or too sure.

    Student's alone holds it in 36 to 94 there, the basic bootstrap of the calibration error in 71 to 88.
    """

    def answers(labels: np.ndarray) -> Outputs:
        logits = apart * (rng.normal(size=labels.size) + apart * labels - apart / 2)
        return Outputs(labels, sure * logits)

    every = answers(np.arange(200_000) % 2)
    true = {
        "log_loss": every.loss,
        "brier": brier_score(every).value,
        "ece": float(np.abs(every.probabilities - special.expit(every.logits / sure)).mean()),
    }
    found = [all_estimates(answers(np.arange(n) % 2)) for _ in range(60)]
    for name, value in true.items():
        assert sum(one[name].low <= value <= one[name].high for one in found) >= 54, name


def test_the_surest_of_networks_is_not_beyond_doubt() -> None:
    """With every scan answered rightly and surely the higher end still allows for a scan that was not seen."""
    found = all_estimates(Outputs(np.arange(32) % 2, np.where(np.arange(32) % 2, 30.0, -30.0)))
    assert found["brier"].value == pytest.approx(0, abs=1e-9)
    assert found["brier"].high == pytest.approx(2.04 / 32, rel=0.01)
    assert found["ece"].high == pytest.approx(1.96 / 32, rel=0.01)
    assert found["log_loss"].high == pytest.approx(2.04 * 30 / 32, rel=0.01)


@pytest.mark.slow
def test_chance_alone_makes_a_calibration_error(rng) -> None:
    """A faultless network's error is about what chance makes; one that is too sure has clearly more."""
    faultless, sure = outputs(rng, 400), outputs(rng, 400, sure=4.0)
    assert abs(calibration_error(faultless).value - calibration_error_by_chance(faultless)) < 0.03
    assert calibration_error(sure).low > calibration_error_by_chance(sure)
    assert calibration_error_by_chance(outputs(rng, 40)) > calibration_error_by_chance(outputs(rng, 1000))


def test_without_scans_nothing_is_known() -> None:
    """No scans give NaN and n = 0, not an error."""
    found = all_estimates(Outputs(np.array([], dtype=np.int64), np.array([])))
    assert all(np.isnan(one.value) and one.n == 0 for one in found.values())
