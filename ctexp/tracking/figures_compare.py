"""The picture of a comparison of runs: what each reaches on the same scans, and where they disagree."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ctexp.tracking.figures import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#1f77b4", "#d95f02", "#1b9e77", "#7570b3", "#e7298a", "#66a61e", "#a6761d", "#666666")
"""ColorBrewer's Dark2 with a blue in front: told apart by most colour-blind readers."""
Interval = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Shown:
    """One run in the picture.

    Attributes:
        name: in the legend.
        intervals: metric to value, low and high.
        roc: false and true positive rates of the curve's corners.
        probabilities: (n,) of abnormal.
        threshold: from which it calls a scan abnormal.
    """

    name: str
    intervals: dict[str, Interval]
    roc: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
    probabilities: npt.NDArray[np.float64]
    threshold: float


def comparison(shown: Sequence[Shown], labels: npt.NDArray[np.int64], caption: str) -> "Figure":
    """Draw metrics with intervals, ROC curves, and each other run's probabilities against the first's.

    Args:
        shown: two runs or more; the first is what the others are held against.
        labels: (n,) truth, 0 or 1.
        caption: over all; says how many scans, and what the tests found.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13.5, 4.9), layout="constrained")
    metrics, curves, scatter = figure.subplots(1, 3, width_ratios=(1.15, 1, 1))
    _draw_intervals(metrics, shown)
    curves.plot([0, 1], [0, 1], color=INK, lw=0.8, ls="--")
    for number, one in enumerate(shown):
        curves.plot(*one.roc, color=_colour(number), lw=1.8, label=one.name, clip_on=False, alpha=0.85)
    curves.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="1 - specificity", ylabel="sensitivity", title="ROC")
    curves.grid(alpha=0.25)
    curves.legend(loc="lower right", fontsize=8)
    _draw_scatter(scatter, shown, labels)
    figure.legend(*scatter.get_legend_handles_labels(), loc="outside lower right", fontsize=8, ncols=5)
    figure.suptitle(caption, fontsize=10)
    return figure


def _draw_intervals(axes: "Axes", shown: Sequence[Shown]) -> None:
    names = list(shown[0].intervals)
    step = 0.7 / len(shown)
    for number, one in enumerate(shown):
        places = np.arange(len(names)) + (number - (len(shown) - 1) / 2) * step
        values, lows, highs = (
            np.array(column) for column in zip(*(one.intervals[name] for name in names), strict=True)
        )
        axes.errorbar(values, places, xerr=[np.maximum(values - lows, 0), np.maximum(highs - values, 0)], fmt="o",
                      ms=5, capsize=3, color=_colour(number), label=one.name)  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set(xlabel="value with 95 % interval", title="On the scans that all answered", xlim=(None, 1.02))
    axes.grid(alpha=0.25, axis="x")


def _draw_scatter(axes: "Axes", shown: Sequence[Shown], labels: npt.NDArray[np.int64]) -> None:
    first = shown[0]
    for number, one in enumerate(shown[1:], start=1):
        differ = (one.probabilities >= one.threshold) != (first.probabilities >= first.threshold)
        for label, mark, word in ((0, "o", "normal"), (1, "^", "abnormal")):
            mine = labels == label
            name = word if len(shown) == 2 else f"{one.name}, {word}"
            axes.scatter(
                first.probabilities[mine], one.probabilities[mine], s=26, marker=mark, edgecolors=_colour(number),
                facecolors=_colour(number) if label else "none", alpha=0.8, label=name, clip_on=False,
            )  # fmt: skip
        axes.scatter(first.probabilities[differ], one.probabilities[differ], s=110, marker="s", facecolors="none",
                     edgecolors=INK, lw=0.9, label="called differently" if number == 1 else None)  # fmt: skip
        axes.axhline(one.threshold, color=_colour(number), lw=0.8, ls=":")
    axes.axvline(first.threshold, color=_colour(0), lw=0.8, ls=":")
    axes.plot([0, 1], [0, 1], color=INK, lw=0.6, ls="--")
    other = shown[1].name if len(shown) == 2 else "another run"
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xlabel=f"P(abnormal), {first.name}",
             ylabel=f"P(abnormal), {other}", title="Each scan's answers")  # fmt: skip
    axes.grid(alpha=0.25)


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]
