"""What is known of each trial of a sweep, as plain values."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["finished", "stopped", "failed", "interrupted"]
"""`stopped` is a trial that was ended early because it looked hopeless; its score counts."""
Configuration = dict[str, Any]
"""Key of the space to value; a hyperparameter whose `when` does not hold is absent."""


@dataclass(frozen=True)
class TrialRecord:
    """One trial.

    Attributes:
        number: from 0, in the order of proposal.
        run_id: its child run.
        status: how it ended, or that it did not yet.
        configuration: the values of the space.
        score: the objective of its best epoch, or the mean over its folds; None where it has none.
        error: standard error of the score, from its 95 % interval or over the folds; None where it is unknown.
        curve: the monitored metric after each epoch, without folds.
        fold_scores: the score of each fold; empty without folds.
        weights: number of weights of the network.
        seconds: that its legs took, those that died not counted.
        training_seconds: of these, in epochs.
        rss: resident memory of its worker after it, in bytes.
        began: seconds from the sweep's start to the trial's.
        reason: why it was stopped, failed or is interrupted.
    """

    number: int
    run_id: str
    status: Status
    configuration: Configuration
    score: float | None = None
    error: float | None = None
    curve: tuple[float, ...] = ()
    fold_scores: tuple[float, ...] = ()
    weights: int | None = None
    seconds: float = 0.0
    training_seconds: float = 0.0
    rss: int = 0
    began: float = 0.0
    reason: str = ""

    @property
    def counts(self) -> bool:
        """Whether the trial has a score that can be compared."""
        return self.status in ("finished", "stopped") and self.score is not None


@dataclass(frozen=True)
class Choice:
    """The trial that a sweep ends with, and the words that say why."""

    trial: TrialRecord
    best: TrialRecord
    reason: str


def choose(trials: Sequence[TrialRecord], *, maximise: bool, rule: Literal["one-standard-error", "best"]) -> Choice:
    """Choose the trial to register.

    `one-standard-error` takes the network with the fewest weights among the finished trials whose score is within one
    standard error of the best (Breiman, Friedman, Olshen and Stone 1984, section 3.4.3): the best of twenty scores is
    partly luck, and a smaller network that is as good is the safer one. Ties go to the better score, then to the
    earlier trial. `best` takes the best score; ties go to the fewest weights.

    Args:
        trials: all of a sweep.
        maximise: whether a higher score is better.
        rule: as above.

    Raises:
        ValueError: no trial has a score.
    """
    sign = 1.0 if maximise else -1.0
    finished = [one for one in trials if one.status == "finished" and one.score is not None]
    ranked = sorted(finished, key=lambda one: (-sign * _score(one), one.weights or 0, one.number))
    if not ranked:
        raise ValueError("no trial finished with a score")
    best = ranked[0]
    if rule == "best" or best.error is None or math.isnan(best.error):
        return Choice(best, best, f"trial {best.number} has the best score, {_score(best):.3f}")
    near = [one for one in ranked if sign * (_score(best) - _score(one)) <= best.error]
    band = f"within one standard error ({best.error:.3f})"
    if len(near) == 1:
        reason = f"trial {best.number} has the best score, {_score(best):.3f}, and no other is {band} of it"
        return Choice(best, best, reason)
    chosen = min(near, key=lambda one: (one.weights or 0, -sign * _score(one), one.number))
    reason = (
        f"trial {chosen.number} ({_score(chosen):.3f}) has the fewest weights of {len(near)} trials {band} of the "
        f"best score, {_score(best):.3f} of trial {best.number}"
    )
    return Choice(chosen, best, reason)


def _score(trial: TrialRecord) -> float:
    assert trial.score is not None  # noqa: S101 - only trials with a score are ranked
    return trial.score
