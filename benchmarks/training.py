"""Trainings side by side: the published program, and ctexp's `published` and `default` presets.

    python -m benchmarks.training [--scans 200] [--epochs 15] [--difficulty standard,hard] [--plain-minutes 45]

Synthetic scans of 512x512, none of those on which a preset was chosen, are drawn into a temporary folder. For each
difficulty, in turn, whole processes:

- the published program (`benchmarks.plain_training`) on ctexp's own split, ended after --plain-minutes;
- where PyTorch and MONAI are installed, `benchmarks.plain_monai` twice, the second time with its cache;
- `ctexp train` with the `default` preset in a fresh project, and a second time with its cache;
- on the standard scans, `ctexp train --preset published`, two epochs: the time of a step.

Each is watched from outside: seconds from start to each epoch's line, peak memory of its processes. "Reached" is the
first epoch whose validation AUC is at least 0.99, on hard scans at least the published program's last.
"""

import argparse
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.figures import keep
from ctexp.datasets.phantom import PhantomSettings, write_phantoms

LINE = re.compile(r"epoch +(\d+)/\d+ .*AUC ([0-9.]+)")


@dataclass
class Watched:
    """A training as it was seen from outside.

    Attributes:
        epochs: (seconds since the start, validation AUC) of each.
        seconds: of the whole process.
        peak_mb: of the resident memory of its processes, 10^6 bytes.
        prepared: seconds until its scans were ready; 0 where that was not seen.
    """

    epochs: list[tuple[float, float]] = field(default_factory=list)
    seconds: float = 0.0
    peak_mb: float = 0.0
    prepared: float = 0.0

    def reached(self, auc: float) -> float | None:
        """Give the seconds to the first epoch with at least that AUC."""
        return next((seconds for seconds, value in self.epochs if value >= auc), None)

    @property
    def epoch_seconds(self) -> float:
        """Seconds an epoch, the first, which compiles, left out where there are others."""
        marks = [seconds for seconds, _ in self.epochs]
        return (marks[-1] - marks[0]) / (len(marks) - 1) if len(marks) > 1 else marks[0] - self.prepared


