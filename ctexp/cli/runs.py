"""`ctexp runs list|show|compare`."""

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctexp.cli.console import WIDTH, narrate, print_json
from ctexp.cli.group import group
from ctexp.cli.store import open_to_read

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowEntity

    from ctexp.experiments.comparing.compare import Comparison
    from ctexp.experiments.comparing.listing import Listed
    from ctexp.learning.intervals import Estimate
    from ctexp.tracking.store import Store

app = group("List runs, show one, compare several.")
TOLD = 12
"""Scans on which runs disagree that are printed; --json has all."""
_STATUS = {"FINISHED": "done", "FAILED": "failed", "KILLED": "killed", "RUNNING": "runs", "SCHEDULED": "waits"}
_KINDS = {"training": "train", "evaluation": "eval", "reproduction": "repro"}
Ref = Annotated[str, typer.Argument(metavar="RUN", help="Run id, or at least 6 letters of it.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")]


@app.command("list")
def list_command(
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="The latest so many.")] = 20, json: Json = False
) -> None:
    """List trainings, sweeps and evaluations, the latest first."""
    store = open_to_read()

    from ctexp.experiments.comparing.listing import list_runs

    runs = list_runs(store, limit)
    if json:
        print_json({"runs": [one.as_json() for one in runs]})
        return
    print(f"{'id':<8} {'kind':<5} {'name':<12} {'status':<6} {'began, UTC':<11} {'AUC (95 %)':<17} {'n':>4} "
          f"{'data':<6} ver")  # fmt: skip
    for one in runs:
        print(_line(one))
    if not runs:
        narrate("No runs yet: begin with `ctexp train`.")


@app.command()
def show(run: Ref, json: Json = False) -> None:
    """Show settings, metrics with intervals, and what else a run keeps."""
    store = open_to_read()

    from ctexp.experiments.comparing.listing import find_run, versions_by_run

    found = find_run(store, run)
    version = versions_by_run(store).get(found.info.run_id, "")
    files = _files(store, found.info.run_id)
    if json:
        data = found.data
        print_json({"run_id": found.info.run_id, "name": found.info.run_name, "status": found.info.status,
                    "version": version or None, "params": dict(data.params), "metrics": dict(data.metrics),
                    "tags": dict(data.tags), "files": files})  # fmt: skip
    else:
        _print_run(found, version, files)


@app.command()
def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            help="Run ids, or at least 6 letters each; the first is the yardstick.",
            show_default=False,
        ),
    ],
    out: Annotated[Path | None, typer.Option(metavar="PNG", help="Draw a picture as well.")] = None,
    json: Json = False,
) -> None:
    """Compare runs: settings, metrics, paired tests on the same scans, and the scans they call differently."""
    store = open_to_read()

    from ctexp.experiments.comparing.compare import compare_runs
    from ctexp.experiments.comparing.comparison_picture import draw_comparison

    found = compare_runs(store, runs)
    if out is not None:
        draw_comparison(found, out)
        narrate(f"picture: {out}")
    if json:
        print_json(found.as_json())
    else:
        _print_comparison(found)


def _line(one: "Listed") -> str:
    numbers, scans = "-", ""
    if one.auc:
        numbers, scans = f"{one.auc.value:.3f}", str(one.auc.n or "")
        if one.auc.low == one.auc.low:
            numbers += f" {one.auc.low:.3f}-{one.auc.high:.3f}"
    kind = _KINDS.get(one.kind, one.kind)
    name = _name(one.name)
    if one.trials is not None:
        name = f"{one.trials} of {name.removeprefix('sweep ')}"
    source = _cut(Path(one.source).name, 6)
    return (f"{one.run_id[:8]} {kind:<5} {_cut(name, 12):<12} {_STATUS.get(one.status, one.status):<6} "
            f"{one.began:%m-%d %H:%M} {numbers:<17} {scans:>4} {source:<6} {one.version}").rstrip()  # fmt: skip


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _name(text: str | None) -> str:
    """Call a trial as its sweep's table does: `trial 0` for the run named `trial 000`."""
    return re.sub(r"^trial 0*(?=\d)", "trial ", text or "")


def _files(store: "Store", run_id: str) -> list[str]:
    """Name a run's files, folders opened once."""
    files = []
    for item in store.client.list_artifacts(run_id):
        inside = store.client.list_artifacts(run_id, item.path) if item.is_dir else [item]
        files += [one.path for one in inside]
    return sorted(files)


