"""The pictures of how a sweep went: scores, learning curves, times, and what each hyperparameter explains."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ctexp.searching.records import Choice, TrialRecord
from ctexp.searching.report.drawing import (
    BLUE,
    CHOSEN,
    GREY,
    INK,
    RING,
    groups,
    labelled,
    legend,
    limits,
    literal,
    number_trials,
    say,
    sheet,
)
from ctexp.searching.report.facts import SweepFacts, compared, score_of
from ctexp.searching.report.importance import Importance
from ctexp.searching.wording import count

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def history(facts: SweepFacts, trials: Sequence[TrialRecord], choice: Choice | None) -> "Figure":
    """Draw the score of each trial by number, the best of the finished ones so far, and the chosen one.

    A bar is one standard error to each side, cut at 1 for AUC and accuracy. What has no score stands at the foot.
    """
    figure = sheet(facts, "Score of each trial, in the order of proposal", 9, 4.6)
    axes = figure.subplots()
    counted = compared(trials)
    bottom, top = _window(facts, counted, limits(facts, trials))
    size = 5 if len(trials) > 60 else 7
    for status, mark, some in groups(trials):
        style: dict[str, Any] = mark.point | {"linestyle": "none", "markersize": size, "zorder": 4, "clip_on": False}
        scores = {one.number: score_of(one) for one in some}
        inside = {number: score for number, score in scores.items() if score <= top}
        beyond = [number for number, score in scores.items() if score > top]
        foot = [number for number, score in scores.items() if math.isnan(score)]
        if inside:
            axes.plot(list(inside), list(inside.values()), label=labelled(status, inside), **style)
        if beyond:
            outside: dict[str, Any] = style | {"marker": "^", "label": labelled(f"{status}, above the picture", beyond)}
            axes.plot(beyond, [top] * len(beyond), **outside)
        if foot:
            axes.plot(
                foot,
                [0.02] * len(foot),
                transform=axes.get_xaxis_transform(),
                label=labelled(f"{status}, no score", foot),
                **style,
            )
        for one in some:
            if one.error and one.number in inside:
                upper = min(score_of(one) + one.error, 1.0 if facts.maximise else top)
                axes.vlines(one.number, score_of(one) - one.error, upper, color=BLUE, lw=size / 4, alpha=0.35)
    finished = [one for one in counted if one.status == "finished"]
    if finished:
        best = (np.maximum if facts.maximise else np.minimum).accumulate([score_of(one) for one in finished])
        steps = [*[one.number for one in finished], max(one.number for one in trials) + 0.5]
        axes.plot(steps, [*best, best[-1]], drawstyle="steps-post", color=INK, lw=1.3, label="best finished so far")
    if choice:
        if choice.best.error:
            edge = score_of(choice.best) + choice.best.error * (-1 if facts.maximise else 1)
            axes.axhspan(*sorted((edge, score_of(choice.best))), color=CHOSEN, alpha=0.12, lw=0,
                         label="within one standard error of the best")  # fmt: skip
        axes.plot(choice.trial.number, min(score_of(choice.trial), top), label="chosen", **RING)
    if not counted:
        axes.set_yticks([])
        say(axes, "No trial has a score.")
    last = max((one.number for one in trials), default=0)
    pad = (0.09 if len(counted) < len(trials) else 0.03) * (top - bottom)  # room for the marks at the foot
    axes.set(xlabel="trial", ylabel=_score_words(facts), xlim=(-0.7, last + 0.7))
    axes.set_ylim(bottom - pad, top + 0.02 * (top - bottom))
    number_trials(axes.xaxis, last)
    axes.grid(alpha=0.25)
    legend(figure, axes, 3)
    return figure


def importance_bars(facts: SweepFacts, found: Importance) -> "Figure":
    """Draw each hyperparameter's share of the variance; hollow where it cannot be told from chance."""
    shares = list(found.shares.items())
    figure = sheet(facts, "What each hyperparameter alone explains of the score", 9, 1.5 + 0.34 * len(shares),
                   count(found.n, "trial"))  # fmt: skip
    axes = figure.subplots()
    explained: set[str] = set()
    for row, (_, share) in enumerate(shares):
        label = "more than chance" if share.stands_out else "not told from chance"
        fill: dict[str, Any] = {"facecolor": BLUE} if share.stands_out else {"facecolor": "white", "hatch": "////"}
        axes.barh(row, share.value, height=0.66, edgecolor=BLUE, lw=1, **fill,
                  label=None if label in explained else label)  # fmt: skip
        explained.add(label)
        axes.text(share.value, row, f"  {share.value:.0%}", va="center", fontsize=9.5, color=INK)
    names = [literal(key, 40) + (f" (n={share.n})" if share.n < found.n else "") for key, share in shares]
    axes.set_yticks(range(len(shares)), names)
    axes.invert_yaxis()
    widest = max(share.value for _, share in shares)
    axes.set(xlim=(0, max(0.1, widest * 1.12)), xlabel="share of the variance of the score")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.grid(alpha=0.25, axis="x")
    axes.set_axisbelow(True)
    legend(figure, axes)
    return figure


