"""The report at the end of a sweep: pictures, one page that explains them, and a summary for MLflow."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctexp.searching.records import Choice, TrialRecord
from ctexp.searching.report.drawing import limits
from ctexp.searching.report.facts import SweepFacts, compared, score_of
from ctexp.searching.report.importance import Importance, importance
from ctexp.searching.report.words import (
    NOT_MEDICAL,
    SYNTHETIC,
    alternatives,
    captions,
    headline,
    importance_words,
    notes,
    outcome,
    scored,
)
from ctexp.searching.wording import duration, text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TITLES = {
    "history": "Scores in the order of proposal",
    "importance": "Which hyperparameters matter",
    "parallel": "Configurations and their scores",
    "slices": "Each hyperparameter by itself",
    "curves": "Learning curves",
    "times": "Where the time went",
}
_TOP = 5


@dataclass(frozen=True)
class Report:
    """What was drawn and said of a sweep.

    Attributes:
        pictures: name to figure, in the order of the page; those that would be empty are left out.
        html: the page.
        importance: key to its share of the score's variance, 0..1; None where nothing can be said.
        summary: Markdown for the run's description in MLflow.
    """

    pictures: "dict[str, Figure]"
    html: str
    importance: dict[str, float] | None
    summary: str


def draw_report(facts: SweepFacts, trials: Sequence[TrialRecord], choice: Choice | None) -> Report:
    """Draw and write everything. The same sweep gives the same report.

    Args:
        facts: of the sweep.
        trials: all of it, however they ended; there may be none.
        choice: the trial that it ends with; None where no trial finished with a score.
    """
    from ctexp.searching.report.page import Plate, write_page

    ordered = sorted(trials, key=lambda one: one.number)
    edge = limits(facts, ordered)[1]
    found = importance(facts.axes, ordered, seed=facts.search_seed, highest=edge)
    pictures = _draw(facts, ordered, choice, found)
    said, told = captions(facts, ordered, found, edge), alternatives(facts, ordered, choice, found)
    plates = [Plate(_TITLES[name], figure, said[name], told[name]) for name, figure in pictures.items()]
    remarks = [] if found.shares or not facts.axes else [importance_words(found)]
    if facts.folds:
        remarks.append("There are no learning curves: with folds a trial has one a fold, and its score is their mean.")
    return Report(
        pictures,
        write_page(facts, ordered, choice, plates, remarks),
        {key: share.value for key, share in found.shares.items()} or None,
        _summary(facts, ordered, choice, found),
    )


def _draw(
    facts: SweepFacts, trials: Sequence[TrialRecord], choice: Choice | None, found: Importance
) -> "dict[str, Figure]":
    from ctexp.searching.report import figures, space_figures

    pictures: dict[str, Figure] = {}
    if trials:
        pictures["history"] = figures.history(facts, trials, choice)
    if found.shares:
        pictures["importance"] = figures.importance_bars(facts, found)
    if compared(trials) and facts.axes:
        pictures["parallel"] = space_figures.parallel(facts, trials, choice)
        pictures["slices"] = space_figures.slices(facts, trials, choice)
    if any(one.curve for one in trials) and not facts.folds:
        pictures["curves"] = figures.learning_curves(facts, trials, choice)
    if trials:
        pictures["times"] = figures.times(facts, trials, choice)
    return pictures


def _summary(facts: SweepFacts, trials: Sequence[TrialRecord], choice: Choice | None, found: Importance) -> str:
    lines = [f"**{_plain(facts.question)}**", "", _plain(headline(facts, choice))]
    if choice:
        lines[-1] += f" Why this one: {_plain(choice.reason)}."
    lines += ["", f"{_plain(outcome(trials))}; {facts.algorithm}; {duration(facts.seconds)}. {_plain(facts.data)}."]
    if choice is None:
        lines += [
            "",
            *(f"- {_plain(reason)}" for reason in sorted({one.reason for one in trials if one.reason})[:_TOP]),
        ]
    sign = -1 if facts.maximise else 1
    top = sorted(compared(trials), key=lambda one: (sign * score_of(one), one.number))[:_TOP]
    if choice and choice.trial.number not in [one.number for one in top]:
        top.append(choice.trial)
    if top:
        keys = [axis.key for axis in facts.axes]
        lines += [
            "",
            "| " + " | ".join(map(_plain, ["trial", facts.score, *keys])) + " |",
            "|---" * (len(keys) + 2) + "|",
        ]
        for one in top:
            mark = f"{one.number} ({one.status}{', chosen' if choice and one.number == choice.trial.number else ''})"
            values = [text(one.configuration.get(key, "")) for key in keys]
            lines.append("| " + " | ".join(map(_plain, [mark, scored(one), *values])) + " |")
    if found.standing_out:
        shares = ", ".join(f"{key} {found.shares[key].value:.0%}" for key in found.standing_out)
        lines += ["", _plain(f"More than chance is explained by: {shares} of the score's variance ({found.n} trials).")]
    elif found.shares:
        lines += ["", f"No hyperparameter explains more than chance ({found.n} trials)."]
    lines += ["", *(line for note in notes(facts, trials, choice)[:1] for line in (_plain(note), ""))]
    lines.append(f"{SYNTHETIC} {NOT_MEDICAL}" if facts.synthetic else NOT_MEDICAL)
    return "\n".join(lines).encode("utf-8", "replace").decode()


def _plain(words: str) -> str:
    """Keep Markdown from reading anything into a text."""
    one_line = " ".join(words.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]#|~!])", r"\\\1", one_line)
