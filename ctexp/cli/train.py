"""`ctexp train`."""

import dataclasses
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctexp.cli.console import ConsoleWatch, folded, narrate, print_json
from ctexp.cli.metrics_table import METRICS, print_metrics
from ctexp.cli.predict import point_words
from ctexp.cli.store import begun_project
from ctexp.config import check
from ctexp.errors import ConfigError
from ctexp.learning.doubts import too_narrow

if TYPE_CHECKING:
    from ctexp.experiments.request import Final
    from ctexp.experiments.training.learn import TrainingReport

FEW_SCANS = 30
"""Below this a 95 % interval of an accuracy spans a quarter of the scale and more."""


def train(
    data: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE", help="phantom, mosmed, a folder with one sub-folder a class, or a CSV manifest."
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="default (the lungs), whole (scans), published (keras.io's), smoke."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(metavar="N", help="Passes over the training scans.")] = None,
    filters: Annotated[str | None, typer.Option(metavar="16,32,64,128", help="Filters of each block.")] = None,
    dropout: Annotated[float | None, typer.Option(metavar="F", help="Share of dense outputs dropped.")] = None,
    learning_rate: Annotated[float | None, typer.Option(metavar="F", help="Adam's learning rate.")] = None,
    batch_size: Annotated[int | None, typer.Option(metavar="N", help="Scans a step.")] = None,
    shape: Annotated[
        str | None, typer.Option(metavar="128,128,64", help="Rows, columns and slices of the input.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seed of split, weights, order, augmentation.")] = None,
    sensitivity: Annotated[
        float | None, typer.Option(metavar="F", help="Call abnormal from where so many abnormal scans are found on.")
    ] = None,
    folds: Annotated[int | None, typer.Option(metavar="K", help="Cross-validate in K folds.")] = None,
    repeats: Annotated[int | None, typer.Option(metavar="R", help="Deal the folds anew R times.")] = None,
    final: Annotated[
        str | None, typer.Option(metavar="ensemble|retrain", help="What to register after folds; default ensemble.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="TEXT", help="Name of the run.")] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="TOML file of settings over the preset.")] = None,
    positive: Annotated[str | None, typer.Option(metavar="CLASS", help="Your name of the abnormal class.")] = None,
    skip_bad: Annotated[bool, typer.Option(help="Go on without scans that cannot be used.")] = False,
    allow_gaps: Annotated[bool, typer.Option(help="Interpolate missing DICOM slices where that is sound.")] = False,
    resume: Annotated[str | None, typer.Option(metavar="RUN_ID", help="Go on with an interrupted run.")] = None,
    force: Annotated[
        bool, typer.Option(help="With --resume: the run was begun on another machine, and you know that it ended.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")] = False,
) -> None:
    """Train a network, log it to MLflow and register it."""
    from ctexp.experiments.request import TrainingRequest, compose
    from ctexp.overrides import read_settings_file
    from ctexp.project import find_project

    options = {
        "training.epochs": epochs,
        "network.filters": _numbers(filters, "--filters"),
        "network.dropout": dropout,
        "training.learning_rate": learning_rate,
        "training.batch_size": batch_size,
        "scan.shape": _numbers(shape, "--shape"),
        "seed": seed,
        "answer.sensitivity": sensitivity,
    }
    dealing = {"--folds": folds, "--repeats": repeats, "--final": final}
    watch = ConsoleWatch()
    if resume is not None:
        others = {"--data": data, "--preset": preset, "--name": name, "--config": config, "--positive": positive}
        given = [key for key, value in (others | dealing | options).items() if value is not None]
        alone = not (given or skip_bad or allow_gaps)
        check(alone, "--resume", "given alone, the run keeps its own settings", ", ".join(given))
        project = begun_project()

        from ctexp.experiments.training.train import resume_training

        report = _killable(lambda: resume_training(resume, project, watch, force=force))
    else:
        check(not force, "--force", "given with --resume", "no --resume")
        file = (str(config), read_settings_file(config)) if config else None
        chosen, experiment = compose(preset, file, options)
        for option, value in dealing.items():
            check(value is None or folds is not None, option, "given with --folds", value)
        request = TrainingRequest(
            experiment, data, positive, skip_bad, name, chosen, allow_gaps, folds or 0, repeats or 1, _final(final)
        )
        from ctexp.experiments.training.train import run_training

        report = _killable(lambda: run_training(request, find_project(), watch))
    if json:
        print_json(dataclasses.asdict(report))
    else:
        _print_report(report)


def _numbers(text: str | None, place: str) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(word) for word in text.split(",")]
    except ValueError as error:
        raise ConfigError(f"{place}: must be whole numbers with commas between them, got {text!r}") from error


