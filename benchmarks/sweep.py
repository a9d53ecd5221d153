"""A sweep measured: against plain KerasTuner, what it costs beside training, and what kills do to it.

    python -m benchmarks.sweep [search] [workers] [memory] [kills] [--scans 200] [--difficulty hard]
                               [--plain-minutes 60]

Everything runs on the same synthetic scans, drawn into a temporary folder first, with the same seed.

search   20 trials of ctexp's default sweep, then 20 trials of plain KerasTuner (`benchmarks.plain_search`) on the same
         split with the same epochs a trial; the plain search is ended after --plain-minutes.
workers  6 trials of the default sweep by two workers of one core each, and by one worker of two cores.
memory   30 trials of a small sweep by one worker: its resident memory after each.
kills    20 SIGKILLs, to a worker, to the sweep, to all of it, at random moments of a small sweep that goes on.
"""

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from mlflow import MlflowClient

from ctexp.datasets.phantom import PhantomSettings, write_phantoms

SMALL = """
preset = "smoke"
algorithm = "bayesian"
epochs = 4
[space]
network.filters.1 = { choices = [4, 8] }
network.filters.2 = { choices = [8, 16] }
network.dropout = { low = 0.0, high = 0.5 }
training.learning_rate = { low = 1e-4, high = 1e-2, log = true }
"""
PARTS = ("search", "workers", "memory", "kills")


class Project:
    """A fresh project folder with ctexp as its user runs it."""

    def __init__(self, folder: Path, scans: Path) -> None:
        folder.mkdir()
        self.folder, self.scans = folder, scans
        (folder / "small.toml").write_text(SMALL)

    def start(self, *words: object) -> "subprocess.Popen[str]":
        """Start a sweep in a process group of its own."""
        command = [sys.executable, "-m", "ctexp", "sweep", *map(str, words), "--json"]
        return subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                start_new_session=True)  # fmt: skip

    def sweep(self, *words: object) -> tuple[dict, float]:
        """Run a sweep; give its answer and the wall time."""
        began, self.began = time.monotonic(), time.time()
        process = self.start(*words, "--data", self.scans)
        out, err = process.communicate()
        if process.returncode:
            raise SystemExit(err)
        return json.loads(out), time.monotonic() - began

    @property
    def client(self) -> MlflowClient:
        """The project's store."""
        return MlflowClient(f"sqlite:///{self.folder / 'mlflow.db'}")

    def runs(self) -> list:
        """All runs."""
        experiment = self.client.get_experiment_by_name("ctexp")
        return self.client.search_runs([experiment.experiment_id], max_results=5000) if experiment else []

    def split(self) -> dict[str, list]:
        """The scans of the latest sweep's two sides, as paths with labels."""
        from ctexp.datasets.cache import ScanCache
        from ctexp.datasets.load import load_collection
        from ctexp.datasets.sources import find_source
        from ctexp.datasets.splits import split_collection
        from ctexp.presets import get_preset
        from ctexp.project import Project as Place

        preset = get_preset("default")
        place = Place(self.folder)
        collection = load_collection(find_source(str(self.scans), place), ScanCache(place.cache, preset.scan))
        split = split_collection(collection, preset.split, 0)
        return {side: [[str(one.path), one.label] for one in getattr(split, side)] for side in ("train", "validation")}


def training_costs(report: dict) -> tuple[float, float]:
    """Give the mean seconds a trial that are not in its epochs, and the mean seconds that are, with a warm worker."""
    trials = sorted(report["trials"], key=lambda one: one["began"])[1:]  # the first one loads libraries
    span = max(one["began"] + one["seconds"] for one in trials) - min(one["began"] for one in trials)
    training = sum(one["training_seconds"] for one in trials)
    return (span - training) / len(trials), training / len(trials)


