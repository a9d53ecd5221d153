"""The pictures of the space that a sweep searched: every trial as a line across it, and one hyperparameter a panel."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ctexp.searching.records import Choice, TrialRecord
from ctexp.searching.report.drawing import (
    CHOSEN,
    GREY,
    INK,
    MARKS,
    RING,
    drawn,
    legend,
    limits,
    literal,
    sheet,
    spread,
    ticks,
)
from ctexp.searching.report.facts import Axis, SweepFacts, compared, score_of
from ctexp.searching.wording import count, text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_UNSET = -0.13
"""Height of the line of those trials that do not have a hyperparameter."""


def parallel(facts: SweepFacts, trials: Sequence[TrialRecord], choice: Choice | None) -> "Figure":
    """Draw each trial with a score as a line across the hyperparameters to its score, darker for a better one."""
    from matplotlib import colormaps

    counted = compared(trials)
    low, high = limits(facts, trials)
    width = max(8.0, 1.3 * len(facts.axes) + 1.6)
    figure = sheet(facts, "Configurations and scores", width, 5.2, count(len(counted), "trial"))
    axes = figure.subplots()
    places, _ = drawn([score_of(one) for one in counted], low, high)
    heights = (places - low) / (high - low)
    goodness = heights if facts.maximise else 1 - heights
    palette = colormaps["viridis_r"]
    end = len(facts.axes)
    alpha, thick = (0.9, 1.6) if len(counted) <= 40 else (0.6, 1.0)
    for index in np.argsort(goodness, kind="stable"):  # the best are drawn last, over the others
        one = counted[index]
        chosen = choice is not None and one.number == choice.trial.number
        line = [*(_height(axis, one, 0 if chosen else 0.3) for axis in facts.axes), heights[index]]
        if chosen:
            axes.plot(range(end + 1), line, color="white", lw=6, zorder=5)
        look: dict[str, Any] = {"color": CHOSEN, "lw": 3, "zorder": 6} if chosen else {"alpha": alpha, "lw": thick}
        if not chosen:
            look["color"] = palette(goodness[index])
        axes.plot(range(end + 1), line, "--" if one.status == "stopped" else "-", solid_capstyle="round", **look)
    bottom = 0.0
    for place, axis in enumerate(facts.axes):
        _scale(axes, place, [(_share(axis, at), label) for at, label in _ticks(axis, 4)])
        if any(axis.key not in one.configuration for one in counted):
            bottom = _UNSET
            axes.plot([place, place], [_UNSET, 0], color=GREY, lw=1, ls=":", zorder=3)
            _label(axes, place, _UNSET, "not set")
    _scale(axes, end, [((one - low) / (high - low), text(one)) for one in ticks(low, high, 6)])
    strip = np.linspace(0, 1, 128)[:, None]
    axes.imshow(strip if facts.maximise else 1 - strip, cmap=palette, origin="lower", aspect="auto",
                extent=(end - 0.03, end + 0.03, 0, 1), zorder=4)  # fmt: skip
    names = [literal(axis.key, 34).replace(".", ".\n", 1) for axis in facts.axes]
    for place, name in enumerate([*names, literal(facts.score).replace(" ", "\n", 1)]):
        axes.text(place, 1.04, name, ha="center", va="bottom", fontsize=9, color=INK)
    axes.set(xlim=(-0.35, end + 0.55), ylim=(bottom - 0.06, 1.16))
    axes.axis("off")
    if choice:
        axes.plot([], [], color=CHOSEN, lw=3, label=f"chosen: trial {choice.trial.number}")
    axes.plot([], [], color=palette(0.9), lw=1.6, label="finished")
    if any(one.status == "stopped" for one in counted):
        axes.plot([], [], "--", color=palette(0.9), lw=1.6, label="stopped")
    legend(figure, axes)
    return figure


def slices(facts: SweepFacts, trials: Sequence[TrialRecord], choice: Choice | None) -> "Figure":
    """Draw the scores against each hyperparameter, stopped trials hollow, the chosen one ringed."""
    columns = min(4, max(2, len(facts.axes)))
    rows = -(-len(facts.axes) // columns)
    figure = sheet(facts, "Scores against each hyperparameter", 2.75 * columns + 0.5, 2.6 * rows + 0.9)
    low, high = limits(facts, trials)
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    counted = compared(trials)
    size = 4.5 if len(counted) > 60 else 6
    for number, (axes, axis) in enumerate(zip(panels, facts.axes, strict=False)):
        some = [one for one in counted if axis.key in one.configuration]
        for status in ("finished", "stopped"):
            of_status = [one for one in some if one.status == status]
            places, beyond = drawn([score_of(one) for one in of_status], low, high)
            ringed = [choice is not None and one.number == choice.trial.number for one in of_status]
            across = np.array(
                [_aside(axis, one, 0 if ring else 0.4) for one, ring in zip(of_status, ringed, strict=True)]
            )
            # Points at an edge are drawn whole, but make no room for themselves.
            drawn_whole = {"clip_on": False, "in_layout": False}
            style = MARKS[status].point | {"alpha": 0.8, "markersize": size, "linestyle": "none"} | drawn_whole
            axes.plot(across[~beyond], places[~beyond], **style)
            axes.plot(across[beyond], places[beyond], **style | {"marker": "^"})
        if choice and axis.key in choice.trial.configuration:
            ring = RING | {"markersize": 11}
            axes.plot(_aside(axis, choice.trial, 0), np.clip(score_of(choice.trial), low, high), **ring)
        first, last = axis.ends
        margin = 0.04 * (last - first)
        axes.set(xlim=(first - margin, last + margin), ylim=(low, high))
        axes.set_title(literal(axis.key, 30) + (f" (n={len(some)})" if len(some) < len(counted) else ""), fontsize=9.5)
        marks = _ticks(axis, 3)
        longest = max((len(label) for _, label in marks), default=0)
        tilted = {"rotation": 30, "ha": "right"} if longest * len(marks) > 26 else {}
        axes.set_xticks([at for at, _ in marks], [label for _, label in marks], fontsize=8, **tilted)
        axes.tick_params(axis="y", labelsize=8)
        axes.grid(alpha=0.25)
        if number % columns == 0:
            axes.set_ylabel(literal(facts.score), fontsize=9)
    for axes in panels[len(facts.axes) :]:
        axes.remove()
    for status in ("finished", "stopped"):
        if any(one.status == status for one in counted):
            panels[0].plot([], [], label=status, linestyle="none", markersize=size, **MARKS[status].point)
    if len(counted) > sum(low <= score_of(one) <= high for one in counted):
        panels[0].plot([], [], label="beyond the picture", linestyle="none", marker="^", color=INK)
    if choice:
        panels[0].plot([], [], label=f"chosen: trial {choice.trial.number}", **RING | {"markersize": 9})
    legend(figure, panels[0])
    return figure


def _height(axis: Axis, trial: TrialRecord, width: float) -> float:
    if axis.key not in trial.configuration:
        return _UNSET
    return _share(axis, _aside(axis, trial, width))


def _aside(axis: Axis, trial: TrialRecord, width: float) -> float:
    """Give the place of a trial's value; trials of one choice stand beside each other within `width`."""
    place = axis.at(trial.configuration[axis.key])
    return place + width * spread(trial) if axis.kind == "choice" else place


