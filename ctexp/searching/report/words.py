"""The sentences of the report: what each picture shows, what became of the trials, and how far the numbers go."""

import math
from collections.abc import Sequence

from ctexp.searching.records import Choice, TrialRecord
from ctexp.searching.report.facts import SweepFacts, compared, score_of
from ctexp.searching.report.importance import LEAST, Importance
from ctexp.searching.wording import count, duration

NOT_MEDICAL = "Research software, not a medical device."
SYNTHETIC = "The scans of this sweep are synthetic, drawn by ctexp: its scores say nothing about patients."
_MANY = 60


def scored(trial: TrialRecord) -> str:
    """Write a trial's score with its standard error."""
    return f"{score_of(trial):.3f}" + (f" ± {trial.error:.3f}" if trial.error else "")


def outcome(trials: Sequence[TrialRecord]) -> str:
    """Count the trials by how they ended: `20 trials: 14 finished, 4 stopped, 2 failed`."""
    statuses = [one.status for one in trials]
    counts = [f"{statuses.count(one)} {one}" for one in ("finished", "stopped", "failed", "interrupted")]
    said = ", ".join(word for word in counts if not word.startswith("0 "))
    return f"{count(len(trials), 'trial')}: {said}" if trials else "0 trials"


def headline(facts: SweepFacts, choice: Choice | None) -> str:
    """Say in a line what came out."""
    if choice is None:
        return "No trial was chosen: none finished with a score."
    return f"Trial {choice.trial.number} was chosen, with a {facts.score} of {scored(choice.trial)}."


def looks_words(looks: int | None) -> str:
    """Say how often locked tests of the collection had been read when the sweep ended."""
    if looks is None:
        return "this sweep did not read it; how often others did is not known, the ledger could not be read"
    if looks == 0:
        return "this sweep did not read it, and nobody had before"
    times = "once" if looks == 1 else f"{looks} times"
    return f"this sweep did not read it; by its end the locked tests of these scans had been looked at {times}"


def notes(facts: SweepFacts, trials: Sequence[TrialRecord], choice: Choice | None) -> list[str]:
    """Say how the scores are to be read."""
    found = []
    if choice:
        luck = f", and the best of {len(compared(trials))} scores is partly luck" if len(compared(trials)) > 1 else ""
        where = "folds" if facts.folds else "validation scans"
        found.append(
            f"The score of the chosen trial is optimistic. It was measured on the {where} that the trials were "
            f"compared on and their best epochs chosen by{luck}. What it is worth shows on scans that played no part: "
            "the locked test, or scans from another hospital."
        )
    if any(one.error for one in trials):
        of = f"the mean over {facts.folds} folds" if facts.folds else "a score on so few scans"
        found.append(
            f"± is one standard error of {of}. All trials were measured on the same scans, so a difference between two "
            "of them is more certain than their errors suggest."
        )
    if any(one.status == "stopped" for one in trials):
        found.append(
            "A stopped trial was ended early because it looked hopeless. Its score is what it had reached by then; "
            "only finished trials can be chosen."
        )
    if any(one.status == "interrupted" for one in trials):
        found.append("An interrupted trial did not end yet; its score does not count.")
    return found


def importance_words(found: Importance) -> str:
    """Say what the shares are, how many trials they rest on, and what is left out and why."""
    if not found.shares:
        return f"How much each hyperparameter matters cannot be said: {found.reason}." + _left_out(found)
    standing = found.standing_out
    sentences = [
        "The share of the score's variance over the searched space that each hyperparameter explains alone, whatever "
        "the others are (fANOVA; Hutter, Hoos and Leyton-Brown 2014). The rest lies in combinations.",
        f"Estimated from {count(found.n, 'trial')}"
        + (", which is few: another search may well give other shares and another order." if found.n < _MANY else "."),
        "A solid bar explains more than shuffled values of the same hyperparameter do; chance gets that far about once "
        "in 20 times. A hatched bar cannot be told from chance" + ("." if standing else ": here that is all of them."),
    ]
    if any(share.n < found.n for share in found.shares.values()):
        sentences.append("With (n=…): a hyperparameter that only some trials have, measured among those alone.")
    return " ".join(sentences) + _left_out(found)


def captions(
    facts: SweepFacts, trials: Sequence[TrialRecord], found: Importance, edge: float = math.inf
) -> dict[str, str]:
    """Say for each picture how to read it; scores above `edge` are drawn, and counted, as if they lay there."""
    beyond = sum(score_of(one) > edge for one in trials)
    far = f" {count(beyond, 'score')} far above the others counted as {edge:.3f}." if beyond else ""
    hidden = any(one.status in ("failed", "interrupted") for one in trials)
    return {
        "history": "Each point is a trial; the line is the best finished one so far. "
        + ("Bars are one standard error to each side. " if any(one.error for one in trials) else "")
        + ("Trials without a score stand at the foot. " if hidden else "")
        + "A line that still climbs at the end says that more trials may find better ones.",
        "importance": importance_words(found) + far,
        "parallel": "Each line is a trial: where it crosses an axis is its value there, and it ends at its score, "
        "whose colour it has. Where the lines of good scores cross an axis close together, the good values lie. "
        "Trials of one choice cross its axis beside each other.",
        "slices": "Each point is a trial. A slope or a bow across a panel is an effect of that hyperparameter; points "
        "heaped at one edge say that the range is worth widening there. Trials of one choice stand beside each other.",
        "curves": f"The {facts.score} after each epoch. Curves that still improve at the end say that more epochs may "
        "help; a chosen trial that was better long before its end may have been luck.",
        "times": "One bar a trial, from its start, as long as it was worked on. A trial that waited in between, to be "
        "gone on with or promoted, is drawn in one piece and ended later than its bar.",
    }


def alternatives(
    facts: SweepFacts, trials: Sequence[TrialRecord], choice: Choice | None, found: Importance
) -> dict[str, str]:
    """Tell those who cannot see a picture what it shows here."""
    some = [score_of(one) for one in compared(trials)]
    span = f", from {min(some):.3f} to {max(some):.3f}" if some else ""
    chosen = f" {headline(facts, choice)}" if choice else ""
    shares = ", ".join(f"{key} {share.value:.0%}" for key, share in found.shares.items())
    keys = ", ".join(axis.key for axis in facts.axes)
    return {
        "history": f"Points: the scores of {count(len(some), 'trial')} in order of proposal{span}.{chosen}",
        "importance": f"Bars: {shares}.",
        "parallel": f"Lines across {keys} to the score, one for each of {count(len(some), 'trial')}.{chosen}",
        "slices": f"Scatter plots of the score against {keys}.{chosen}",
        "curves": f"Lines: {facts.score} by epoch, one for each of "
        f"{count(sum(bool(one.curve) for one in trials), 'trial')}.{chosen}",
        "times": f"Bars: when each of {count(len(trials), 'trial')} trained, {duration(facts.seconds)} in all.",
    }


def _left_out(found: Importance) -> str:
    if not found.left_out:
        return ""
    said = "; ".join(f"{key} ({why})" for key, why in found.left_out.items())
    return f" Left out: {said}; at least {LEAST} trials that differ are needed."
