"""What may vary in a sweep: hyperparameters, and one configuration of them laid over the settings."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ctexp.config import Experiment
from ctexp.errors import ConfigError
from ctexp.overrides import override
from ctexp.searching.records import Configuration

FILTERS = "network.filters"
BLOCK = re.compile(r"network\.filters\.([1-9][0-9]*)")
"""The key of the filters of one block, and its number, from 1."""
When = tuple[tuple[str, tuple[Any, ...]], ...]


@dataclass(frozen=True)
class Hyperparameter:
    """One setting that varies.

    Attributes:
        key: dotted setting, or `network.filters.N` for the filters of block N, from 1.
        kind: `choice` takes one of `choices`; `float` and `int` a number from `low` to `high`, both included.
        low: the least value.
        high: the largest.
        step: between neighbouring values, counted from `low`; with `log` the factor between them, as KerasTuner has
            it. None for any value in between.
        log: draw evenly on the logarithmic scale.
        choices: the values, of the setting's type, lists as tuples.
        when: (key of a hyperparameter with choices, some of these): active only where each of them has such a value.
            Where it is not active the sweep's own settings hold.
    """

    key: str
    kind: Literal["float", "int", "choice"]
    low: float | None = None
    high: float | None = None
    step: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()
    when: When = ()

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest value of a number."""
        if self.low is None or self.high is None:
            raise TypeError(f"{self.key} varies by choices, it has no ends")
        return self.low, self.high

    @property
    def count(self) -> int | None:
        """How many values it can take; None where that is a continuum, or whole numbers drawn on the log scale."""
        if self.kind == "choice":
            return len(self.choices)
        low, high = self.ends
        if self.step is None:
            return int(high - low) + 1 if self.kind == "int" and not self.log else None
        # A little more than the quotient: 0.6 / 0.1 is 5.999..., and 0.6 is meant to be among the values.
        return int((math.log(high / low, self.step) if self.log else (high - low) / self.step) + 1e-8) + 1

    def at(self, index: int) -> Any:
        """Give the value of that index, from 0, of those that `count` counts."""
        if self.kind == "choice":
            return self.choices[index]
        low, step = self.ends[0], 1 if self.step is None else self.step
        return self._within(low * math.pow(step, index) if self.log else low + index * step)

    def decode(self, raw: Any) -> Any:
        """Give the setting's value for what KerasTuner proposed.

        Choices and numbers with a step that need not be whole are proposed by their index, other numbers as they are.
        """
        by_index = self.kind == "choice" or (self.kind == "float" and self.step is not None and isinstance(raw, int))
        return self.at(raw) if by_index else self._within(raw)

    def is_active(self, configuration: Configuration) -> bool:
        """Whether `when` holds, given the values of the hyperparameters before it."""
        return all(key in configuration and configuration[key] in values for key, values in self.when)

    def as_table(self) -> dict[str, Any]:
        """Give what the file says of it, with every default left out."""
        table: dict[str, Any] = {"choices": self.choices} if self.choices else {"low": self.low, "high": self.high}
        given = {"step": self.step, "log": self.log, "when": dict(self.when)}
        return table | {word: value for word, value in given.items() if value}

    def _within(self, number: float) -> float:
        """Round, so that 0.1 + 0.2 is 0.3, and stay between the ends, which KerasTuner may pass by rounding."""
        low, high = self.ends
        return min(max(int(number) if self.kind == "int" else float(f"{number:.12g}"), low), high)


Space = tuple[Hyperparameter, ...]
"""Parents stand before the hyperparameters whose `when` names them."""


def decode(space: Space, raw: Mapping[str, object]) -> Configuration:
    """Turn what KerasTuner proposed into a configuration, in the order of the space.

    Args:
        space: the sweep's.
        raw: its `HyperParameters.values` for `ctexp.searching.draws.keras_tuner_space`; other keys are ignored.
    """
    configuration: Configuration = {}
    for one in space:
        if one.is_active(configuration):
            configuration[one.key] = one.decode(raw[one.key])
    return configuration


def apply(base: Experiment, configuration: Configuration, *, place: str = "trial") -> Experiment:
    """Lay a configuration over the settings of its sweep.

    Args:
        base: the settings that hold where the configuration says nothing.
        configuration: dotted key to value; the `network.filters.N` change single blocks.
        place: where it comes from, for the error message.

    Raises:
        ConfigError: an unknown key, a block that the network does not have, or a value that breaks a rule.
    """
    changes: dict[str, object] = {}
    filters = list(base.network.filters)
    for key, value in configuration.items():
        block = BLOCK.fullmatch(key)
        if block is None:
            changes[key] = value
        elif int(block[1]) > len(filters):
            raise ConfigError(f"{place}: {key}: must be one of the {len(filters)} blocks of {FILTERS}")
        else:
            filters[int(block[1]) - 1] = value
            changes[FILTERS] = filters
    return override(base, changes, place=place)