def _share(axis: Axis, place: float) -> float:
    first, last = axis.ends
    return (place - first) / (last - first) if last > first else 0.5


def _ticks(axis: Axis, wished: int) -> list[tuple[float, str]]:
    """Give places on an axis and what stands there: every choice, or round numbers; at least the ends of a log axis."""
    if axis.kind == "choice":
        labels = axis.labels
        every = -(-len(labels) // 12)
        return [(float(index), literal(labels[index], 16)) for index in range(0, len(labels), every)]
    first, last = axis.ends
    if not axis.log:
        return [(place, text(place)) for place in ticks(first, last, wished, whole=axis.kind == "int")]
    decades = [float(one) for one in range(math.ceil(first - 1e-9), math.floor(last + 1e-9) + 1)]
    every = -(-len(decades) // 5) or 1
    found = decades[::every]
    room = 0.18 * (last - first)
    found += [end for end in (first, last) if all(abs(end - one) > room for one in found)]
    return [(place, text(float(f"{10**place:.3g}"))) for place in sorted(found)]


def _scale(axes: "Axes", place: int, marks: Sequence[tuple[float, str]]) -> None:
    axes.plot([place, place], [0, 1], color=INK, lw=1.1, zorder=3)
    for height, label in marks:
        axes.plot([place, place + 0.035], [height, height], color=INK, lw=1.1, zorder=7)
        _label(axes, place, height, label)


def _label(axes: "Axes", place: int, height: float, label: str) -> None:
    paper = {"facecolor": "white", "alpha": 0.92, "edgecolor": "none", "pad": 0.8}
    axes.text(place + 0.06, height, label, fontsize=8.5, va="center", color=INK, bbox=paper, zorder=7)
