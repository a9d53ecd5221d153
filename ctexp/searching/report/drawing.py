"""What the pictures of a sweep have in common: colours, marks, limits, and text that stays text."""

from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ctexp.searching.records import TrialRecord
from ctexp.searching.report.facts import SweepFacts, compared, score_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

BLUE, PALE, CHOSEN, INK, GREY = "#0072b2", "#9ccbe8", "#d55e00", "#333333", "#8a8a8a"
"""From Okabe and Ito's palette, told apart by colour-blind readers; no status is told by colour alone."""


@dataclass(frozen=True)
class Mark:
    """How a trial of one status is drawn as a point (keywords of `Axes.plot`) and as a bar (of `Axes.barh`)."""

    point: dict[str, Any]
    bar: dict[str, Any]


MARKS = {
    "finished": Mark({"marker": "o", "color": BLUE}, {"facecolor": BLUE}),
    "stopped": Mark({"marker": "o", "color": BLUE, "markerfacecolor": "white"}, {"facecolor": PALE}),
    "failed": Mark({"marker": "x", "color": INK}, {"facecolor": INK}),
    "interrupted": Mark(
        {"marker": "s", "color": GREY, "markerfacecolor": "white"},
        {"facecolor": "white", "edgecolor": GREY, "hatch": "////"},
    ),
}
RING: dict[str, Any] = {"marker": "o", "markersize": 13, "color": CHOSEN, "markerfacecolor": "none",
                        "markeredgewidth": 2.2, "linestyle": "none", "zorder": 6}  # fmt: skip
"""The mark round the chosen trial."""


def sheet(facts: SweepFacts, title: str, width: float, height: float, *notes: str) -> "Figure":
    """Begin a picture of so many inches. It says itself what it shows, as it may travel without its page."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
    figure = Figure(figsize=(width, height), layout=layout, facecolor="white")
    said = ", ".join([*notes, *(["synthetic scans"] if facts.synthetic else [])])
    figure.suptitle(f"{title} ({said})" if said else title, x=0.012, ha="left", fontsize=12, color=INK)
    return figure


def legend(figure: "Figure", axes: "Axes", columns: int = 5) -> None:
    """Explain the marks below the picture, where they hide nothing."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower left", ncols=columns, fontsize=9, frameon=False)


def say(axes: "Axes", words: str) -> None:
    """Write words in the middle of an empty picture."""
    axes.text(0.5, 0.55, words, transform=axes.transAxes, ha="center", va="center", color=INK, fontsize=11)


def literal(text: str, longest: int = 22) -> str:
    """Shorten a text, and keep matplotlib from reading it as mathematics."""
    return (text if len(text) <= longest else text[: longest - 1] + "…").replace("$", r"\$")


def groups(trials: Sequence[TrialRecord]) -> Iterator[tuple[str, Mark, list[TrialRecord]]]:
    """Give each status that occurs with its marks and its trials."""
    for status, mark in MARKS.items():
        of_status = [one for one in trials if one.status == status]
        if of_status:
            yield status, mark, of_status


def labelled(status: str, trials: Sized) -> str:
    """Name a status with its number of trials."""
    return f"{status} ({len(trials)})"


def limits(facts: SweepFacts, trials: Sequence[TrialRecord]) -> tuple[float, float]:
    """Give the lowest and the highest score to draw.

    Where scores have no bound (a loss), one diverged network would squeeze all others into a line: what lies more than
    four times as far from the best score as the better three quarters do is drawn at the edge.
    """
    scores = sorted(score_of(one) for one in compared(trials))
    if not scores:
        return 0.0, 1.0
    low, high = scores[0], scores[-1]
    if not facts.maximise:
        reach = 4 * (float(np.quantile(scores, 0.75)) - low)
        if 0 < reach < high - low:
            high = max(score for score in scores if score - low <= reach)
    pad = 0.06 * (high - low) or 0.02
    return low - pad, high + pad


def drawn(values: Sequence[float], low: float, high: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Give values moved to the edges of low..high, and which of them were; NaN stays."""
    wide = np.asarray(values, dtype=np.float64)
    return np.clip(wide, low, high), (wide < low) | (wide > high)


def spread(trial: TrialRecord) -> float:
    """Give a trial a place within -0.5..0.5 of its own, so that trials of one choice do not hide each other."""
    return (trial.number * 0.6180339887498949 + 0.5) % 1 - 0.5


def number_trials(axis: "Axis", last: int) -> None:
    """Mark an axis of trials, or of epochs, at whole numbers up to the last."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    axis.set_major_locator(FixedLocator(range(last + 1)) if last < 4 else MaxNLocator("auto", integer=True))


def ticks(low: float, high: float, wished: int, *, whole: bool = False) -> list[float]:
    """Give round numbers within low..high."""
    from matplotlib.ticker import MaxNLocator

    reach = 1e-9 * (high - low)
    found = MaxNLocator(wished, steps=[1, 2, 2.5, 5, 10], integer=whole, min_n_ticks=2).tick_values(low, high)
    return [float(one) for one in found if low - reach <= one <= high + reach]
