"""Time and memory as a collection grows: preparing, checking, one epoch; and a store with many runs.

    python -m benchmarks.growth [--scans 200,1000,5000] [--runs 2000] [--size 48] [--folder FOLDER]

Synthetic scans, small in plane so that thousands fit on a disk, are drawn into a temporary folder, or into one that
stays, where the next benchmark finds them. Whole processes; the peak of resident memory is the process's own. The epoch
is the smoke preset's.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.figures import keep
from benchmarks.process import measure
from ctexp.datasets.phantom import PhantomSettings, write_phantoms
from ctexp.project import Project
from ctexp.tracking.store import open_store

COMMANDS = {
    "prepare": ["data", "prepare", "--preset", "smoke", "--skip-bad", "--data", "SCANS"],
    "check": ["data", "check", "SCANS"],
    "train, one epoch": ["train", "--preset", "smoke", "--epochs", "1", "--skip-bad", "--data", "SCANS"],
}
"""One chest in a thousand of so few points is taken for one that is upside down: it is left out, and `check` ends with
1."""


def draw(folder: Path, counts: list[int], size: int) -> None:
    """Draw the largest collection; the others are its first scans, linked: drawing takes longer than measuring."""
    largest = folder / f"scans-{counts[-1]}"
    if not largest.exists():  # a drawing that was cut off has no name by which it is found
        with tempfile.TemporaryDirectory(dir=folder) as name:
            write_phantoms(Path(name) / "scans", PhantomSettings(scans=counts[-1], size=size, seed=counts[-1]))
            (Path(name) / "scans").rename(largest)
    paths = sorted(largest.glob("CT-*/*.nii.gz"), key=lambda path: path.name)
    for count in (one for one in counts[:-1] if not (folder / f"scans-{one}").exists()):
        for path in paths[:count]:
            link = folder / f"scans-{count}" / path.relative_to(largest)
            link.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, link)


def collection(scans: Path, folder: Path, counts: list[int]) -> None:
    """Measure each command at each size, a fresh project each."""
    print("| scans | command | s | ms a scan | peak MB |\n|---|---|---|---|---|")
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for count in counts:
        project = folder / f"project-{count}"
        project.mkdir()
        for name, words in COMMANDS.items():
            said = [word.replace("SCANS", str(scans / f"scans-{count}")) for word in words]
            seconds, memory, _ = measure(
                [sys.executable, "-m", "ctexp", *said], project, ends=(0, 1) if name == "check" else (0,)
            )
            figures[name].append((seconds / count, memory))
            print(f"| {count} | {name} | {seconds:.1f} | {1000 * seconds / count:.1f} | {memory:.0f} |", flush=True)
    for name, values in figures.items():
        (first, before), (last, after) = values[0], values[-1]
        span = f"{counts[0]} to {counts[-1]} scans"
        keep(f"{name}: time a scan, {span}", last / first, "times", "at most 1")
        keep(f"{name}: peak memory, {span}", after / before, "times", "constant")


def runs_list(folder: Path, runs: int) -> None:
    """Measure `ctexp runs list` in a store with so many runs."""
    root = folder / "runs"
    root.mkdir()
    client = open_store(Project(root)).client
    known = client.get_experiment_by_name("ctexp")
    experiment = known.experiment_id if known else client.create_experiment("ctexp")
    print("\n| runs | command | s | peak MB |\n|---|---|---|---|")
    made = 0
    for count in (runs // 10, runs):
        for number in range(made, count):
            run = client.create_run(experiment, run_name=f"run {number}", tags={"ctexp.kind": "training"})
            client.log_metric(run.info.run_id, "val_auc", 0.5 + number / count / 2)
            client.set_terminated(run.info.run_id)
        made = count
        for words in (["runs", "list"], ["runs", "list", "--json"]):
            seconds, memory, _ = measure([sys.executable, "-m", "ctexp", *words], root)
            print(f"| {count} | {' '.join(words)} | {seconds:.1f} | {memory:.0f} |", flush=True)
        keep(f"runs list with {count} runs", seconds, "s")


def main() -> None:
    """Draw, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", default="200,1000,5000")
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--folder", type=Path, help="where the scans are drawn, and found again")
    wished = parser.parse_args()
    counts = sorted(int(count) for count in wished.scans.split(","))
    with tempfile.TemporaryDirectory(prefix="ctexp-benchmark-") as name:
        folder = Path(name)
        scans = (wished.folder or folder).resolve() / f"size-{wished.size}"
        scans.mkdir(parents=True, exist_ok=True)
        draw(scans, counts, wished.size)
        collection(scans, folder, counts)
        runs_list(folder, wished.runs)


if __name__ == "__main__":
    main()
