"""The pictures of a sweep: what stands where, for many trials and for none, and nothing unreadable."""

import io
import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ctexp.searching.records import Choice, TrialRecord, choose
from ctexp.searching.report import figures, space_figures
from ctexp.searching.report.drawing import limits, literal
from ctexp.searching.report.facts import Axis, SweepFacts
from ctexp.searching.report.importance import Importance, Share

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TWO = (Axis("rate", "float", 1e-5, 1e-1, True), Axis("filters", "choice", choices=((8, 16), (16, 32), (64, 64, 64))))
TWELVE = (
    *TWO,
    Axis("batch", "int", 1, 8),
    Axis("steps", "int", 1, 100_000, True),
    Axis("narrow", "float", 3e-4, 4e-4, True),
    Axis("$x^2$ {", "choice", choices=("$a_", "{b}", "c" * 80)),
    Axis("many", "choice", choices=tuple(range(30))),
    *(Axis(f"more.and.longer.names.{number}", "float", -1.0, 1.0) for number in range(5)),
)
FACTS = SweepFacts("default", "Which?", "val_auc", True, "random", 15, 0, 2, 500.0, "phantom", True, "parent", TWO,
                   "3fa2b1c0", 0, 0)  # fmt: skip
LOSS = replace(FACTS, metric="val_loss", maximise=False)
Draw = Callable[[SweepFacts, list[TrialRecord], Choice | None], "Figure"]
ALL: list[Draw] = [
    figures.history,
    figures.learning_curves,
    figures.times,
    space_figures.parallel,
    space_figures.slices,
]


def values(axes: tuple[Axis, ...], number: int) -> dict[str, Any]:
    """A configuration; every third trial lacks the last hyperparameter."""
    rng = np.random.default_rng(number)
    found: dict[str, Any] = {}
    for axis in axes[: -1 if number % 3 == 2 else None]:
        place = rng.uniform(*axis.ends)
        number_at = 10**place if axis.log else place
        found[axis.key] = axis.choices[round(place)] if axis.choices else number_at
    return found


def sweep(count: int, axes: tuple[Axis, ...], status: str | None = None) -> list[TrialRecord]:
    """Trials of every status, or of one."""
    trials = []
    for number in range(count):
        word = status or ("finished", "stopped", "finished", "failed", "interrupted")[number % 5]
        scored = word in ("finished", "stopped")
        score = 0.5 + 0.4 * math.sin(number) ** 2
        trials.append(
            TrialRecord(number, f"run{number}", word, values(axes, number), score if scored else None,  # type: ignore[arg-type]
                        0.05 if number % 2 else None, (0.5, score) if word != "failed" else (), weights=1000 - number,
                        seconds=10.0 + number, began=10.0 * number)
        )  # fmt: skip
    return trials


def chosen_of(trials: list[TrialRecord]) -> Choice | None:
    """The choice, if there can be one."""
    finished = any(one.status == "finished" and one.score is not None for one in trials)
    return choose(trials, maximise=True, rule="one-standard-error") if finished else None


def line(figure: "Figure", label: str) -> Any:
    """The first line of the first panel whose label begins so."""
    return next(one for one in figure.axes[0].get_lines() if str(one.get_label()).startswith(label))


def words(figure: "Figure") -> str:
    """All text of a figure."""
    from matplotlib.text import Text

    return "\n".join(one.get_text() for one in figure.findobj(Text))