def watch(words: list[str], folder: Path, *, stdin: str = "", minutes: float = 600.0) -> Watched:
    """Run a training to its end or its time's, reading what it tells line by line."""
    seen, began = Watched(), time.monotonic()
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "CUDA_VISIBLE_DEVICES": ""}
    process = subprocess.Popen(words, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(stdin)
    process.stdin.close()
    timer = threading.Timer(minutes * 60, process.kill)
    timer.start()
    sampler = threading.Thread(target=_sample, args=(psutil.Process(process.pid), seen), daemon=True)
    sampler.start()
    for line in process.stdout:
        now = time.monotonic() - began
        if line.startswith("{"):
            told = json.loads(line)
            if "val_auc" in told:
                seen.epochs.append((now, told["val_auc"]))
            elif "prepared" in told:
                seen.prepared = now
        elif found := LINE.match(line):
            seen.epochs.append((now, float(found[2])))
        elif line.startswith("run "):
            seen.prepared = now
    process.wait()
    timer.cancel()
    seen.seconds = time.monotonic() - began
    return seen


def _sample(process: psutil.Process, seen: Watched) -> None:
    try:
        while True:
            everybody = [process, *process.children(recursive=True)]
            seen.peak_mb = max(seen.peak_mb, sum(one.memory_info().rss for one in everybody) / 1e6)
            time.sleep(0.2)
    except psutil.Error:
        return


def split_of(scans: Path, folder: Path) -> str:
    """Give the sides that ctexp deals these scans to, as JSON for the published program."""
    from ctexp.datasets.cache import ScanCache
    from ctexp.datasets.load import load_collection
    from ctexp.datasets.sources import find_source
    from ctexp.datasets.splits import split_collection
    from ctexp.presets import get_preset
    from ctexp.project import Project

    preset = get_preset("default")
    project = Project(folder)
    collection = load_collection(find_source(str(scans), project), ScanCache(folder / "split-cache", preset.scan))
    split = split_collection(collection, preset.split, 0)
    return json.dumps(
        {side: [[str(one.path), one.label] for one in getattr(split, side)] for side in ("train", "validation")}
    )


def tell(name: str, seen: Watched, target: float) -> None:
    """Print a row of the table."""
    if not seen.epochs:
        print(f"| {name} | ended without an epoch after {seen.seconds:.0f} s |", flush=True)
        return
    reached = seen.reached(target)
    best = max(auc for _, auc in seen.epochs)
    last = seen.epochs[-1][1]
    when = f"{reached:.0f}" if reached else "never"
    print(f"| {name} | {seen.prepared:.0f} | {seen.epoch_seconds:.1f} | {len(seen.epochs)} | {last:.3f} | {best:.3f} | "
          f"{when} | {seen.seconds:.0f} | {seen.peak_mb:,.0f} |", flush=True)  # fmt: skip


def compare(difficulty: str, scans: Path, folder: Path, epochs: int, minutes: float) -> None:
    """Run all trainings of one difficulty and print their table."""
    ctexp = [sys.executable, "-m", "ctexp", "train", "--data", str(scans)]
    plain_words = [sys.executable, "-m", "benchmarks.plain_training", "--epochs", str(epochs)]
    sides = split_of(scans, folder)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    print(f"\n{difficulty} scans; AUC of the validation scans\n")
    print("| program | s to epoch 1's begin | s an epoch | epochs | last AUC | best AUC | s to target | s in all | "
          "peak MB |\n|---|---|---|---|---|---|---|---|---|")  # fmt: skip
    plain = watch(plain_words, folder, stdin=sides, minutes=minutes)
    target = 0.99 if difficulty == "standard" else plain.epochs[-1][1]
    tell("published program", plain, target)
    if importlib.util.find_spec("monai"):
        monai = [sys.executable, "-m", "benchmarks.plain_monai", "--epochs", str(epochs)]
        for name in ("MONAI, first", "MONAI, again"):
            tell(name, watch(monai, folder, stdin=sides, minutes=minutes), target)
    runs = []
    for name in ("ctexp default, first", "ctexp default, again"):
        runs.append(watch([*ctexp, *(["--epochs", str(epochs)] if epochs < 15 else [])], folder))
        tell(name, runs[-1], target)
    print()
    for name, seen in (("published program", plain), ("ctexp default", runs[0])):
        print(f"{name}, AUC by epoch: {' '.join(f'{auc:.3f}' for _, auc in seen.epochs)}", flush=True)
    theirs = plain.reached(target)
    for name, run, wished in zip(("first run", "second run"), runs, (20, 40), strict=True):
        mine = run.reached(target)
        if mine and theirs:
            keep(f"default, {difficulty}, {name}: time to AUC {target:.3f}", theirs / mine, "times sooner",
                 f"at least {wished}")  # fmt: skip
        elif mine:
            keep(f"default, {difficulty}, {name}: time to AUC {target:.3f}", plain.seconds / mine,
                 f"times sooner than the {plain.seconds:.0f} s in which the published program did not")  # fmt: skip
        else:
            keep(f"default, {difficulty}, {name}: time to AUC {target:.3f}", "never reached")
    keep(f"default, {difficulty}: peak memory", runs[0].peak_mb, "MB", "under 1500")
    if difficulty == "standard":
        same = watch([*ctexp, "--preset", "published", "--epochs", "2"], folder)
        tell("ctexp published", same, target)
        keep("published preset, an epoch", plain.epoch_seconds / same.epoch_seconds, "times faster", "at least 1.5")
    print(flush=True)


def main() -> None:
    """Draw, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=int, default=200)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--difficulty", default="standard,hard")
    parser.add_argument("--plain-minutes", type=float, default=45.0)
    wished = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {wished.scans} scans of "
          f"{wished.size}x{wished.size}, load at the start {os.getloadavg()[0]:.1f}")  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="ctexp-benchmark-") as name:
        for difficulty in wished.difficulty.split(","):
            folder = Path(name) / difficulty
            settings = PhantomSettings(scans=wished.scans, size=wished.size, seed=7, difficulty=difficulty)
            write_phantoms(folder / "scans", settings)
            compare(difficulty, folder / "scans", folder, wished.epochs, wished.plain_minutes)


if __name__ == "__main__":
    main()
