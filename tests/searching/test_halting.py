"""The median rule: when a trial looks hopeless."""

from hypothesis import given
from hypothesis import strategies as st

from ctexp.searching.halting import floors, is_hopeless

_VALUES = st.floats(0, 1, allow_nan=False)
_CURVES = st.lists(st.lists(_VALUES, min_size=1, max_size=6).map(tuple), min_size=3, max_size=9)


def test_floor_is_the_median_of_the_others_at_that_epoch() -> None:
    """Between the first epoch that may stop and the last, the floor is the median of the curves at the epoch."""
    curves = [(0.5, 0.6, 0.9), (0.5, 0.7, 0.8), (0.4, 0.9, 1.0)]
    assert floors(curves, length=3, trials=3, begin=2) == (None, 0.7, None)


def test_nothing_is_stopped_before_enough_trials() -> None:
    """With fewer trials than wished there is no floor at all, and failed trials without a curve do not count."""
    assert floors([(0.5, 0.6)], length=2, trials=2, begin=1) == ()
    assert floors([(0.5, 0.6), ()], length=2, trials=2, begin=1) == ()


def test_a_stopped_trial_counts_with_its_last_value() -> None:
    """Trials that were stopped stay in the comparison, so that the median does not creep up to the survivors'."""
    curves = [(0.2,), (0.3,), (0.9, 0.9, 0.9)]
    assert floors(curves, length=4, trials=3, begin=1)[2] == 0.3


@given(curves=_CURVES, maximise=st.booleans())
def test_at_most_half_of_the_trials_would_have_been_stopped(curves: list, maximise: bool) -> None:
    """No floor is such that more than half of the trials it comes from miss it."""
    better = max if maximise else min
    for epoch, floor in enumerate(floors(curves, length=6, trials=3, begin=1), start=1):
        lost = sum(is_hopeless(better(curve[:epoch]), floor, maximise=maximise) for curve in curves)
        assert lost <= len(curves) // 2


def test_direction() -> None:
    """A loss is hopeless above the floor, an AUC below it, and equality goes on."""
    assert is_hopeless(0.4, 0.5, maximise=True)
    assert not is_hopeless(0.5, 0.5, maximise=True)
    assert is_hopeless(0.6, 0.5, maximise=False)
    assert not is_hopeless(0.1, None, maximise=True)
