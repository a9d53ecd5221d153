"""What a person sees while work runs: bars and a live line on a terminal, plain lines in a pipe; always on stderr."""

import re
import sys
import textwrap
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ctexp.learning.training import Epoch


WIDTH = 80
"""Columns that lines for people keep within."""
_WHOLE = re.compile(r"`[^`]*`|\((?:run|sweep) \w+\)")
"""What is copied, and so is never folded: a command between backticks, an id in parentheses."""


def folded(text: str, indent: int = 2) -> str:
    """Fold each line of a text that is wider than 80 columns; commands, ids and paths stay whole.

    Args:
        text: one line or several.
        indent: by how many columns what follows of a folded line stands further to the right than its beginning.
    """
    lines = []
    for line in text.split("\n"):
        if len(line) > WIDTH:
            held = _WHOLE.sub(lambda found: found[0].replace(" ", "\0"), line)
            after = " " * (len(line) - len(line.lstrip()) + indent)
            line = textwrap.fill(held, WIDTH, subsequent_indent=after, break_long_words=False, break_on_hyphens=False)
        lines.append(line.replace("\0", " "))
    return "\n".join(lines)


def prose(text: str) -> str:
    """Fold narration; a line that names a file, and a text that is laid out in lines already, stay as they are.

    What names a file is searched for it, and paths with spaces are copied.
    """
    return text if "\n" in text or "/" in _WHOLE.sub("", text) else folded(text)


def narrate(text: str) -> None:
    """Print narration, folded where it is prose and too wide."""
    print(prose(text), file=sys.stderr, flush=True)


class ConsoleWatch:
    """Draws the progress of a training."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._shown = 0
        self._began = time.monotonic()
        self._first_epoch = 0

    def say(self, text: str) -> None:
        """Print one line."""
        self.clear()
        narrate(text)

    def stage(self, name: str) -> Callable[[int, int], None]:
        """Count something up to its end, then say how long it took."""
        began = time.monotonic()
        fresh = True

        def count(done: int, every: int) -> None:
            nonlocal fresh
            seconds = time.monotonic() - began
            if fresh and done == every > 1:  # there was nothing to do
                return
            fresh = False
            if done < every:
                bar = "#" * (done * 30 // every)
                left = seconds / done * (every - done) if done else 0.0
                self._draw(f"{name}  [{bar:<30}] {done}/{every}  left {clock(left)}")
            else:
                self.say(f"{name}: {every} in {seconds:.1f} s")

        return count

    def step(self, epoch: int, step: int, steps: int) -> None:
        """Redraw the live line after a step."""
        if self._first_epoch == 0:
            self._first_epoch, self._began = epoch, time.monotonic()
        bar = "#" * (step * 30 // steps)
        self._draw(f"epoch {epoch}  [{bar:<30}] {step}/{steps}")

    def epoch(self, epoch: "Epoch", epochs: int) -> None:
        """Print an epoch's numbers; a star marks the weights that are the best so far.

        80 columns hold them with up to 999 epochs and ten hours left; so the seconds of the epoch are not among them.
        """
        done = epoch.number - self._first_epoch + 1
        left = (time.monotonic() - self._began) / done * (epochs - epoch.number)
        m = epoch.metrics
        self.say(
            f"epoch {epoch.number:>{len(str(epochs))}}/{epochs} "
            f"loss {m['loss']:.3f} acc {m['accuracy']:.3f} | val {m['val_loss']:.3f} acc {m['val_accuracy']:.3f}"
            f" AUC {m['val_auc']:.3f}{'*' if epoch.is_best else ' '} left {clock(left)}"
        )

    def _draw(self, line: str) -> None:
        if self._live:
            sys.stderr.write("\r" + line.ljust(self._shown))
            sys.stderr.flush()
            self._shown = len(line)

    def clear(self) -> None:
        """Take the live line away, before something else is printed."""
        if self._live and self._shown:
            sys.stderr.write("\r" + " " * self._shown + "\r")
            self._shown = 0


def clock(seconds: float) -> str:
    """Write a duration as 0:07, 12:30 or 1:02:03."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def print_json(value: Any) -> None:
    """Print one JSON value and nothing else on stdout; a metric that is no number becomes null."""
    from ctexp.files import json_text

    print(json_text(value))
