"""`ctexp predict`."""

import csv
import dataclasses
import enum
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctexp.cli.console import print_json

if TYPE_CHECKING:
    from ctexp.experiments.predict import Answer


class Format(enum.StrEnum):
    """How answers are written."""

    text = "text"
    json = "json"
    csv = "csv"


def predict(
    scans: Annotated[list[Path], typer.Argument(metavar="SCAN...", help="NIfTI files.", show_default=False)],
    model: Annotated[
        str | None,
        typer.Option(metavar="REF", help="NAME@ALIAS, models:/NAME/VERSION or a run id; default the champion."),
    ] = None,
    format: Annotated[Format, typer.Option(help="How to write the answers.")] = Format.text,
) -> None:
    """Ask the registered network about scans."""
    from ctexp.experiments.predict import answer_scans
    from ctexp.project import find_project

    answers = answer_scans(scans, model, find_project())
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
    for finding in answer.prediction.quality.findings:
        print(f"Doubt about the scan: {finding}")
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
        print(f"{answer.path!s:<{width}}  {numbers}  {one.label:<8}  {one.quality.verdict}")
    print(_model_line(answers[0]))


def _model_line(answer: "Answer") -> str:
    synthetic = "; trained on synthetic scans, it says nothing about patients" if answer.synthetic else ""
    return f"Model {answer.model.name} version {answer.model.version}{synthetic}. Not a medical device."


def _print_csv(answers: "list[Answer]") -> None:
    columns = ["path", "normal", "abnormal", "label", "quality", "findings", "model", "version", "synthetic", "error"]
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    for answer in answers:
        row: dict[str, Any] = {"path": answer.path, "error": answer.error or ""}
        row |= {"model": answer.model.name, "version": answer.model.version, "synthetic": str(answer.synthetic).lower()}
        if answer.prediction is not None:
            values = dataclasses.asdict(answer.prediction)
            quality = values.pop("quality")
            row |= {**values, "quality": quality["verdict"], "findings": "; ".join(quality["findings"])}
        writer.writerow(row)
