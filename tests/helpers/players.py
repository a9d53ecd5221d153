"""A crew and a watch that a test plays, for the loop of a sweep."""

from collections.abc import Callable

from ctexp.searching.orders import Order, Outcome


class Players:
    """A crew of one that answers every order as the test says."""

    def __init__(self, play: Callable[[Order], Outcome]) -> None:
        self.orders: list[Order] = []
        self._play, self._news = play, []

    @property
    def free(self) -> int:
        """One at a time."""
        return 1 - len(self._news)

    def submit(self, order: Order) -> None:
        """Take an order."""
        self.orders.append(order)
        self._news.append(self._play(order))

    def listen(self, seconds: float) -> list:
        """Tell what happened."""
        news, self._news = self._news, []
        return news

    def stop(self) -> None:
        """Nothing to stop."""

    def close(self) -> None:
        """Nothing to close."""


class Ears:
    """A watch that remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        """Remember."""
        self.said.append(text)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None
