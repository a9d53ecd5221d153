"""What a person sees while a sweep runs: a line a worker on a terminal, plain lines in a pipe; always on stderr."""

import contextlib
import os
import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from ctexp.cli.console import WIDTH, ConsoleWatch, clock, folded, prose

if TYPE_CHECKING:
    from rich.live import Live

    from ctexp.searching.orders import Progress
    from ctexp.searching.records import Configuration, TrialRecord


class SweepConsole(ConsoleWatch):
    """Draws the progress of a sweep."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: dict[int, str] = {}
        self._display: Live | None = None
        self._trials = self._before = 0
        self._done: set[int] = set()
        self.has_begun = False
        self._maximise = True
        self._best: float | None = None
        self._sweep_began = time.monotonic()

    def begin(self, trials: int, done: Collection[int], *, maximise: bool) -> None:
        """Hear how many trials there will be at most, and the numbers of those that are done already."""
        self._trials, self._done, self._before, self._maximise = trials, set(done), len(done), maximise
        self.has_begun = True
        self._sweep_began = time.monotonic()
        if self._live:
            from rich.console import Console
            from rich.live import Live

            self._display = Live(console=Console(stderr=True), refresh_per_second=4, transient=True)
            self._display.start()

    def say(self, text: str) -> None:
        """Print one line, folded where it is too wide, above the live ones."""
        if self._display is not None:
            self._display.console.print(prose(text), markup=False, highlight=False)
        else:
            super().say(text)

    def trial_began(self, trial: int, configuration: "Configuration") -> None:
        """Hear that a trial is with a worker."""
        self._lines[trial] = f"trial {trial:>3}  begins  {brief(configuration)}"
        self._redraw()

    def progress(self, progress: "Progress") -> None:
        """Redraw a trial's line after an epoch."""
        fold = f"fold {progress.fold} " if progress.fold else ""
        bar = "#" * (progress.epoch * 20 // progress.epochs)
        self._lines[progress.trial] = (
            f"trial {progress.trial:>3}  {fold}[{bar:<20}] {progress.epoch}/{progress.epochs}  best {progress.best:.3f}"
        )
        self._redraw()

    def trial_ended(self, record: "TrialRecord", *, paused: bool = False) -> None:
        """Print how a trial ended, or that it waits for hyperband to promote it."""
        self._lines.pop(record.number, None)
        if record.status != "interrupted":
            self._done.add(record.number)
        if record.counts and record.score is not None:
            better = max if self._maximise else min
            self._best = record.score if self._best is None else better(self._best, record.score)
        star = "*" if record.counts and record.score == self._best else " "
        score = "     " if record.score is None else f"{record.score:.3f}"
        error = "" if record.error is None else f" ±{record.error:.3f}"
        word = "paused" if paused else record.status
        parts = [
            f"trial {record.number:>3}  {word:<8} {score}{star}{error}  {len(record.curve):>2} epochs "
            f"{record.seconds:5.1f} s",
            brief(record.configuration),
        ]
        if record.status in ("failed", "stopped") and not paused:
            parts.append(record.reason)
        line = "  ".join(parts)
        self.say(line if len(line) <= WIDTH else folded(f"\n{' ' * 11}".join(parts)))
        self._redraw()

    def end(self) -> None:
        """Take the live lines away."""
        if self._display is not None:
            self._display.stop()
            self._display = None
        self._lines.clear()

    def _redraw(self) -> None:
        if self._display is None:
            return
        seconds = time.monotonic() - self._sweep_began
        done = len(self._done)
        made = done - self._before
        left = f", left about {clock(seconds / made * (self._trials - done))}" if made else ""
        best = "" if self._best is None else f", best so far {self._best:.3f}"
        summary = f"{done}/{self._trials} trials{best}{left}"
        from rich.text import Text

        self._display.update(Text("\n".join([*self._lines.values(), summary])))


def brief(configuration: Mapping[str, Any]) -> str:
    """Write a configuration in one line: the last words of the keys, blocks' filters joined."""
    blocks = [str(value) for key, value in configuration.items() if key.startswith("network.filters.")]
    words = [f"filters {'-'.join(blocks)}"] if blocks else []
    for key, value in configuration.items():
        if not key.startswith("network.filters."):
            text = f"{value:.3g}" if isinstance(value, float) else "-".join(map(str, value)) if isinstance(
                value, tuple) else str(value)  # fmt: skip
            words.append(f"{key.rpartition('.')[2]} {text}")
    return ", ".join(words)


def say_stopping() -> None:
    """Say what the first Ctrl-C does.

    A signal may come while a line is being written, and Python's streams refuse to be entered twice: this goes past
    them.
    """
    with contextlib.suppress(OSError):
        os.write(2, b"\nstopping after this epoch; once more stops at once\n")