@pytest.mark.slow
@pytest.mark.parametrize("axes", [TWO, TWELVE], ids=["two", "twelve"])
@pytest.mark.parametrize(
    ("count", "status"), [(0, None), (1, "finished"), (1, "failed"), (12, "failed"), (20, None), (200, None)]
)
def test_every_sweep_can_be_drawn(axes: tuple[Axis, ...], count: int, status: str | None) -> None:
    """Few and many trials and hyperparameters, missing values and odd names give pictures without one warning."""
    trials, facts = sweep(count, axes, status), replace(FACTS, axes=axes)
    found = Importance(
        count, {axis.key: Share(0.5 / (1 + number), number < 1, count) for number, axis in enumerate(axes)}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for figure in [
            *(draw(facts, trials, chosen_of(trials)) for draw in ALL),
            figures.importance_bars(facts, found),
        ]:
            figure.savefig(io.BytesIO(), format="png", dpi=40)
            assert "synthetic scans" in words(figure)


def test_history() -> None:
    """Scores stand at their numbers, the line is the best finished one so far, the ring is round the chosen one."""
    trials = sweep(12, TWO)
    choice = chosen_of(trials)
    assert choice is not None
    figure = figures.history(FACTS, trials, choice)
    finished = {one.number: one.score or 0 for one in trials if one.status == "finished"}
    assert dict(zip(*line(figure, "finished").get_data(), strict=True)) == finished
    scores = list(finished.values())
    best = line(figure, "best finished so far").get_ydata()
    assert list(best[:-1]) == [max(scores[: index + 1]) for index in range(len(scores))]
    assert list(line(figure, "failed, no score (2)").get_xdata()) == [3, 8]
    ring = line(figure, "chosen")
    assert (ring.get_xdata(), ring.get_ydata()) == ([choice.trial.number], [choice.trial.score])


def test_lower_is_better() -> None:
    """Of losses the best so far falls."""
    trials = [TrialRecord(number, "r", "finished", {}, score) for number, score in enumerate((0.5, 0.7, 0.3))]
    assert list(line(figures.history(LOSS, trials, None), "best finished so far").get_ydata()) == [0.5, 0.5, 0.3, 0.3]


def test_one_diverged_network_does_not_hide_the_others() -> None:
    """A loss far beyond the others is marked at the edge; an AUC, which has bounds, never is."""
    scores = [0.3, 0.35, 0.4, 0.45, 0.5, 900.0]
    trials = [TrialRecord(number, "r", "finished", {"rate": 1e-3}, score) for number, score in enumerate(scores)]
    low, high = limits(LOSS, trials)
    assert low < 0.3
    assert 0.5 < high < 0.6
    outside = line(figures.history(LOSS, trials, None), "finished, above the picture (1)")
    assert list(outside.get_xdata()) == [5]
    assert limits(FACTS, trials)[1] > 900


def test_parallel_lines_cross_their_values() -> None:
    """A line stands at the share of the axis that its value has (decades of one width), and below it if it has none."""
    trials = [TrialRecord(0, "r", "finished", {"rate": 1e-3, "filters": [16, 32]}, 0.6),
              TrialRecord(1, "r", "finished", {"rate": 1e-1}, 0.9)]  # fmt: skip
    choice = Choice(trials[0], trials[1], "why")
    figure = space_figures.parallel(FACTS, trials, choice)
    drawn = [one.get_ydata() for one in figure.axes[0].get_lines() if len(one.get_xdata()) == 3]
    low, high = limits(FACTS, trials)
    assert any(ys == pytest.approx([0.5, 0.5, (0.6 - low) / (high - low)]) for ys in drawn)
    other = next(ys for ys in drawn if ys[0] == pytest.approx(1.0))
    assert other[1] < 0
    assert "not set" in words(figure)


def test_slices_leave_out_who_has_no_value() -> None:
    """A panel holds the trials that have its hyperparameter, and says their number if it is not all."""
    figure = space_figures.slices(FACTS, sweep(20, TWO), None)
    rate, filters = figure.axes
    shown = [sum(len(one.get_xdata()) for one in panel.get_lines()) for panel in (rate, filters)]
    scored = [one for one in sweep(20, TWO) if one.counts]
    assert shown == [len(scored), sum("filters" in one.configuration for one in scored)]
    assert filters.get_title() == f"filters (n={shown[1]})"
    assert rate.get_title() == "rate"
    assert [one.get_text() for one in rate.get_xticklabels()] == ["1e-05", "0.0001", "0.001", "0.01", "0.1"]


def test_importance_tells_chance_apart() -> None:
    """Bars are as long as the shares, the largest on top, and hatched where they are not told from chance."""
    found = Importance(20, {"a": Share(0.6, True, 20), "b": Share(0.2, False, 9)})
    (axes,) = figures.importance_bars(FACTS, found).axes
    bars = [(bar.get_y() + bar.get_height() / 2, bar.get_width(), bar.get_hatch()) for bar in axes.patches]
    assert bars == [(0, 0.6, None), (1, 0.2, "////")]
    assert [one.get_text() for one in axes.get_yticklabels()] == ["a", "b (n=9)"]
    assert axes.yaxis_inverted()


def test_times() -> None:
    """A bar begins when its trial did and is as long as it was worked on, in a unit that suits the whole."""
    (axes,) = figures.times(FACTS, sweep(5, TWO), None).axes
    bars = sorted((bar.get_y() + 0.4, bar.get_x(), bar.get_width()) for bar in axes.patches)
    assert np.allclose(bars, [(n, 10.0 * n / 60, (10.0 + n) / 60) for n in range(5)])
    assert axes.get_xlabel() == "minutes since the sweep began"


def test_text_stays_text() -> None:
    """A dollar sign starts no mathematics, and a long text is cut."""
    assert literal("$a$") == r"\$a\$"
    assert literal("x" * 30, 10) == "x" * 9 + "…"
