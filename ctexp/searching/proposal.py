"""What a study and an oracle say to each other."""

from dataclasses import dataclass
from typing import Literal, Protocol

from ctexp.searching.records import Configuration

Answer = Literal["wait", "end"]
"""Instead of a proposal: a score must be told first, or there is nothing left to propose."""


@dataclass(frozen=True)
class Proposal:
    """A configuration that an oracle wants tried.

    Attributes:
        place: from 0, in the order of proposal.
        configuration: the values.
        epochs: until which epoch; None for all.
        continues: the place of the proposal whose training goes on; None for a new configuration.
    """

    place: int
    configuration: Configuration
    epochs: int | None = None
    continues: int | None = None


class Proposer(Protocol):
    """What a study needs of an oracle."""

    def propose(self) -> Proposal | Answer:
        """Give the next configuration; `wait` for a score first, or `end`."""

    def tell(self, place: int, score: float | None) -> None:
        """Hear the score of a proposal; None for one that failed."""
