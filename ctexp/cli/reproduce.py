"""`ctexp reproduce`."""

import signal
import textwrap
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from ctexp.cli.console import WIDTH, ConsoleWatch, print_json
from ctexp.cli.store import begun_project

if TYPE_CHECKING:
    from ctexp.experiments.reproducing.reproduce import ReproductionReport
    from ctexp.experiments.reproducing.verdict import MetricPair, Spread

TOLD = 12
"""Circumstances that are printed; --json has all."""


def reproduce(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN_ID", help="A training, a trial or a fold; at least 6 letters of its id.", show_default=False
        ),
    ],
    seeds: Annotated[
        int,
        typer.Option(metavar="S", help="Train S more times with other seeds on the same split.", show_default=False),
    ] = 0,
    json: Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")] = False,
) -> None:
    """Train a finished run again and say whether it comes to the same; nothing is registered.

    Identical to the last bit, or within what another seed changes (--seeds measures that, later reproductions of the
    run find it): exit code 0. Different: exit code 1. What differs in code, packages and hardware is named in any
    case. An interrupted reproduction is begun again, not gone on with.
    """
    project = begun_project()

    from ctexp.experiments.reproducing.reproduce import reproduce_run
    from ctexp.searching.request import training_of_sweep

    _take_sigterm()
    report = reproduce_run(run, seeds, project, ConsoleWatch(), training_of_sweep)
    if json:
        print_json(report.as_json())
    else:
        _print_report(report)
    if report.verdict.word == "different":
        raise typer.Exit(1)


def _take_sigterm() -> None:
    """Treat SIGTERM, a batch system's way to end a job, like Ctrl-C."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)


def _print_report(report: "ReproductionReport") -> None:
    verdict = report.verdict
    _say(report.sentence)
    if verdict.word != "identical":
        _print_differences(report)
    if report.seeds and verdict.spread is not None:
        _print_spread(report, verdict.spread)
    print("Circumstances that differ:" if report.circumstances else "Circumstances: nothing recorded differs.")
    for difference in report.circumstances[:TOLD]:
        _say(f"  {difference}", 4)
    if len(report.circumstances) > TOLD:
        print(f"  and {len(report.circumstances) - TOLD} more; --json names them all")
    for doubt in report.doubts:
        _say(f"  {doubt}", 4)
    print(f"Run {report.run_id} reproduces {report.reproduces}")
    if report.synthetic:
        print("Synthetic scans: these numbers say nothing about patients.")
    print("Research software; not a medical device.")


def _print_differences(report: "ReproductionReport") -> None:
    verdict = report.verdict
    known = verdict.spread is not None
    print(f"{'metric':<20}      run    again   difference{'   two seeds' if known else ''}")
    for one in verdict.metrics:
        print(f"  {one.name:<18} {one.before:8.4f} {one.now:8.4f}   {one.difference:+10.2e}{_limit(one, known)}")
    same = "none" if verdict.same_epochs == 0 else f"the first {verdict.same_epochs}"
    print(f"Of {verdict.epochs} epochs {same} are equal to the last bit")
    if verdict.scans:
        print(f"Probabilities of {verdict.scans} validation scans: largest difference {verdict.largest:.2g}")
    if verdict.unequal:
        _say(f"Logged numbers that are not equal: {', '.join(verdict.unequal)}")
    if verdict.spread is not None and not report.seeds:
        print(f"Spread: {verdict.spread.seeds} seeds, measured by run {verdict.spread.run_id}")


def _limit(one: "MetricPair", known: bool) -> str:
    if not known:
        return ""
    return f"  up to {one.limit:.3f}" if one.limit is not None else "     unknown"


def _print_spread(report: "ReproductionReport", spread: "Spread") -> None:
    title = f"{spread.seeds} other seeds ({report.seed + 1} to {report.seed + spread.seeds})"
    print(f"{title:<24}     mean      sd   range             two seeds")
    for name, one in spread.metrics.items():
        most = one.limit if name == "val_loss" else min(one.limit, 1.0)  # the others lie between 0 and 1
        print(f"  {name:<22} {one.mean:8.4f} {one.deviation:7.4f}   {one.low:.4f} to {one.high:.4f}  up to {most:.3f}")
    _say("Seeds of weights, order and augmentation; the split is the run's. Two seeds: by how much two trainings "
         "differ at most in 19 of 20 cases (2.8 sd, ISO 5725-6).")  # fmt: skip


def _say(text: str, indent: int = 2) -> None:
    start = text[: len(text) - len(text.lstrip())]
    print(textwrap.fill(text.strip(), WIDTH, initial_indent=start, subsequent_indent=" " * indent))
