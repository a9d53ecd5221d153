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
    from ctexp.experiments.train import TrainingReport


_METRICS = {
    "auc": "AUC",
    "accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "auc_mean_hu": "AUC of mean HU, no network",
    "auc_lung_hu": "AUC of lung's mean HU, same",
}


def train(
    data: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE", help="phantom, mosmed, a folder with one sub-folder a class, or a CSV manifest."
        ),
    ] = None,
    preset: Annotated[str | None, typer.Option(metavar="NAME", help="default, published or smoke.")] = None,
    epochs: Annotated[int | None, typer.Option(metavar="N", help="Passes over the training scans.")] = None,
    filters: Annotated[str | None, typer.Option(metavar="16,32,64,128", help="Filters of each block.")] = None,
    dropout: Annotated[float | None, typer.Option(metavar="F", help="Share of dense outputs dropped.")] = None,
    learning_rate: Annotated[float | None, typer.Option(metavar="F", help="Adam's learning rate.")] = None,
    batch_size: Annotated[int | None, typer.Option(metavar="N", help="Scans a step.")] = None,
    shape: Annotated[
        str | None, typer.Option(metavar="128,128,64", help="Rows, columns and slices of the input.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Of split, weights, order and augmentation.")] = None,
    name: Annotated[str | None, typer.Option(metavar="TEXT", help="Name of the run.")] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="TOML file of settings over the preset.")] = None,
    positive: Annotated[str | None, typer.Option(metavar="CLASS", help="Your name of the abnormal class.")] = None,
    skip_bad: Annotated[bool, typer.Option(help="Go on without scans that cannot be used.")] = False,
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
        given = [value for value in (data, preset, name, config, positive, *options.values()) if value is not None]
        check(not given and not skip_bad, "--resume", "given alone, the run keeps its own settings", given)
        report = _killable(lambda: resume_training(resume, find_project(), watch))
    else:
        file = (str(config), read_settings_file(config)) if config else None
        chosen, experiment = compose(preset, file, options)
        request = TrainingRequest(experiment, data, positive, skip_bad, name, chosen)
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
    narrate("Next: `mlflow ui` shows the run, `ctexp predict SCAN` asks the champion.")
