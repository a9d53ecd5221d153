"""`ctexp sweep`."""

import contextlib
import signal
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from ctexp.cli.console import WIDTH, folded, narrate, print_json
from ctexp.cli.metrics_table import print_metrics
from ctexp.cli.sweep_console import SweepConsole, brief, say_stopping
from ctexp.config import check

if TYPE_CHECKING:
    from ctexp.searching.finish import SweepReport


def sweep(
    name_or_file: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME_OR_FILE", help="A sweep of sweeps/ by its name, or a TOML file.", show_default="default"
        ),
    ] = None,
    trials: Annotated[int | None, typer.Option(metavar="N", help="Configurations to try.")] = None,
    algorithm: Annotated[str | None, typer.Option(metavar="NAME", help="random, bayesian, hyperband or grid.")] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Trials at a time; one a GPU, or by the cores.")
    ] = None,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Run on a Ray cluster; local starts one here.")
    ] = None,
    folds: Annotated[int | None, typer.Option(metavar="K", help="Score each trial by K-fold cross-validation.")] = None,
    data: Annotated[str | None, typer.Option(metavar="SOURCE", help="As for `ctexp train`.")] = None,
    preset: Annotated[str | None, typer.Option(metavar="NAME", help="Settings that the space varies.")] = None,
    epochs: Annotated[int | None, typer.Option(metavar="N", help="Epochs of a whole trial.")] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Seed of the search, and of split, weights and order.")
    ] = None,
    positive: Annotated[str | None, typer.Option(metavar="CLASS", help="Your name of the abnormal class.")] = None,
    skip_bad: Annotated[bool, typer.Option(help="Go on without scans that cannot be used.")] = False,
    allow_gaps: Annotated[bool, typer.Option(help="Interpolate missing DICOM slices where that is sound.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the latest sweep; with --trials, extend it.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Go on with one of another machine that counts as running, if sure it is not."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the file, print plan and first trials, train nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")] = False,
) -> None:
    """Search hyperparameters: train trials, log them to MLflow, register the chosen network."""
    from ctexp.project import find_project
    from ctexp.searching.definition import SweepOptions, read_definition

    project = find_project()
    options = SweepOptions(
        trials=trials, algorithm=algorithm, folds=folds, preset=preset, epochs=epochs, seed=seed  # type: ignore[arg-type]
    )  # fmt: skip
    wishes = {"file": name_or_file, "algorithm": algorithm, "folds": folds, "preset": preset, "epochs": epochs,
              "seed": seed, "data": data, "positive": positive, "skip_bad": skip_bad or None,
              "allow_gaps": allow_gaps or None}  # fmt: skip
    typed = [name for name, value in wishes.items() if value is not None]
    latest = resume and not typed
    check(resume or not force, "--force", "given with --resume", "no --resume")
    check(not (resume and dry_run), "--dry-run", "without --resume", "both")
    definition = None if latest else read_definition(name_or_file, project, options)
    if dry_run:
        from ctexp.cli.sweep_plan import plan_json, plan_text
        from ctexp.datasets.sources import find_source

        assert definition is not None  # noqa: S101 - only --resume goes without
        source = find_source(data, project).name
        print_json(plan_json(definition, source)) if json else print(plan_text(definition, source))
        return

    from ctexp.searching.request import SweepRequest
    from ctexp.searching.staff import Staff
    from ctexp.searching.study import default_lag
    from ctexp.searching.sweep import resume_sweep, run_sweep

    staff = Staff(workers, ray)
    watch = SweepConsole()
    request = None
    if definition is not None:
        request = SweepRequest(definition, default_lag(staff.count()), data, positive, skip_bad, allow_gaps)
    stopping = _on_interrupt(watch)
    with contextlib.redirect_stdout(sys.stderr):  # Ray prints what becomes of its nodes, and stdout is for the answer
        report = None
        if resume:
            report = resume_sweep(request, trials, project, watch, staff, stopping.is_set, typed=typed, force=force)
        if report is None:
            if resume:
                watch.say("no such sweep was begun yet: this one begins")
            assert request is not None  # noqa: S101 - without one, resume_sweep has refused
            report = run_sweep(request, project, watch, staff, stopping.is_set)
    print_json(report.as_json()) if json else _print_report(report)


def _on_interrupt(watch: SweepConsole) -> threading.Event:
    """Let the first Ctrl-C or SIGTERM ask for an end after the epoch, and the second end everything at once.

    Before trials begin, while scans are prepared, there is no epoch to wait for: the first ends it.
    """
    wished = threading.Event()

    def stop(number: int, frame: object) -> None:
        if wished.is_set() or not watch.has_begun:
            raise KeyboardInterrupt
        wished.set()
        say_stopping()

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
    return wished


def _print_report(report: "SweepReport") -> None:
    sign = -1.0 if report.metric != "val_loss" else 1.0
    ranked = sorted(report.trials, key=lambda one: (one.score is None, sign * (one.score or 0.0), one.number))
    rows = [f"{'trial':>5}  {'run':<8}  {'status':<8} {report.metric:>12}  {'± error':<7} {'epochs':>7} {'weights':>9}"]
    for one in ranked:
        score = f"{one.score:.3f}" if one.score is not None else "-"
        error = f"{one.error:.3f}" if one.error is not None else "-"
        weights = f"{one.weights:,}" if one.weights else "-"
        mark = ">" if one.number == report.chosen.number else " "
        epochs = f"{len(one.fold_scores)} folds" if one.fold_scores else str(len(one.curve))
        rows.append(f"{mark}{one.number:>4}  {one.run_id[:8]}  {one.status:<8} {score:>12}  {error:<7} {epochs:>7} "
                    f"{weights:>9}")  # fmt: skip
    settings = ["configuration", *(brief(one.configuration) for one in ranked)]
    fits = max(map(len, rows)) + 2 + max(map(len, settings)) <= WIDTH
    for row, words in zip(rows, settings, strict=True):
        print(f"{row}  {words}" if fits else folded(f"{row}\n       {words}"))
    if report.unbuildable:
        print(folded(f"Proposals that no network can be built of, and that cost no trial: {report.unbuildable}."))
    print(folded(f"Chosen: {report.reason}."))
    print_metrics(f"Validation ({report.training.answer['scans']} scans)", report.training.metrics)
    print("These scans chose it, so its numbers are slightly too good.")
    if report.importance:
        parts = sorted(report.importance.items(), key=lambda item: -item[1])
        print(folded("Importance (fANOVA): " + ", ".join(f"{key} {value:.2f}" for key, value in parts)))
    model = report.training.model
    print(
        folded(f"Registered as {model['name']} version {model['version']}, @{model['alias']} (sweep {report.run_id})")
    )
    if report.training.data["synthetic"]:
        print("Trained on synthetic scans: this network says nothing about patients.")
    narrate("Next: `mlflow ui` shows the sweep with its trials; report.html, among its artifacts, opens offline.")
