"""The `[space]` of a sweep file, read into hyperparameters and checked against the settings."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from ctexp.config import Experiment
from ctexp.errors import ConfigError
from ctexp.overrides import did_you_mean, flatten, setting_types
from ctexp.searching.space import BLOCK, FILTERS, Hyperparameter, Space, When, apply

WORDS = ["low", "high", "step", "log", "choices", "when"]
"""What the table of one hyperparameter may hold."""
_FIXED = {
    "seed": "a seed is luck, and the luckiest is not the best",
    "split": "it decides which scans are compared; give it under [settings]",
    "answer": "it changes no score; give it under [settings]",
    "training.epochs": "it is the sweep's own `epochs`",
    "training.monitor": "it is the sweep's own `metric`, under [objective]",
}


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
    if FILTERS in entries and any(BLOCK.fullmatch(key) for key in entries):
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
    kinds = {**setting_types(), **{f"{FILTERS}.{number + 1}": int for number in range(len(base.network.filters))}}
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
    block = BLOCK.fullmatch(key)
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