def measure_search(folder: Path, scans: Path, minutes: float) -> Iterator[str]:
    """The default sweep of ctexp, then the plain search."""
    project = Project(folder / "search", scans)
    report, wall = project.sweep("default", "--trials", 20)  # as many workers as ctexp takes by itself
    _, training = training_costs(report)
    yield f"ctexp: 20 trials in {wall:.0f} s; a trial {training:.1f} s in its epochs"
    stopped = sum(one["status"] == "stopped" for one in report["trials"])
    best_score = max(one["score"] for one in report["trials"] if one["score"] is not None)
    yield f"ctexp: {stopped} of 20 stopped early; best validation AUC {best_score:.3f}"
    plain = subprocess.Popen([sys.executable, "-m", "benchmarks.plain_search"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # fmt: skip
    timer = threading.Timer(minutes * 60, plain.kill)
    timer.start()
    plain.stdin.write(json.dumps(project.split()))
    plain.stdin.close()
    told = []
    for line in plain.stdout:
        told.append(json.loads(line))
        print("  plain:", line.strip(), file=sys.stderr, flush=True)
    timer.cancel()
    epochs = [one for one in told if "epoch" in one]
    if not epochs:
        yield "plain: no epoch ended in the time given"
        return
    prepared, last = told[0]["prepared"], epochs[-1]
    each = (last["seconds"] - prepared) / len(epochs)
    best = max(epochs, key=lambda one: (one["val_auc"], -one["seconds"]))
    whole = "ended" in told[-1]
    words = f"20 trials in {told[-1]['ended']:.0f} s" if whole else (
        f"ended by hand after {last['seconds']:.0f} s and {len(epochs)} of 300 epochs of {each:.0f} s; "
        f"20 trials would take about {prepared + 300 * each:.0f} s (extrapolated)")  # fmt: skip
    yield f"plain: prepared in {prepared:.0f} s; {words}"
    yield f"plain: best validation AUC so far {best['val_auc']:.3f} after {best['seconds']:.0f} s"
    reached = first_to_reach(project, report, best["val_auc"])
    yield (f"ctexp: that AUC after {reached:.0f} s, {best['seconds'] / reached:.1f} times sooner" if reached else
           "ctexp: never reached that AUC")  # fmt: skip


def first_to_reach(project: Project, report: dict, score: float) -> float | None:
    """Give the seconds from the start of the program to the first epoch of any trial with that AUC."""
    client = project.client
    points = [point for one in report["trials"] for point in client.get_metric_history(one["run_id"], "epoch/val_auc")]
    return min((point.timestamp / 1000 - project.began for point in points if point.value >= score), default=None)


def measure_workers(folder: Path, scans: Path) -> Iterator[str]:
    """Two workers with one core each against one worker with two."""
    for workers in (1, 2, 1, 2):
        project = Project(folder / f"workers-{workers}-{time.monotonic_ns()}", scans)
        report, wall = project.sweep("default", "--trials", 6, "--epochs", 6, "--algorithm", "random",
                                     "--workers", workers)  # fmt: skip
        trials = report["trials"]
        span = max(one["began"] + one["seconds"] for one in trials) - min(one["began"] for one in trials)
        yield f"{workers} workers: 6 trials of 6 epochs in {span:.0f} s ({wall:.0f} s with start and end)"


def measure_memory(folder: Path, scans: Path) -> Iterator[str]:
    """The worker's memory and the cost beside training over 30 short trials."""
    project = Project(folder / "memory", scans)
    report, wall = project.sweep("small.toml", "--trials", 30, "--workers", 1)
    trials = report["trials"]
    first, last = trials[0]["rss"] / 2**20, trials[-1]["rss"] / 2**20
    overhead, training = training_costs(report)
    yield f"30 small trials in {wall:.0f} s; a trial {training:.2f} s in its epochs and {overhead:.2f} s beside them"
    yield f"worker's memory after trial 0: {first:.0f} MiB, after trial 29: {last:.0f} MiB ({last / first - 1:+.1%})"
    yield f"largest: {max(one['rss'] for one in trials) / 2**20:.0f} MiB"


def is_worker(process: psutil.Process) -> bool:
    """Tell a worker from a program that was only asked something, such as git, and may be gone already."""
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def measure_kills(folder: Path, scans: Path, kills: int = 20, trials: int = 40) -> Iterator[str]:
    """SIGKILL at random moments, and what is lost."""
    calm, _ = Project(folder / "calm", scans).sweep("small.toml", "--trials", trials)
    project = Project(folder / "kills", scans)
    rng = random.Random(0)
    words = ("small.toml", "--trials", trials, "--data", scans, "--resume")
    done = {"worker": 0, "sweep": 0, "all": 0}
    sweeps_again = 0
    while sum(done.values()) < kills:
        process = project.start(*words)
        sweeps_again += 1
        while process.poll() is None and sum(done.values()) < kills:
            try:
                process.wait(timeout=rng.uniform(2.0, 14.0))
                break
            except subprocess.TimeoutExpired:
                pass
            victim = rng.choice(list(done))
            tree = psutil.Process(process.pid).children(recursive=True)
            workers = [one for one in tree if is_worker(one)]
            if victim == "worker" and not workers:
                continue
            done[victim] += 1
            if victim == "worker":
                workers[0].kill()
                continue
            if victim == "all":
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()
        if process.poll() is not None and process.returncode == 2:
            break  # finished between the kills
    out, err = "", ""
    process = project.start(*words)
    out, err = process.communicate()
    if process.returncode == 0:
        report = json.loads(out)
    else:
        raise SystemExit(f"the sweep had ended before all kills were dealt: {err}")
    lost = sum(one["curve"] != other["curve"] or one["hyperparameters"] != other["hyperparameters"]
               for one, other in zip(calm["trials"], report["trials"], strict=True))  # fmt: skip
    children = [run for run in project.runs() if "ctexp.trial" in run.data.tags]
    repeated = len(children) - trials
    steps = [[point.step for point in project.client.get_metric_history(run.info.run_id, "epoch/val_auc")]
             for run in children]  # fmt: skip
    twice = sum(len(one) - len(set(one)) for one in steps)
    running = sum(run.info.status == "RUNNING" for run in project.runs())
    dealt = ", ".join(f"{count} {who}" for who, count in done.items())
    yield f"{sum(done.values())} kills ({dealt}), {sweeps_again} starts"
    yield (f"trials lost or changed {lost} of {trials}, trials begun twice {repeated}, epochs logged twice {twice}, "
           f"runs left RUNNING {running}")  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--scans", type=int, default=200)
    parser.add_argument("--difficulty", choices=("standard", "hard"), default="standard", help="of search and workers")
    parser.add_argument("--plain-minutes", type=float, default=60.0)
    wished = parser.parse_args()
    print(f"# {platform.platform()}, {os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB")
    with tempfile.TemporaryDirectory(prefix="ctexp-benchmark-") as name:
        folder = Path(name)
        if {"search", "workers"} & set(wished.parts or PARTS):
            write_phantoms(folder / "scans", PhantomSettings(scans=wished.scans, difficulty=wished.difficulty))
        write_phantoms(folder / "tiny", PhantomSettings(scans=40, size=48, seed=1))
        for part in wished.parts or PARTS:
            print(f"\n## {part}", flush=True)
            lines = {
                "search": lambda: measure_search(folder, folder / "scans", wished.plain_minutes),
                "workers": lambda: measure_workers(folder, folder / "scans"),
                "memory": lambda: measure_memory(folder, folder / "tiny"),
                "kills": lambda: measure_kills(folder, folder / "tiny"),
            }[part]()
            for line in lines:
                print(line, flush=True)


if __name__ == "__main__":
    main()
