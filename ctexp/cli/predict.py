"""`ctexp predict`."""

import csv
import enum
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from ctexp.cli.console import ConsoleWatch, print_json
from ctexp.cli.store import begun_project
from ctexp.errors import InputError

if TYPE_CHECKING:
    from ctexp.registry.answer import Answer, Prediction

_COLUMNS = ("path", "normal", "abnormal", "label", "threshold", "spread", "quality", "findings", "forced", "model",
            "version", "synthetic", "heat_map", "picture", "error")  # fmt: skip


class ExplainMethod(enum.StrEnum):
    """How a heat map is made."""

    contrast = "contrast"
    gradcam = "gradcam"
    occlusion = "occlusion"


class Format(enum.StrEnum):
    """How answers are written."""

    text = "text"
    json = "json"
    csv = "csv"


def predict(
    scans: Annotated[
        list[Path],
        typer.Argument(
            metavar="SCAN",
            help="NIfTI files; DICOM folders, .zip or files; - reads them from standard input, one a line.",
            show_default=False,
        ),
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
    explain: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write a heat map (NIfTI) and a picture (PNG) of each scan into this folder."),
    ] = None,
    explain_method: Annotated[
        ExplainMethod, typer.Option(help="How the heat map is made; occlusion takes up to a minute a scan.")
    ] = ExplainMethod.contrast,
) -> None:
    """Ask the registered network about scans.

    What is no readable chest CT in HU is refused with the reason; what is unlike the training scans is answered with a
    warning.
    """
    paths = _read_paths(scans)
    project = begun_project(answering=False, offline=offline)

    from ctexp.experiments.answering.predict import answer_scans, load_model
    from ctexp.scans.read import ReadOptions

    network = load_model(model, project, offline=offline)
    watch = ConsoleWatch()
    if network.version.note:
        watch.say(network.version.note)
    explanations = None
    if explain:
        from ctexp.experiments.answering.explanations import ExplanationFolder

        explanations = ExplanationFolder(
            explain, method=explain_method.value, inputs=paths, say=watch.say, stage=watch.stage
        )
    answers = answer_scans(
        network,
        paths,
        options=ReadOptions(series, allow_gaps),
        force=force,
        say=watch.say,
        explanations=explanations,
    )
    writer = _Json() if format is Format.json else _Csv() if format is Format.csv else _text_writer(paths)
    failed = False
    count = watch.stage("answered")
    for number, answer in enumerate(answers, start=1):
        watch.clear()
        writer.write(answer)
        failed = failed or answer.error is not None
        if len(paths) > 1:
            count(number, len(paths))
    writer.end()
    if failed:
        raise typer.Exit(1)


def _read_paths(scans: list[Path]) -> list[Path]:
    """Put the lines of standard input where a `-` stands.

    Raises:
        InputError: it has none.
    """
    paths: list[Path] = []
    for scan in scans:
        if str(scan) != "-":
            paths.append(scan)
            continue
        lines = [os.fsdecode(line.rstrip(b"\r\n")) for line in sys.stdin.buffer]
        paths += [Path(line) for line in lines if line.strip()]
    if not paths:
        raise InputError("standard input: must name a scan a line, it is empty")
    return paths


class _Writer(Protocol):
    """Writes answers as they come."""

    def write(self, answer: "Answer") -> None:
        """Write one."""

    def end(self) -> None:
        """Write what comes after the last."""


class _Json:
    """One list, when all are there."""

    def __init__(self) -> None:
        self._answers: list[dict[str, Any]] = []

    def write(self, answer: "Answer") -> None:
        self._answers.append(answer.as_json())

    def end(self) -> None:
        print_json(self._answers)


class _Csv:
    """A row a scan."""

    def __init__(self) -> None:
        self._rows = csv.DictWriter(sys.stdout, _COLUMNS, lineterminator="\n")
        self._rows.writeheader()

    def write(self, answer: "Answer") -> None:
        row: dict[str, Any] = {"path": answer.path, "error": answer.error or ""}
        row |= {"model": answer.model.name, "version": answer.model.version, "synthetic": str(answer.synthetic).lower()}
        if answer.prediction is not None:
            row |= {**answer.prediction.as_row(), "forced": str(answer.forced).lower()}
        if answer.quality is not None:
            found = "; ".join(one.text for one in answer.quality.findings)
            row |= {"quality": answer.quality.verdict, "findings": found}
        if answer.explanation is not None:
            row |= {"heat_map": answer.explanation.heat_map, "picture": answer.explanation.picture}
        self._rows.writerow(row)
        sys.stdout.flush()

    def end(self) -> None:
        pass


class _Sentences:
    """Sentences, for one scan."""

    def write(self, answer: "Answer") -> None:
        if answer.prediction is None:
            print(f"error: {answer.error}", file=sys.stderr)
            return
        for word in ("normal", "abnormal"):
            percent = 100 * getattr(answer.prediction, word)
            print(f"This model is {percent:.2f} percent confident that CT scan is {word}")
        lines = [*_doubts(answer), *_networks_lines(answer.prediction), *_explained_lines(answer), _model_line(answer)]
        for line in lines:
            print(line)

    def end(self) -> None:
        pass


class _Table:
    """A line a scan, for several."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._last: Answer | None = None
        self._prediction: Prediction | None = None
        print(f"{'scan':<{width}}  normal  abnormal  label     quality")

    def write(self, answer: "Answer") -> None:
        self._last = answer
        self._prediction = self._prediction or answer.prediction
        name = f"{answer.path:<{self._width}}"
        if answer.prediction is None:
            print(f"{name}       -         -  error     -", flush=True)
            print(f"error: {answer.error}", file=sys.stderr)
            return
        one = answer.prediction
        verdict = "forced" if answer.forced else one.quality.verdict
        print(f"{name}  {one.normal:6.4f}  {one.abnormal:8.4f}  {one.label:<8}  {verdict}", flush=True)
        for line in (*_doubts(answer), *_explained_lines(answer)):
            print(f"  {line}")

    def end(self) -> None:
        for line in _networks_lines(self._prediction, with_spread=False):
            print(line)
        if self._last:
            print(_model_line(self._last))


def _text_writer(paths: list[Path]) -> _Writer:
    return _Sentences() if len(paths) == 1 else _Table(max(len("scan"), *(len(str(path)) for path in paths)))


def _doubts(answer: "Answer") -> list[str]:
    if answer.quality is None:
        return []
    lines = [f"Warning: {one.text}" for one in answer.quality.findings]
    if answer.forced:
        lines.insert(0, "Warning: this is no readable chest CT; it was answered because of --force, believe nothing")
    return lines


def _explained_lines(answer: "Answer") -> list[str]:
    files = answer.explanation
    return [f"Explained in {files.picture} and {files.heat_map}"] if files else []


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