def learning_curves(facts: SweepFacts, trials: Sequence[TrialRecord], choice: Choice | None) -> "Figure":
    """Draw the monitored metric after each epoch of every trial that has a curve."""
    figure = sheet(facts, "Learning curves of all trials", 9, 4.6)
    axes = figure.subplots()
    some = [one for one in trials if one.curve]
    top = limits(facts, trials)[1]
    values = [value for one in some for value in one.curve if math.isfinite(value)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if not facts.maximise:
        # A loss has no bound: one wild trial, or one wild epoch, would flatten all others.
        tame = [value for one in some if score_of(one) <= top for value in one.curve if math.isfinite(value)]
        high = min(high, max(tame), 2.5 * float(np.quantile(tame, 0.9))) if tame else high
    pad = 0.04 * (high - low) or 0.02
    alpha = 0.75 if len(some) <= 25 else 0.4 if len(some) <= 80 else 0.25
    looks = {"finished": (BLUE, "-"), "stopped": (BLUE, ":"), "failed": (INK, "--"), "interrupted": (GREY, "--")}
    for status, _, of_status in groups(some):
        color, line = looks[status]
        axes.plot([], [], line, color=color, lw=1.5, label=labelled(status, of_status))
        for one in of_status:
            epochs = np.arange(1, len(one.curve) + 1)
            axes.plot(epochs, one.curve, line, color=color, lw=1.3, alpha=alpha)
            if status != "finished" or len(one.curve) == 1:
                axes.plot(epochs[-1], one.curve[-1], "o", ms=3.5, color=color, alpha=min(1.0, 2 * alpha))
    if choice and choice.trial.curve:
        curve = choice.trial.curve
        axes.plot(np.arange(1, len(curve) + 1), curve, color="white", lw=4, zorder=5)
        axes.plot(np.arange(1, len(curve) + 1), curve, "o-", ms=3.5, color=CHOSEN, lw=2.4, zorder=6,
                  label=f"chosen: trial {choice.trial.number}")  # fmt: skip
    longest = max((len(one.curve) for one in some), default=1)
    axes.set(xlabel="epoch", ylabel=_score_words(facts), ylim=(low - pad, high + pad),
             xlim=(0.8, max(longest, 2) + 0.2))  # fmt: skip
    number_trials(axes.xaxis, longest)
    axes.grid(alpha=0.25)
    legend(figure, axes)
    return figure


def times(facts: SweepFacts, trials: Sequence[TrialRecord], choice: Choice | None) -> "Figure":
    """Draw when each trial began and how long it was worked on, one bar a trial, the first on top."""
    last = max((one.number for one in trials), default=0)
    figure = sheet(facts, "When each trial trained", 9, min(9.0, 2.0 + 0.2 * (last + 1)))
    axes = figure.subplots()
    whole = max([facts.seconds, *(one.began + one.seconds for one in trials)])
    divisor, unit = (1, "seconds") if whole < 180 else (60, "minutes") if whole < 10800 else (3600, "hours")
    for status, mark, some in groups(trials):
        numbers, starts = [one.number for one in some], [one.began / divisor for one in some]
        lengths = [one.seconds / divisor for one in some]
        axes.barh(numbers, lengths, left=starts, height=0.8, label=labelled(status, some), **mark.bar)
        if status in ("failed", "interrupted"):  # such a bar may have no length
            ends = [start + length for start, length in zip(starts, lengths, strict=True)]
            axes.plot(ends, numbers, linestyle="none", markersize=6 if last < 60 else 4, **mark.point)
    if choice:
        one = choice.trial
        axes.barh(one.number, one.seconds / divisor, left=one.began / divisor, height=0.8, facecolor="none",
                  edgecolor=CHOSEN, lw=2.4, zorder=5, label=f"chosen: trial {one.number}")  # fmt: skip
    axes.set(xlabel=f"{unit} since the sweep began", ylabel="trial", ylim=(last + 0.7, -0.7),
             xlim=(-0.005 * whole / divisor, 1.01 * whole / divisor or 1))  # fmt: skip
    number_trials(axes.yaxis, last)
    axes.grid(alpha=0.25, axis="x")
    axes.set_axisbelow(True)
    legend(figure, axes)
    return figure


def _score_words(facts: SweepFacts) -> str:
    return literal(f"{facts.score} ({'higher' if facts.maximise else 'lower'} is better)", 60)


def _window(facts: SweepFacts, trials: Sequence[TrialRecord], ends: tuple[float, float]) -> tuple[float, float]:
    """Widen the limits for the errors, but not for ever: a very wide one would squeeze the scores into a line."""
    near = [(score_of(one), one.error or 0.0) for one in trials if score_of(one) <= ends[1]]
    if not near:
        return ends
    low, high = min(score - error for score, error in near), max(score + error for score, error in near)
    reach = max(0.6 * (ends[1] - ends[0]), 1.2 * float(np.median([error for _, error in near])))
    top = min(max(high, ends[1]), ends[1] + reach)
    return max(min(low, ends[0]), ends[0] - reach), min(top, max(1.01, ends[1])) if facts.maximise else top
