"""Which trial a sweep ends with."""

import pytest

from ctexp.searching.records import TrialRecord, choose


def trial(number: int, score: float | None, weights: int = 100, error: float | None = 0.02, status="finished"):
    """A trial."""
    return TrialRecord(number, f"run{number}", status, {}, score, error, weights=weights)


def test_one_standard_error_takes_the_smallest_network_near_the_best() -> None:
    """Among the trials within one standard error of the best, the fewest weights win, and the reason says so."""
    trials = [trial(0, 0.95, 900), trial(1, 0.94, 300), trial(2, 0.935, 200), trial(3, 0.92, 10)]
    choice = choose(trials, maximise=True, rule="one-standard-error")
    assert (choice.trial.number, choice.best.number) == (2, 0)
    assert "trial 2 (0.935)" in choice.reason
    assert "one standard error (0.020) of the best score, 0.950 of trial 0" in choice.reason


def test_a_best_that_stands_alone_is_said_to() -> None:
    """Where no other trial comes within one standard error, the reason is the score and not the size."""
    trials = [trial(0, 0.95, 900), trial(1, 0.92, 300)]
    choice = choose(trials, maximise=True, rule="one-standard-error")
    assert (choice.trial.number, choice.best.number) == (0, 0)
    assert choice.reason == (
        "trial 0 has the best score, 0.950, and no other is within one standard error (0.020) of it"
    )


def test_losses_are_better_when_lower() -> None:
    """With a loss the best is the lowest, and the band lies above it."""
    trials = [trial(0, 0.30, 900), trial(1, 0.31, 300), trial(2, 0.50, 10)]
    assert choose(trials, maximise=False, rule="one-standard-error").trial.number == 1
    assert choose(trials, maximise=False, rule="best").trial.number == 0


def test_best_takes_the_best_and_the_smaller_of_equals() -> None:
    """The plain rule takes the highest score; of equal ones the smaller network, then the earlier trial."""
    trials = [trial(0, 1.0, 900), trial(1, 1.0, 300), trial(2, 1.0, 300), trial(3, 0.9, 1)]
    assert choose(trials, maximise=True, rule="best").trial.number == 1


def test_only_finished_trials_can_be_chosen() -> None:
    """Stopped, failed and interrupted trials are not registered, however good their score so far."""
    trials = [trial(0, 0.99, status="stopped"), trial(1, 0.7), trial(2, None, status="failed")]
    assert choose(trials, maximise=True, rule="best").trial.number == 1
    with pytest.raises(ValueError, match="no trial"):
        choose(trials[::2], maximise=True, rule="best")


def test_without_an_error_the_best_is_taken() -> None:
    """A score whose error is unknown gives no band."""
    trials = [trial(0, 0.9, 900, error=None), trial(1, 0.9 - 1e-6, 1)]
    assert choose(trials, maximise=True, rule="one-standard-error").trial.number == 0
