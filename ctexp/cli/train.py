"""`ctexp train`."""

import dataclasses
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctexp.cli.console import ConsoleWatch, narrate, print_json
from ctexp.config import check
from ctexp.errors import ConfigError

if TYPE_CHECKING:
    from ctexp.experiments.learn import TrainingReport


FEW_SCANS = 30
"""Below this a 95 % interval of an accuracy spans a quarter of the scale and more."""
_METRICS = {
    "auc": "AUC",
    "accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "auc_mean_hu": "no network: AUC of mean HU",
    "auc_lung_hu": "no network: AUC of lung's HU",
}


def train(
    data: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE", help="phantom, mosmed, a folder with one sub-folder a class, or a CSV manifest."
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="default (64x64x32, a minute), published (keras.io's), smoke (seconds)."),
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
    name: Annotated[str | None, typer.Option(metavar="TEXT", help="Name of the run.")] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="TOML file of settings over the preset.")] = None,
    positive: Annotated[str | None, typer.Option(metavar="CLASS", help="Your name of the abnormal class.")] = None,
    skip_bad: Annotated[bool, typer.Option(help="Go on without scans that cannot be used.")] = False,
    allow_gaps: Annotated[bool, typer.Option(help="Interpolate missing DICOM slices where that is sound.")] = False,
    resume: Annotated[str | None, typer.Option(metavar="RUN_ID", help="Go on with an interrupted run.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")] = False,
) -> None:
    """Train a network, log it to MLflow and register it."""
    from ctexp.experiments.request import TrainingRequest, compose
    from ctexp.experiments.train import resume_training, run_training
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
    }
    watch = ConsoleWatch()
    if resume is not None:
        others = {"--data": data, "--preset": preset, "--name": name, "--config": config, "--positive": positive}
        given = [key for key, value in (others | options).items() if value is not None]
        alone = not (given or skip_bad or allow_gaps)
        check(alone, "--resume", "given alone, the run keeps its own settings", ", ".join(given))
        report = _killable(lambda: resume_training(resume, find_project(), watch))
    else:
        file = (str(config), read_settings_file(config)) if config else None
        chosen, experiment = compose(preset, file, options)
        request = TrainingRequest(experiment, data, positive, skip_bad, name, chosen, allow_gaps)
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


def _killable(work: "Callable[[], TrainingReport]") -> "TrainingReport":
    """Treat SIGTERM, a batch system's way to end a job, like Ctrl-C."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)
    return work()


def _print_report(report: "TrainingReport") -> None:
    print(f"Saved network: epoch {report.best_epoch} of {report.epochs}, {report.parameters:,} weights, "
          f"{report.seconds:.0f} s in all")  # fmt: skip
    held = sum(report.data["split"]["validation"].values())
    print(f"Validation ({held} scans){'':<14}value   95 % interval")
    for key, words in _METRICS.items():
        value = report.metrics.get(f"val_{key}")
        if value is not None:
            low, high = report.metrics[f"val_{key}_low"], report.metrics[f"val_{key}_high"]
            print(f"  {words:<29} {value:.3f}   {low:.3f} to {high:.3f}")
    model = report.model
    print(f"Registered as {model['name']} version {model['version']}, @{model['alias']} (run {report.run_id})")
    if report.data["synthetic"]:
        print("Trained on synthetic scans: this network says nothing about patients.")
    for doubt in _doubts(report):
        print(doubt)
    asks = "" if model["alias"] == "champion" else f" --model {model['name']}@{model['alias']}"
    narrate(f"Next: `mlflow ui` shows the run, `ctexp predict SCAN{asks}` asks this network.")


def _doubts(report: "TrainingReport") -> list[str]:
    """Say what a reader of the table should not overlook."""
    doubts = []
    metrics = report.metrics
    held = sum(report.data["split"]["validation"].values())
    if held < FEW_SCANS:
        doubts.append(f"Only {held} validation scans: read the intervals, not the values.")
    if metrics["val_auc"] <= max(metrics.get("val_auc_mean_hu", 0.0), metrics.get("val_auc_lung_hu", 0.0)):
        doubts.append("A threshold on mean HU orders these scans as well: the network adds nothing here.")
    if metrics.get("val_sensitivity") == 0 or metrics.get("val_specificity") == 0:
        doubts.append("The network gives every validation scan the same label.")
    return doubts
