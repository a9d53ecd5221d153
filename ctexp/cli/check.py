"""`ctexp data check`."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctexp.cli.console import WIDTH, ConsoleWatch, narrate, print_json

if TYPE_CHECKING:
    from ctexp.experiments.viewing.check import Checked, Report

NAME = 19


def check(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE", help="As for `ctexp train`; or scans, or a folder of scans.", show_default=False
        ),
    ],
    positive: Annotated[str | None, typer.Option(metavar="CLASS", help="Your name of the abnormal class.")] = None,
    pictures: Annotated[Path | None, typer.Option(metavar="DIR", help="Draw contact sheets into this folder.")] = None,
    series: Annotated[str | None, typer.Option(metavar="NUMBER", help="DICOM series to read: number or UID.")] = None,
    allow_gaps: Annotated[bool, typer.Option(help="Interpolate missing DICOM slices where that is sound.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")] = False,
) -> None:
    """Read every scan of a collection once and say what is wrong with it, the worst first."""
    from ctexp.experiments.viewing.check import check_scans
    from ctexp.project import find_project
    from ctexp.scans.read import ReadOptions

    report = check_scans(
        sources,
        find_project(),
        options=ReadOptions(series, allow_gaps),
        positive=positive,
        pictures=pictures,
        progress=ConsoleWatch().stage,
    )
    if json:
        print_json(report.as_json())
    else:
        _print_report(report)
    for warning in report.warnings:
        narrate(textwrap.fill(f"Warning: {warning}", WIDTH, break_on_hyphens=False, break_long_words=False))
    if report.pages:
        narrate(f"written: {report.pages[0]}" + (f" to {report.pages[-1].name}" if len(report.pages) > 1 else ""))
    if not report.sound:
        raise typer.Exit(1)


def _print_report(report: "Report") -> None:
    from ctexp.experiments.viewing.check import finding_lines

    print(f"{'verdict':<10} {'scan':<{NAME}} {'shape':<13} {'mm':<13} {'HU':<12} {'pad':>3}  as")
    for one in report.scans:
        print(_row(one))
        for line in finding_lines(one):
            print(textwrap.fill(line, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False))
    if report.labels:
        print("labels: " + ", ".join(f"{count} {word}" for word, count in report.labels.items()))
    counts = report.counts
    print(
        f"{len(report.scans)} scans: {counts['ok']} ok, {counts['warn']} warned of, {counts['refuse']} refused, "
        f"{counts['unreadable']} unreadable; duplicates: {counts['duplicates']}"
    )


def _row(one: "Checked") -> str:
    name = "/".join(one.path.parts[-2:])
    name = name if len(name) <= NAME else "…" + name[1 - NAME :]
    if one.facts is None:
        return f"{one.mark:<10} {name}"
    facts = one.facts
    shape = "x".join(map(str, facts.shape))
    spacing = "x".join(f"{mm:.2g}" for mm in facts.spacing_mm)
    hu = f"{facts.hu[0]:.0f}..{facts.hu[1]:.0f}"
    padding = f"{100 * facts.padding:3.0f}%"
    return f"{one.mark:<10} {name:<{NAME}} {shape:<13} {spacing:<13} {hu:<12} {padding} {facts.orientation}".rstrip()
