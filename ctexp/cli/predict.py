"""`ctexp predict`."""

import csv
import enum
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctexp.cli.console import narrate, print_json

if TYPE_CHECKING:
    from ctexp.registry.answer import Answer, Prediction


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
    offline: Annotated[
        bool, typer.Option(help="Where the store does not answer, ask the version that it named last.")
    ] = False,
) -> None:
    """Ask the registered network about scans.

    What is no readable chest CT in HU is refused with the reason; what is unlike the training scans is answered with a
    warning.
    """
    from ctexp.experiments.predict import answer_scans
    from ctexp.project import find_project
    from ctexp.scans.read import ReadOptions

    answers = answer_scans(
        scans,
        model,
        find_project(),
        options=ReadOptions(series, allow_gaps),
        say=narrate,
        force=force,
        offline=offline,
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
    for line in _networks_lines(answer.prediction):
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
    for line in _networks_lines(next((one.prediction for one in answers if one.prediction), None), with_spread=False):
        print(line)
    print(_model_line(answers[0]))


def _doubts(answer: "Answer") -> list[str]:
    if answer.quality is None:
        return []
    lines = [f"Warning: {one.text}" for one in answer.quality.findings]
    if answer.forced:
        lines.insert(0, "Warning: this is no readable chest CT; it was answered because of --force, believe nothing")
    return lines


def point_words(threshold: float, point: "Mapping[str, Any]") -> str:
    """Say from where on a scan is called abnormal, and what that was chosen for."""
    side = f"{point['scans']} {point['side']} scans"
    return f"Called abnormal from {100 * threshold:.1f} % on (sensitivity {point['wished_sensitivity']:g} on {side})"


def _networks_lines(prediction: "Prediction | None", *, with_spread: bool = True) -> list[str]:
    """Say how the label was made and how many networks answered, where that is not the usual."""
    lines = []
    if prediction is not None and prediction.operating_point is not None:
        lines.append(point_words(prediction.threshold, prediction.operating_point))
    if prediction is not None and prediction.spread is not None:
        spread = f", which differ by {100 * prediction.spread:.2f} percent (standard deviation)" if with_spread else ""
        lines.append(f"Mean of {prediction.networks} networks{spread}")
    return lines


def _model_line(answer: "Answer") -> str:
    synthetic = "; trained on synthetic scans, it says nothing about patients" if answer.synthetic else ""
    return f"Model {answer.model.name} version {answer.model.version}{synthetic}. Not a medical device."


def _print_csv(answers: "list[Answer]") -> None:
    columns = ["path", "normal", "abnormal", "label", "threshold", "spread", "quality", "findings", "forced", "model",
               "version", "synthetic", "error"]  # fmt: skip
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
