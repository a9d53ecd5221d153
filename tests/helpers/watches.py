"""Watches for work that tells how far it is."""

from collections.abc import Callable


class Told:
    """A watch that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.counts: list[tuple[str, int, int]] = []

    def say(self, text: str) -> None:
        """Remember it."""
        self.lines.append(text)

    def stage(self, name: str) -> Callable[[int, int], None]:
        """Remember each count."""
        return lambda done, every: self.counts.append((name, done, every))


class Silent:
    """A watch that nobody looks at."""

    def say(self, text: str) -> None:
        """Forget it."""

    def stage(self, name: str) -> Callable[[int, int], None]:
        """Forget it."""
        return lambda done, every: None
