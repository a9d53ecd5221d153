"""Places on an axis, and values as a person would write them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.searching.records import TrialRecord
from ctexp.searching.report.facts import Axis, compared
from ctexp.searching.wording import count, duration, text


@given(st.floats(1e-6, 1e3), st.floats(1.5, 1e4), st.floats(0, 1), st.booleans())
def test_numbers_lie_between_the_ends(low: float, factor: float, share: float, log: bool) -> None:
    """Any value of the range has a place within the ends, which are the places of the least and the largest value."""
    high = low * factor
    axis = Axis("x", "float", low, high, log)
    assert axis.ends == pytest.approx((axis.at(low), axis.at(high)))
    assert axis.ends[0] - 1e-9 <= axis.at(low + share * (high - low)) <= axis.ends[1] * (1 + 1e-12) + 1e-9


def test_a_decade_is_as_wide_as_another_on_a_log_axis() -> None:
    """1e-4 to 1e-3 takes half of 1e-4 to 1e-2."""
    axis = Axis("x", "float", 1e-4, 1e-2, log=True)
    assert axis.at(1e-3) == pytest.approx(sum(axis.ends) / 2)


def test_choices_stand_at_their_index_in_cells_of_one_width() -> None:
    """Lists read from JSON are the tuples of the definition; true is not 1; what is no choice has no place."""
    axis = Axis("x", "choice", choices=((16, 32), (16, 32, 64), True, 1))
    assert [axis.at(value) for value in ([16, 32], (16, 32, 64), True, 1)] == [0, 1, 2, 3]
    assert axis.ends == (-0.5, 3.5)
    assert math.isnan(axis.at("other"))
    assert axis.range == "[16, 32] | [16, 32, 64] | true | 1"


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0012345, "0.001234"), (10000.0, "10000"), (0.3, "0.3"), (1e-12, "1e-12"), (False, "false"), ((8, 16), "8, 16"),
     (3, "3"), ("batch", "batch"), (math.nan, "nan"), (math.inf, "inf"), (1e300, "1e+300")],
)  # fmt: skip
def test_values_as_text(value: object, said: str) -> None:
    """Four digits of a fraction, whole numbers whole, lists without brackets."""
    assert text(value) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 00 s"), (3599.6, "1 h 00 min"), (12061, "3 h 21 min")],
)
def test_durations(seconds: float, said: str) -> None:
    """The unit follows the length."""
    assert duration(seconds) == said


def test_only_known_scores_are_compared() -> None:
    """Failed and interrupted trials, and scores that are no number, are told of but not compared."""
    trials = [
        TrialRecord(number, "r", status, {}, score)  # type: ignore[arg-type]
        for number, (status, score) in enumerate(
            [("finished", 0.5), ("stopped", 0.4), ("failed", 0.9), ("interrupted", 0.8), ("finished", None),
             ("finished", math.nan), ("finished", math.inf)]
        )
    ]  # fmt: skip
    assert [one.number for one in compared(trials)] == [0, 1]


def test_one_and_many() -> None:
    """A noun has its plural unless it is one."""
    assert [count(number, "trial") for number in (0, 1, 2)] == ["0 trials", "1 trial", "2 trials"]
