"""`ctexp predict`."""

import csv
import enum
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctexp.cli.console import narrate, print_json

if TYPE_CHECKING:
    from ctexp.experiments.predict import Answer


class Format(enum.StrEnum):
    """How answers are written."""

    text = "text"
    json = "json"
    csv = "csv"


def predict(
    scans: Annotated[
        list[Path],
        typer.Argument(metavar="SCAN...", help="NIfTI files; DICOM folders, .zip or files.", show_default=False),
    ],
    model: Annotated[
        str | None,
        typer.Option(metavar="REF", help="NAME@ALIAS, models:/NAME/VERSION or a run id; default the champion."),
    ] = None,
    format: Annotated[Format, typer.Option(help="How to write the answers.")] = Format.text,
    series: Annotated[str | None, typer.Option(metavar="NUMBER", help="DICOM series to read: number or UID.")] = None,
    allow_gaps: Annotated[bool, typer.Option(help="Interpolate missing DICOM slices where that is sound.")] = False,
    force: Annotated[bool, typer.Option(help="Answer, with a warning, on what is no readable chest CT, too.")] = False,
) -> None:
    """Ask the registered network about scans.

    What is no readable chest CT in HU is refused with the reason; what is unlike the training scans is answered with a
    warning.
    """
    from ctexp.experiments.predict import answer_scans
    from ctexp.project import find_project
    from ctexp.scans.read import ReadOptions

    answers = answer_scans(
        scans, model, find_project(), options=ReadOptions(series, allow_gaps), say=narrate, force=force
    )
    if format is Format.json:
        print_json([answer.as_json() for answer in answers])
    elif format is Format.csv:
        _print_csv(answers)
    elif len(answers) == 1:
        _print_sentences(answers[0])
    else:
        _print_table(answers)
    if any(answer.error for answer in answers):
        raise typer.Exit(1)


def _print_sentences(answer: "Answer") -> None:
    if answer.prediction is None:
        print(f"error: {answer.error}", file=sys.stderr)
        return
    for word in ("normal", "abnormal"):
        percent = 100 * getattr(answer.prediction, word)
        print(f"This model is {percent:.2f} percent confident that CT scan is {word}")
    for line in _doubts(answer):
        print(line)
    print(_model_line(answer))


def _print_table(answers: "list[Answer]") -> None:
    width = max(len("scan"), *(len(str(answer.path)) for answer in answers))
    print(f"{'scan':<{width}}  normal  abnormal  label     quality")
    for answer in answers:
        if answer.prediction is None:
            print(f"{answer.path!s:<{width}}       -         -  error     -")
            print(f"error: {answer.error}", file=sys.stderr)
            continue
        one = answer.prediction
        numbers = f"{one.normal:6.4f}  {one.abnormal:8.4f}"
        print(
            f"{answer.path!s:<{width}}  {numbers}  {one.label:<8}  {'forced' if answer.forced else one.quality.verdict}"
        )
        for line in _doubts(answer):
            print(f"  {line}")
    print(_model_line(answers[0]))


def _doubts(answer: "Answer") -> list[str]:
    if answer.quality is None:
        return []
    lines = [f"Warning: {one.text}" for one in answer.quality.findings]
    if answer.forced:
        lines.insert(0, "Warning: this is no readable chest CT; it was answered because of --force, believe nothing")
    return lines


def _model_line(answer: "Answer") -> str:
    synthetic = "; trained on synthetic scans, it says nothing about patients" if answer.synthetic else ""
    return f"Model {answer.model.name} version {answer.model.version}{synthetic}. Not a medical device."


def _print_csv(answers: "list[Answer]") -> None:
    columns = ["path", "normal", "abnormal", "label", "quality", "findings", "forced", "model", "version",
               "synthetic", "error"]  # fmt: skip
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    for answer in answers:
        row: dict[str, Any] = {"path": answer.path, "error": answer.error or ""}
        row |= {"model": answer.model.name, "version": answer.model.version, "synthetic": str(answer.synthetic).lower()}
        if answer.prediction is not None:
            row |= {**answer.prediction.as_row(), "forced": str(answer.forced).lower()}
        if answer.quality is not None:
            found = "; ".join(one.text for one in answer.quality.findings)
            row |= {"quality": answer.quality.verdict, "findings": found}
        writer.writerow(row)
