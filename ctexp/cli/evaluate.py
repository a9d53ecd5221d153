"""`ctexp evaluate`."""

import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from ctexp.cli.console import WIDTH, ConsoleWatch, narrate, print_json
from ctexp.cli.store import begun_project
from ctexp.learning.doubts import too_narrow
from ctexp.learning.metric_words import MEASURES, PROBABILITIES, WITHOUT_NETWORK

if TYPE_CHECKING:
    from ctexp.experiments.evaluating.evaluation_report import EvaluationReport
    from ctexp.learning.intervals import Estimate

_WORDS = {**MEASURES, **PROBABILITIES, **WITHOUT_NETWORK}


def evaluate(
    reference: Annotated[
        str | None,
        typer.Argument(
            metavar="REF",
            help="NAME@ALIAS, models:/NAME/VERSION or a run id; default the champion.",
            show_default=False,
        ),
    ] = None,
    on: Annotated[
        str,
        typer.Option(
            metavar="WHERE",
            help="validation, test (a look at the locked test, kept for good), or a SOURCE "
            "of other scans (your folder named test is ./test).",
        ),
    ] = "validation",
    positive: Annotated[
        str | None, typer.Option(metavar="CLASS", help="Your name of the SOURCE's abnormal class.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option(help="Leave out a SOURCE's scans that are unusable, or known to the version.")
    ] = False,
    audit: Annotated[bool, typer.Option(help="Look for shortcuts: answers that rest on no disease.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")] = False,
) -> None:
    """Ask a registered network about scans whose truth is known, with 95 % intervals.

    The validation scans chose the network, so they flatter it. The locked test does so from the second look on: each
    look is written down before its numbers are shown.
    """  # fmt: skip
    project = begun_project()

    from ctexp.experiments.evaluating.evaluate import EvaluationRequest, evaluate_version
    from ctexp.searching.request import training_of_sweep

    request = EvaluationRequest(reference, on, positive, skip_bad, audit)
    report = evaluate_version(request, project, ConsoleWatch(), training_of_sweep)
    if json:
        print_json(report.as_json())
    else:
        _print_report(report)


def _print_report(report: "EvaluationReport") -> None:
    chosen, model = report.chosen, report.model
    counts = chosen.counts
    where = {"validation": "its validation scans", "test": "its locked test", "site": chosen.collection.source}
    _say(f"{model.name} version {model.version} on {where[chosen.kind]}: {len(chosen.scans)} scans, {counts['normal']} "
         f"normal, {counts['abnormal']} abnormal")  # fmt: skip
    if report.standing:
        _say(look_words(report.standing.number, report.standing.of_other_tests))
    print(f"{'':<31}  value   95 % interval      n")
    for name, one in {**report.estimates, **report.without_network}.items():
        print(_row(_WORDS[name], one))
    table = report.counts
    _say(f"Called abnormal from {100 * report.threshold:.3g} % on: {table.true_positive} of {counts['abnormal']} "
         f"abnormal scans, and {table.false_positive} of {counts['normal']} normal ones.")  # fmt: skip
    share = 100 * counts["abnormal"] / len(chosen.scans)
    _say(f"PPV and NPV hold where {share:.0f} % of the scans are abnormal, as here. By chance alone a network without "
         f"fault would have a calibration error of {report.chance_error:.3f} on so many scans.")  # fmt: skip
    for line in chosen.site.lines() if chosen.site else ():
        _say(line)
    for line in too_narrow(chosen.patients, len(chosen.scans)):
        _say(line)
    if report.controls is not None:
        _print_audit(report)
    if report.synthetic:
        print("Synthetic scans: these numbers say nothing about patients.")
    print("Research software; not a medical device.")
    narrate(f"Kept as run {report.run_id}; `mlflow ui` shows its pictures.")


def look_words(number: int, of_other_tests: int) -> str:
    """Say what a look at the locked test is worth."""
    words = f"This is look {number} of this test set"
    if of_other_tests:
        words += f", after {of_other_tests} at other test sets of the same collection"
    if number + of_other_tests == 1:
        return f"{words}: the numbers are honest, later ones will be less so."
    return f"{words}: what was changed after an earlier look makes these numbers too good."


def _print_audit(report: "EvaluationReport") -> None:
    controls = report.controls or ()
    print(f"{'Audit: what tells them apart?':<31}    AUC   95 % interval      n")
    print(_row("network, scans as they are", report.estimates["auc"]))
    for control in controls:
        print(_row(control.words, control.estimate))
    if report.chosen.cache.settings.geometry == "lungs":
        _say("The network is shown the lungs alone: it was not asked about scans without them.")
    found = [control.sentence for control in controls if control.found]
    for sentence in found or ["No shortcut was found by these controls; that does not prove that there is none."]:
        _say(f"Doubt: {sentence}" if found else sentence)


def _row(words: str, one: "Estimate") -> str:
    if one.value != one.value:
        return f"  {words:<29}      -   undefined      {one.n:>6}"
    return f"  {words:<29}  {one.value:5.3f}   {one.low:.3f} to {one.high:.3f} {one.n:>6}"


def _say(text: str) -> None:
    indent = " " * (len(text) - len(text.lstrip()) + 2)
    print(textwrap.fill(text, WIDTH, subsequent_indent=indent))
