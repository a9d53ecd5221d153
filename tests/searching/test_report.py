"""The whole report: which pictures there are, what is said where there is none, and the summary for MLflow."""

import re
from dataclasses import replace

import numpy as np
import pytest

from ctexp.searching.records import Choice, TrialRecord, choose
from ctexp.searching.report.facts import Axis, SweepFacts
from ctexp.searching.report.importance import Importance, Share
from ctexp.searching.report.make import draw_report
from ctexp.searching.report.words import captions, importance_words, notes, outcome

AXES = (Axis("training.learning_rate", "float", 1e-4, 1e-2, True), Axis("network.dropout", "float", 0.0, 0.6))
FACTS = SweepFacts("default", "Which rate?", "val_auc", True, "random", 15, 0, 2, 500.0, "200 scans of phantom", True,
                   "parent", AXES, "3fa2b1c0", 0, 0)  # fmt: skip
NAMES = ["history", "importance", "parallel", "slices", "curves", "times"]


def sweep(count: int) -> list[TrialRecord]:
    """Trials whose score follows the learning rate."""
    rng = np.random.default_rng(0)
    trials = []
    for number in range(count):
        rate = rng.uniform(-4, -2)
        values = {"training.learning_rate": 10**rate, "network.dropout": rng.uniform(0, 0.6)}
        score = 0.9 - 0.2 * abs(rate + 3) + rng.normal(0, 0.005)
        trials.append(TrialRecord(number, f"run{number}", "finished", values, score, 0.03, (0.5, score),
                                  weights=1000 + number, seconds=9.0, began=10.0 * number))  # fmt: skip
    return trials


def best(trials: list[TrialRecord]) -> Choice:
    """The choice by the better score alone."""
    return choose(trials, maximise=True, rule="best")


@pytest.mark.slow
def test_a_whole_sweep() -> None:
    """All pictures in order, each in the page with words below it; the learning rate is what matters."""
    trials = sweep(20)
    report = draw_report(FACTS, trials, best(trials))
    assert list(report.pictures) == NAMES
    assert report.html.count("<figure>") == report.html.count("data:image/png;base64,") == len(NAMES)
    assert all(alternative.strip() for alternative in re.findall(r'alt="([^"]*)"', report.html))
    assert report.importance is not None
    assert list(report.importance) == ["training.learning_rate", "network.dropout"]
    assert report.importance["training.learning_rate"] > 0.5
    assert "More than chance is explained by: training.learning\\_rate" in report.summary


@pytest.mark.slow
def test_the_same_sweep_gives_the_same_report() -> None:
    """Page, summary and shares do not depend on the order in which trials are given, nor on the day."""
    trials = sweep(8)
    first = draw_report(FACTS, trials, best(trials))
    again = draw_report(FACTS, trials[::-1], best(trials))
    assert (again.html, again.summary, again.importance) == (first.html, first.summary, first.importance)


@pytest.mark.slow
def test_no_trial_has_a_score() -> None:
    """When all failed there is no number about hyperparameters, but the reasons and the times are there."""
    trials = [TrialRecord(n, f"run{n}", "failed", {}, seconds=3.0, reason="out of memory") for n in range(7)]
    report = draw_report(FACTS, trials, None)
    assert list(report.pictures) == ["history", "times"]
    assert report.importance is None
    assert "cannot be said: 0 trials with a score, 6 are needed" in report.html
    assert "- out of memory" in report.summary
    assert "optimistic" not in report.summary


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, 5])
def test_too_few_for_importance(count: int) -> None:
    """With none, one or five trials there is a page without shares, never a made-up number."""
    trials = sweep(count)
    report = draw_report(FACTS, trials, best(trials) if trials else None)
    assert list(report.pictures) == ([name for name in NAMES if name != "importance"] if trials else [])
    assert report.importance is None
    assert "are needed" in report.html
    assert "%" not in report.summary


@pytest.mark.slow
def test_folds_have_no_single_curve() -> None:
    """With folds the page says why there are no learning curves."""
    trials = [replace(one, curve=(), fold_scores=(0.5, 0.6)) for one in sweep(6)]
    report = draw_report(replace(FACTS, folds=2), trials, best(trials))
    assert "curves" not in report.pictures
    assert "There are no learning curves" in report.html


@pytest.mark.slow
def test_summary_is_markdown_and_nothing_else() -> None:
    """Text from data cannot make markup, a table's cell or a line of its own; the chosen trial is in the table."""
    evil = "a|b\n<img src=x> [x](y) `c`"
    axes = (AXES[0], Axis("kind", "choice", choices=(evil, "fine")))
    trials = [replace(one, configuration={**one.configuration, "kind": evil}) for one in sweep(5)]
    ranked = sorted(trials, key=lambda one: -(one.score or 0))
    choice = Choice(ranked[-1], ranked[0], "small | <b>")
    summary = draw_report(replace(FACTS, question="# What\n| <script>?", axes=axes), trials, choice).summary
    lines = summary.splitlines()
    assert lines[0] == r"**\# What \| &lt;script&gt;?**"
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + 5
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {5}
    assert [line for line in table if "chosen" in line] == [table[-1]]
    assert not re.search(r"<\w", summary)
    assert "optimistic" in summary
    assert summary.endswith("Research software, not a medical device.")


class TestWords:
    """The sentences that keep numbers honest."""

    def test_few_trials_are_called_few(self) -> None:
        """The number of trials is always told, and that few of them give rough shares."""
        few = importance_words(Importance(20, {"a": Share(0.5, True, 20)}))
        many = importance_words(Importance(100, {"a": Share(0.5, True, 100)}))
        assert "Estimated from 20 trials, which is few" in few
        assert "Estimated from 100 trials." in many

    def test_chance_and_what_is_left_out(self) -> None:
        """It is said when no share is told from chance, when one rests on fewer trials, and why one is missing."""
        found = Importance(20, {"a": Share(0.5, False, 20), "b": Share(0.1, False, 8)}, {"c": "only 3 trials had it"})
        said = importance_words(found)
        assert "here that is all of them" in said
        assert "(n=…)" in said
        assert "Left out: c (only 3 trials had it)" in said

    def test_far_scores(self) -> None:
        """That a score far above the others counted as another is said."""
        found = Importance(20, {"a": Share(0.5, True, 20)})
        assert "1 score far above the others counted as 0.700" in captions(FACTS, sweep(1), found, 0.7)["importance"]
        assert "far above" not in captions(FACTS, sweep(1), found)["importance"]

    def test_notes_fit_the_sweep(self) -> None:
        """Stopped and interrupted trials, errors and folds are explained where there are any, and only there."""
        plain = [replace(one, error=None) for one in sweep(2)]
        assert len(notes(FACTS, plain, best(plain))) == 1
        assert "the best of 2 scores is partly luck" in notes(FACTS, plain, best(plain))[0]
        assert "luck" not in notes(FACTS, plain[:1], best(plain[:1]))[0]
        mixed = [*sweep(2), replace(plain[0], status="stopped"), replace(plain[0], status="interrupted")]
        said = " ".join(notes(replace(FACTS, folds=5), mixed, best(mixed)))
        assert all(word in said for word in ("mean over 5 folds", "stopped trial", "interrupted trial"))

    def test_outcome(self) -> None:
        """Every status that occurs is counted."""
        some = [*sweep(2), TrialRecord(2, "r", "failed", {}), TrialRecord(3, "r", "stopped", {}, 0.5)]
        assert outcome(some) == "4 trials: 2 finished, 1 stopped, 1 failed"
        assert outcome([]) == "0 trials"
