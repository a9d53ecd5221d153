"""What a person is told while a training runs."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ctexp.learning.training import Epoch


class Watch(Protocol):
    """Somebody who looks on; the command line draws, a notebook may be silent."""

    def say(self, text: str) -> None:
        """Hear one line."""

    def stage(self, name: str) -> Callable[[int, int], None]:
        """Begin a counted stage and give the function that hears (done, all)."""

    def step(self, epoch: int, step: int, steps: int) -> None:
        """Hear of one finished training step."""

    def epoch(self, epoch: "Epoch", epochs: int) -> None:
        """Hear of one finished epoch of at most `epochs`."""


class Silent:
    """A watch that looks away."""

    def say(self, text: str) -> None:
        """Ignore."""

    def stage(self, name: str) -> Callable[[int, int], None]:
        """Ignore."""
        return lambda done, all_: None

    def step(self, epoch: int, step: int, steps: int) -> None:
        """Ignore."""

    def epoch(self, epoch: "Epoch", epochs: int) -> None:
        """Ignore."""
