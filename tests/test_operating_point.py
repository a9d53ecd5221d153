"""The threshold for a wished sensitivity."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.errors import ConfigError, DataError, WorkError
from ctexp.learning.evaluation import Outputs, confusion, evaluate
from ctexp.learning.operating_point import choose_threshold


def outputs(labels: list[int], logits: list[float]) -> Outputs:
    """Outputs from lists."""
    return Outputs(np.array(labels, dtype=np.int64), np.array(logits, dtype=np.float64))


answers = (
    st.lists(st.tuples(st.integers(0, 1), st.integers(-12, 12)), max_size=40)
    .map(lambda pairs: [*pairs, (1, 0)])
    .map(lambda pairs: outputs([label for label, _ in pairs], [logit / 2 for _, logit in pairs]))
)
wishes = st.one_of(st.sampled_from([1e-9, 0.07, 0.3, 0.5, 0.7, 0.9, 0.95, 1.0]), st.floats(1e-6, 1.0))


def test_by_hand() -> None:
    """Four of five abnormal scans lie at 0.4 or above; so do two of four normal ones."""
    logits = [math.log(p / (1 - p)) for p in (0.9, 0.8, 0.6, 0.4, 0.1, 0.7, 0.5, 0.3, 0.2)]
    point = choose_threshold(outputs([1] * 5 + [0] * 4, logits), 0.8)
    assert point.threshold == pytest.approx(0.4)
    assert (point.sensitivity.value, point.specificity.value) == (0.8, 0.5)
    assert (point.sensitivity.n, point.specificity.n, point.n) == (5, 4, 9)


@given(answers, wishes)
def test_it_is_the_highest_that_meets_the_wish(given_outputs: Outputs, wish: float) -> None:
    """The wish is met at the threshold, and at no higher probability that any scan was given."""
    point = choose_threshold(given_outputs, wish)
    assert point.sensitivity.value >= wish
    for higher in [*given_outputs.probabilities[given_outputs.probabilities > point.threshold], 1.1]:
        counts = confusion(given_outputs, float(higher))
        assert counts.true_positive / (counts.true_positive + counts.false_negative) < wish
    counts = confusion(given_outputs, math.nextafter(point.threshold, 2))
    assert counts.true_positive / (counts.true_positive + counts.false_negative) < wish


@given(answers, wishes)
def test_figures_are_those_of_the_threshold(given_outputs: Outputs, wish: float) -> None:
    """Sensitivity and specificity with their intervals are what the evaluation says at the threshold."""
    point = choose_threshold(given_outputs, wish)
    evaluated = evaluate(given_outputs, point.threshold)
    assert str(point.sensitivity) == str(evaluated["sensitivity"])
    assert str(point.specificity) == str(evaluated["specificity"])
    assert point.n == len(given_outputs.labels)


@given(answers, wishes, wishes)
def test_more_wished_is_never_a_higher_threshold(given_outputs: Outputs, one: float, other: float) -> None:
    """The threshold falls and the sensitivity rises with the wish."""
    low, high = (choose_threshold(given_outputs, wish) for wish in sorted((one, other)))
    assert low.threshold >= high.threshold
    assert low.sensitivity.value <= high.sensitivity.value


@given(answers, wishes, st.randoms(use_true_random=False))
def test_order_of_scans_does_not_matter(given_outputs: Outputs, wish: float, shuffled: object) -> None:
    """The same scans in another order give the same point."""
    order = list(range(len(given_outputs.labels)))
    shuffled.shuffle(order)  # type: ignore[attr-defined]
    again = Outputs(given_outputs.labels[order], given_outputs.logits[order])
    assert str(choose_threshold(again, wish)) == str(choose_threshold(given_outputs, wish))


@pytest.mark.parametrize("hits", range(1, 101))
def test_rounding_asks_for_no_scan_more(hits: int) -> None:
    """A wish of exactly k of 100 scans is met by k: 0.07 * 100 is above 7 for a computer."""
    point = choose_threshold(outputs([1] * 100, [float(number) / 10 for number in range(100)]), hits / 100)
    assert point.sensitivity.value == hits / 100


def test_equal_answers_are_called_together() -> None:
    """Where half the abnormal scans were given the same probability, a wish for one of them calls all of them."""
    point = choose_threshold(outputs([1, 1, 1, 1, 0, 0], [3.0, 1.0, 1.0, -2.0, 1.0, -1.0]), 0.5)
    assert point.threshold == pytest.approx(1 / (1 + math.exp(-1.0)))
    assert point.sensitivity.value == 0.75
    assert point.specificity.value == 0.5


def test_a_useless_network_calls_all() -> None:
    """With the same answer for every scan any wish is met, and the specificity says at what price."""
    point = choose_threshold(outputs([1, 0, 1, 0], [0.0] * 4), 0.9)
    assert (point.threshold, point.sensitivity.value, point.specificity.value) == (0.5, 1.0, 0.0)


def test_sure_answers() -> None:
    """Probabilities that are 1 or 0 to the last digit are thresholds like any other."""
    sure = outputs([1, 1, 0, 1], [900.0, 800.0, -900.0, -900.0])
    assert choose_threshold(sure, 0.6).threshold == 1.0
    everything = choose_threshold(sure, 1.0)
    assert (everything.threshold, everything.specificity.value) == (0.0, 0.0)


def test_abnormal_scans_alone() -> None:
    """Without normal scans there is a threshold, and a specificity that is undefined."""
    point = choose_threshold(outputs([1, 1], [1.0, 2.0]), 1.0)
    assert str(point.specificity) == "undefined"
    assert point.n == 2


@pytest.mark.parametrize("wish", [0.0, -0.1, 1.0001, 95.0, math.nan])
def test_wishes_that_cannot_be(wish: float) -> None:
    """A wish of nothing or of more than all is refused."""
    with pytest.raises(ConfigError, match=r"^sensitivity: must be above 0 and at most 1, got "):
        choose_threshold(outputs([1, 0], [1.0, -1.0]), wish)


@pytest.mark.parametrize(("labels", "logits"), [([], []), ([0, 0], [1.0, 2.0])])
def test_no_abnormal_scan(labels: list[int], logits: list[float]) -> None:
    """Nothing can be sensitive to scans that are not there."""
    with pytest.raises(DataError, match="needs abnormal scans, got none"):
        choose_threshold(outputs(labels, logits), 0.9)


def test_outputs_that_are_no_numbers() -> None:
    """No threshold is made of them."""
    with pytest.raises(WorkError, match="every output must be a number"):
        choose_threshold(outputs([1, 0], [math.nan, 1.0]), 0.9)
