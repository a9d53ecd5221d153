"""What may vary in a sweep: hyperparameters, read from a file's `[space]`, and one configuration over the settings."""

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ctexp.config import Experiment
from ctexp.errors import ConfigError
from ctexp.overrides import did_you_mean, flatten, override, setting_types
from ctexp.searching.records import Configuration

WORDS = ["low", "high", "step", "log", "choices", "when"]
"""What the table of one hyperparameter may hold."""
FILTERS = "network.filters"
_BLOCK = re.compile(r"network\.filters\.([1-9][0-9]*)")
When = tuple[tuple[str, tuple[Any, ...]], ...]
_FIXED = {
    "seed": "a seed is luck, and the luckiest is not the best",
    "split": "it decides which scans are compared; give it under [settings]",
    "answer": "it changes no score; give it under [settings]",
    "training.epochs": "it is the sweep's own `epochs`",
    "training.monitor": "it is the sweep's own `metric`, under [objective]",
}


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
        block = _BLOCK.fullmatch(key)
        if block is None:
            changes[key] = value
        elif int(block[1]) > len(filters):
            raise ConfigError(f"{place}: {key}: must be one of the {len(filters)} blocks of {FILTERS}")
        else:
            filters[int(block[1]) - 1] = value
            changes[FILTERS] = filters
    return override(base, changes, place=place)


def leaves(table: Mapping[str, object], path: str = "") -> Iterator[tuple[str, object]]:
    """Give every value of nested tables under its dotted key; `a.b = 1`, `"a.b" = 1` and `[a] b = 1` are one."""
    for name, value in table.items():
        key = f"{path}.{name}" if path else name
        if isinstance(value, Mapping):
            yield from leaves(value, key)
        else:
            yield key, value


def read_space(table: Mapping[str, object], base: Experiment, place: str) -> Space:
    """Read the `[space]` of a sweep file.

    Args:
        table: as TOML or JSON gives it; dotted keys may be nested tables or quoted.
        base: the settings of the sweep, which every value is tried on.
        place: the file, for the error message.

    Raises:
        ConfigError: an unknown key or word (with the nearest known one), a setting that may not vary, a value that
            breaks a rule of the setting, or a `when` that names nothing or leads back to itself.
    """
    place = f"{place}: space"
    pairs = list(_entries(table, place))
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ConfigError(f"{place}: must name each setting once, got {', '.join(key for key, _ in pairs)}")
    if not entries:
        raise ConfigError(f"{place}: must name a setting that varies, got none")
    if FILTERS in entries and any(_BLOCK.fullmatch(key) for key in entries):
        raise ConfigError(f"{place}.{FILTERS}: must vary as a whole or block by block, got both")
    alone = {key: _read(key, entry, base, f"{place}.{key}") for key, entry in entries.items()}
    found = [
        dataclasses.replace(one, when=_read_when(entries[key].get("when", {}), alone, f"{place}.{key}: when"))
        for key, one in alone.items()
    ]
    return _parents_first(found, place)


def _entries(table: Mapping[str, object], place: str, path: str = "") -> Iterator[tuple[str, Mapping[str, object]]]:
    """Give the table of each hyperparameter under its dotted key; tables of groups are gone into."""
    groups = {key.rpartition(".")[0] for key in setting_types() if "." in key} | {FILTERS}
    for name, value in table.items():
        key = f"{path}.{name}" if path else name
        if not isinstance(value, Mapping):
            raise ConfigError(f"{place}.{key}: must be a table with low and high, or with choices, got {value!r}")
        if value and key in groups and not any(word in value for word in WORDS):
            yield from _entries(value, place, key)
        else:
            yield key, value


