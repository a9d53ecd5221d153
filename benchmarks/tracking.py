"""What MLflow costs a training: the share of its time that is spent handing things to the store.

    python -m benchmarks.tracking [--scans 200] [--size 256] [--epochs 15]

`ctexp train` with the `default` preset, in this process, in a fresh project. Every call that writes to a run (settings,
numbers, tags, texts, pictures, checkpoints) is timed from outside. A picture's drawing is counted apart: it would be
wanted without MLflow, too, and so would a checkpoint's bytes on the disk, which are counted as tracking here.
"""

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.figures import keep
from ctexp.datasets.phantom import PhantomSettings, write_phantoms
from ctexp.experiments.request import TrainingRequest, compose
from ctexp.experiments.training.train import run_training
from ctexp.experiments.watch import Silent
from ctexp.project import Project


class Clock:
    """Seconds by name; of calls within calls only the outermost counts, drawing is taken out of it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self._depth = 0

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Count what happens inside."""
        self._depth += 1
        began = time.perf_counter()
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0 or name == "drawing":
                spent = time.perf_counter() - began
                self.seconds[name] += spent
                self.calls[name] += 1
                if self._depth:
                    self.seconds["pictures"] -= spent

    def watch(self, owner: Any, method: str, name: str) -> None:
        """Time a method from now on."""
        before: Callable[..., Any] = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.running(name):
                return before(*args, **kwargs)

        setattr(owner, method, timed)


def main() -> None:
    """Train once and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=int, default=200)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=15)
    wished = parser.parse_args()
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    with tempfile.TemporaryDirectory(prefix="ctexp-benchmark-") as name:
        write_phantoms(Path(name) / "scans", PhantomSettings(scans=wished.scans, size=wished.size, seed=7))
        began = time.perf_counter()
        from matplotlib.figure import Figure

        from ctexp.learning.backend import start_backend

        start_backend(0)  # quietly, before anything else imports Keras

        from ctexp.experiments.training import checkpoints
        from ctexp.tracking.run import MlflowRun

        clock = Clock()
        clock.watch(MlflowRun, "log", "numbers, settings, tags")
        clock.watch(MlflowRun, "log_text", "texts")
        clock.watch(MlflowRun, "log_file", "files")
        clock.watch(MlflowRun, "log_figure", "pictures")
        clock.watch(Figure, "savefig", "drawing")
        for method in ("save_checkpoint", "drop_checkpoints", "leave_network", "read_standing"):
            clock.watch(checkpoints, method, "checkpoints")
        preset, experiment = compose("default", None, {"training.epochs": wished.epochs})
        request = TrainingRequest(experiment, str(Path(name) / "scans"), preset=preset)
        run_training(request, Project(Path(name)), Silent())
        whole = time.perf_counter() - began
    print(f"{wished.scans} scans of {wished.size}x{wished.size}, {wished.epochs} epochs: {whole:.1f} s in all\n")
    print("| what | calls | seconds | share |\n|---|---|---|---|")
    for what, seconds in sorted(clock.seconds.items(), key=lambda pair: -pair[1]):
        print(f"| {what} | {clock.calls[what]} | {seconds:.2f} | {seconds / whole:.2%} |")
    tracking = sum(seconds for what, seconds in clock.seconds.items() if what != "drawing")
    print(f"\ntracking without drawing: {tracking:.2f} s, {tracking / whole:.2%}")
    keep("tracking, share of a default training", 100 * tracking / whole, "%", "under 1")


if __name__ == "__main__":
    main()