def _print_run(run: "MlflowEntity", version: str, files: list[str]) -> None:
    from ctexp.experiments.comparing.listing import began, estimates_of, kind_of

    tags = run.data.tags
    print(f"{kind_of(run)} {run.info.run_id} ({_name(run.info.run_name)})")
    print(f"{_STATUS.get(run.info.status, run.info.status)}, began {began(run):%Y-%m-%d %H:%M} UTC")
    if tags.get("ctexp.reason"):
        _say(f"ended early: {tags['ctexp.reason']}")
    if version:
        print(f"registered as version {version}")
    if "ctexp.evaluated.version" in tags:
        print(f"of {tags['ctexp.evaluated.model']} version {tags['ctexp.evaluated.version']}, run "
              f"{tags['ctexp.evaluated.run']}")  # fmt: skip
    estimates = estimates_of(run)
    if estimates:
        print(f"\n{'metric':<30}  value   95 % interval      n")
        for name, one in estimates.items():
            print(f"  {name:<28} {one.value:6.3f}   {_interval(one)} {one.n or '-':>6}")
    plain = {name: value for name, value in sorted(run.data.metrics.items())
             if name not in estimates and not name.startswith(("epoch/", "system/"))
             and re.sub("_(low|high|n)$", "", name) not in estimates}  # fmt: skip
    for name, value in plain.items():
        print(f"  {name:<28} {value:6.5g}")
    print("\nsettings")
    for key, value in sorted(run.data.params.items()):
        _say(f"  {key:<28} {value}", 31)
    print("\nfiles")
    _say("  " + "  ".join(files), 2)
    if run.data.params.get("data.synthetic") == "true":
        print("\nSynthetic scans: these numbers say nothing about patients.")
    print("Research software; not a medical device.")


def _print_comparison(found: "Comparison") -> None:
    from ctexp.experiments.comparing.comparison_picture import letters

    for letter, side in zip(letters(len(found.sides)), found.sides, strict=True):
        _say(f"{letter}  {side.run_id}  {side.kind}, {_name(side.name)}")
    print("\nsettings that differ")
    for key, values in found.differences.items():
        shown = "   ".join(
            f"{letter} {_brief(value)}" for letter, value in zip(letters(len(found.sides)), values, strict=True)
        )
        _say(f"  {key:<28} {shown}", 31)
    if not found.differences:
        print("  none")
    if found.common:
        _print_tests(found)
    else:
        for letter, side in zip(letters(len(found.sides)), found.sides, strict=True):
            for name, one in side.metrics.items():
                print(f"  {letter}  {name:<26} {one.value:6.3f}   {_interval(one)} {one.n or '-':>6}")
    print()
    for remark in found.remarks:
        _say(remark)
    print("Research software; not a medical device.")


def _print_tests(found: "Comparison") -> None:
    from ctexp.experiments.comparing.comparison_picture import letters, p_words

    names = letters(len(found.sides))
    print(f"\non {len(found.common)} common scans{'':<14}  value   95 % interval")
    for name, word in (("auc", "AUC"), ("accuracy", "accuracy")):
        for letter, each in zip(names, found.estimates, strict=True):
            print(f"  {letter}  {word:<26} {each[name].value:6.3f}   {_interval(each[name])}")
    print(f"\n{'against A, paired':<30}   gain   95 % interval        p")
    for letter, pair in zip(names[1:], found.pairs, strict=True):
        for word, test in (("AUC (DeLong)", pair.auc), ("accuracy (McNemar)", pair.accuracy)):
            if test.p != test.p:
                print(f"  {letter}  {word:<26}      -   too few scans of a class")
            else:
                print(f"  {letter}  {word:<26} {test.difference:+6.3f}   {test.low:+.3f} to {test.high:+.3f}   "
                      f"{p_words(test.p)}")  # fmt: skip
    print(f"\ncalled differently: {len(found.disagreements)} of {len(found.common)} scans")
    for one in found.disagreements[:TOLD]:
        said = "  ".join(f"{letter} {value:.3f}" for letter, value in zip(names, one.abnormal, strict=True))
        _say(f"  {one.file:<28} {'abnormal' if one.label else 'normal':<8}  {said}", 31)
    if len(found.disagreements) > TOLD:
        print(f"  and {len(found.disagreements) - TOLD} more; --json names them all")


def _interval(one: "Estimate") -> str:
    return f"{one.low:.3f} to {one.high:.3f}" if one.low == one.low else f"{'-':<14}"


def _brief(value: str | None) -> str:
    if value is None:
        return "-"
    return value if len(value) <= 24 else f"{value[:12]}..."


def _say(text: str, indent: int = 2) -> None:
    print(textwrap.fill(text, WIDTH, subsequent_indent=" " * indent, replace_whitespace=False, drop_whitespace=False)
          if text.startswith("  ") else textwrap.fill(text, WIDTH, subsequent_indent=" " * indent))  # fmt: skip