def _read(key: str, entry: Mapping[str, object], base: Experiment, place: str) -> Hyperparameter:
    """Read one hyperparameter, all but its `when`."""
    reason = _FIXED.get(key) or _FIXED.get(key.partition(".")[0])
    if reason:
        raise ConfigError(f"{place}: must not vary: {reason}")
    kinds = setting_types() | {f"{FILTERS}.{number + 1}": int for number in range(len(base.network.filters))}
    if key not in kinds:
        known = [one for one in kinds if one not in _FIXED and not one.startswith("split.")]
        raise ConfigError(f"{place}: no such setting{did_you_mean(key, known)}")
    for word in entry:
        if word not in WORDS:
            raise ConfigError(f"{place}: {word}: no such word{did_you_mean(word, WORDS)}")
    words = [word for word in entry if word != "when"]
    if "choices" in words:
        if len(words) > 1:
            raise ConfigError(f"{place}: must have choices alone or low and high, got {', '.join(words)}")
        return Hyperparameter(key, "choice", choices=_read_choices(key, entry["choices"], base, place))
    if kinds[key] not in (int, float):
        raise ConfigError(f"{place}: must have choices, a list of values, got {', '.join(words) or 'none'}")
    if not ("low" in words and "high" in words):
        raise ConfigError(f"{place}: must have low and high, or choices, got {', '.join(words) or 'none'}")
    low, high = (_value(base, key, entry[word], f"{place}: {word}") for word in ("low", "high"))
    log, step = entry.get("log", False), entry.get("step")
    if not isinstance(log, bool):
        raise ConfigError(f"{place}: log: must be true or false, got {log!r}")
    if not low < high:
        raise ConfigError(f"{place}: low must be below high, got {low=}, {high=}")
    if log and low <= 0:
        raise ConfigError(f"{place}: low must be above 0 with log = true, got {low=}")
    kind: Literal["int", "float"] = "int" if kinds[key] is int else "float"
    if step is not None:
        step = _read_step(step, place, whole=kind == "int", log=log)
    one = Hyperparameter(key, kind, low, high, step, log)
    if one.count == 1:
        raise ConfigError(f"{place}: step must lead from low to a second value, got {low=}, {high=}, {step=}")
    return one


def _read_step(step: Any, place: str, *, whole: bool, log: bool) -> float:
    least, rule = (1, "above 1, a factor, with log = true") if log else (0, "above 0")
    is_number = isinstance(step, int if whole else (int, float)) and not isinstance(step, bool)
    if not is_number or not least < step < math.inf:
        raise ConfigError(f"{place}: step: must be a {'whole ' if whole else ''}number {rule}, got {step!r}")
    return int(step) if whole else float(step)


def _read_choices(key: str, values: object, base: Experiment, place: str) -> tuple[Any, ...]:
    place = f"{place}: choices"
    if not isinstance(values, (list, tuple)):
        raise ConfigError(f"{place}: must be a list of values, got {values!r}")
    choices = tuple(_value(base, key, value, place) for value in values)
    if len(set(choices)) < len(choices):
        raise ConfigError(f"{place}: must be different values, got {values!r}")
    if len(choices) < 2:
        raise ConfigError(f"{place}: must be two or more, got {values!r}; a single value stands under [settings]")
    return choices


def _value(base: Experiment, key: str, value: object, place: str) -> Any:
    """Give `value` as the setting has it, by really setting it."""
    block = _BLOCK.fullmatch(key)
    try:
        changed = apply(base, {key: value}, place=place)
    except ConfigError as error:
        rule = str(error).removeprefix(f"{place}: ").removeprefix(f"{FILTERS if block else key}: ")
        raise ConfigError(f"{place}: {rule}") from error
    return changed.network.filters[int(block[1]) - 1] if block else flatten(changed)[key]


def _read_when(table: object, known: Mapping[str, Hyperparameter], place: str) -> When:
    if not isinstance(table, Mapping):
        raise ConfigError(f'{place}: must be a table such as {{ "network.normalisation" = "batch" }}, got {table!r}')
    conditions: dict[str, tuple[Any, ...]] = {}
    for key, value in leaves(table):
        if key not in known:
            raise ConfigError(f"{place}: {key}: must be another hyperparameter{did_you_mean(key, known)}")
        choices = known[key].choices
        if not choices:
            raise ConfigError(f"{place}: {key}: must be a hyperparameter with choices, this one has low and high")
        wanted = _frozen(value)
        several = wanted if isinstance(wanted, tuple) and wanted not in choices else (wanted,)
        if not several or not all(one in choices for one in several):
            raise ConfigError(f"{place}: {key}: must be among its choices, {list(choices)!r}, got {value!r}")
        conditions[key] = tuple(one for one in choices if one in several)
    return tuple(conditions.items())


def _frozen(value: object) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, (list, tuple)) else value


def _parents_first(found: list[Hyperparameter], place: str) -> Space:
    """Order the hyperparameters as the file has them, but none before one that its `when` names."""
    ordered: dict[str, Hyperparameter] = {}
    left = list(found)
    while left:
        ready = next((one for one in left if all(key in ordered for key, _ in one.when)), None)
        if ready is None:
            keys = ", ".join(one.key for one in left)
            raise ConfigError(f"{place}: when must not lead in a circle, got one among {keys}")
        ordered[ready.key] = ready
        left.remove(ready)
    return tuple(ordered.values())