def _final(text: str | None) -> "Final":
    check(text in (None, "ensemble", "retrain"), "--final", "ensemble or retrain", text)
    return "retrain" if text == "retrain" else "ensemble"


def _killable(work: "Callable[[], TrainingReport]") -> "TrainingReport":
    """Treat SIGTERM, a batch system's way to end a job, like Ctrl-C."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)
    return work()


def _print_report(report: "TrainingReport") -> None:
    crossed = report.cross_validation
    ensemble = crossed is not None and crossed["final"] == "ensemble"
    which = f"{len(report.folds)} networks, one a fold" if ensemble else (
        f"Saved network: epoch {report.best_epoch} of {report.epochs}"
    )  # fmt: skip
    print(f"{which}, {report.parameters:,} weights, {report.seconds:.0f} s in all")
    if crossed is not None:
        _print_folds(report, crossed)
    held = _held(report)
    title = f"Out-of-fold ({held} scans)" if ensemble else f"Validation ({held} scans)"
    print_metrics(title, report.metrics)
    _print_answer(report)
    model = report.model
    print(folded(f"Registered as {model['name']} version {model['version']}, @{model['alias']} (run {report.run_id})"))
    if report.data["synthetic"]:
        print("Trained on synthetic scans: this network says nothing about patients.")
    for doubt in _doubts(report):
        print(doubt)
    asks = "" if model["alias"] == "champion" else f" --model {model['name']}@{model['alias']}"
    narrate(f"Next: `mlflow ui` shows the run, `ctexp predict SCAN{asks}` asks this network.")


def _held(report: "TrainingReport") -> int:
    """Count the scans that the quoted metrics rest on."""
    return int(report.answer["scans"])


def _patients(report: "TrainingReport") -> int:
    """Count the patients behind the quoted metrics: of an ensemble all outside the locked test, which are disjoint."""
    patients = report.data["patients"]
    sides = ("validation",) if report.answer["side"] == "validation" else ("train", "validation")
    return sum(int(patients[side]) for side in sides)


def _print_folds(report: "TrainingReport", crossed: "dict[str, Any]") -> None:
    times = f", dealt {crossed['repeats']} times" if crossed["repeats"] > 1 else ""
    title = f"Cross-validation ({crossed['folds']} folds{times})"
    print(f"{title:<31} mean    standard error")
    for key in ("auc", "accuracy", "sensitivity", "specificity"):
        if key in crossed["mean"]:
            print(f"  {METRICS[key]:<29} {crossed['mean'][key]['value']:.3f}   {crossed['mean'][key]['error']:.3f}")


def _print_answer(report: "TrainingReport") -> None:
    metrics, point = report.metrics, report.answer["operating_point"]
    if point is not None:
        print(point_words(report.answer["threshold"], point))
    judged = '"calibrated" is cross-fitted' if "val_brier_after" in metrics else "too few patients to judge it"
    print(f"Calibrated on these scans: temperature {metrics['temperature']:.2f}; {judged}")


def _doubts(report: "TrainingReport") -> list[str]:
    """Say what a reader of the table should not overlook."""
    doubts = []
    metrics = report.metrics
    held = _held(report)
    if held < FEW_SCANS:
        doubts.append(f"Only {held} {report.answer['side']} scans: read the intervals, not the values.")
    doubts += too_narrow(_patients(report), held)
    if metrics["val_auc"] <= max(metrics.get("val_auc_mean_hu", 0.0), metrics.get("val_auc_lung_hu", 0.0)):
        doubts.append("A threshold on mean HU orders these scans at least as well: the network adds nothing here.")
    if metrics.get("val_sensitivity") == 0 or metrics.get("val_specificity") == 0:
        doubts.append("The network gives every validation scan the same label.")
    return doubts
