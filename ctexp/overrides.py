"""Settings as plain keys: `training.learning_rate = 0.001` on top of an experiment, with the nearest key on a typo.

Flat keys are what a settings file, a command-line option, a sweep's space and MLflow's parameters have in common.
"""

import dataclasses
import difflib
import functools
import hashlib
import json
import sys
import tomllib
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ctexp.config import Experiment
from ctexp.errors import ConfigError

Flat = dict[str, Any]


def flatten(experiment: Experiment) -> Flat:
    """Give every setting under its dotted key, in the order of their definition; tuples stay tuples."""
    flat: Flat = {}
    for item in dataclasses.fields(experiment):
        value = getattr(experiment, item.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            flat |= {f"{item.name}.{inner.name}": getattr(value, inner.name) for inner in dataclasses.fields(value)}
        else:
            flat[item.name] = value
    return flat


def override(experiment: Experiment, changes: Mapping[str, object], *, place: str = "settings") -> Experiment:
    """Give `experiment` with some settings changed.

    Args:
        experiment: the settings to start from; not changed.
        changes: dotted key to new value; numbers, strings and lists as TOML or JSON have them.
        place: where the changes come from, for the error message.

    Raises:
        ConfigError: an unknown key (with the nearest known one), a value of another type, or one that breaks a rule.
    """
    kinds = setting_types()
    groups: dict[str, dict[str, object]] = {}
    for key, value in changes.items():
        if key not in kinds:
            raise ConfigError(f"{place}: {key}: no such setting{did_you_mean(key, kinds)}")
        group, _, name = key.rpartition(".")
        groups.setdefault(group, {})[name] = _convert(value, kinds[key], f"{place}: {key}")
    try:
        fields: Flat = dict(groups.pop("", {}))
        for group, new in groups.items():
            fields[group] = dataclasses.replace(getattr(experiment, group), **new)
        return dataclasses.replace(experiment, **fields)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from error


def from_flat(flat: Mapping[str, object], *, place: str = "settings") -> Experiment:
    """Rebuild an experiment from `flatten`'s keys (lists for tuples are fine, as JSON gives them)."""
    return override(Experiment(), flat, place=place)


def read_settings_file(path: Path) -> Flat:
    """Read a TOML file of settings: tables or dotted keys, and an optional top-level `preset`.

    Raises:
        ConfigError: the file cannot be read or is no TOML.
    """
    flat: Flat = {}
    for key, value in read_toml(path, "settings").items():
        if isinstance(value, dict):
            flat |= {f"{key}.{inner}": content for inner, content in value.items()}
        else:
            flat[key] = value
    return flat


def read_toml(path: Path, kind: str) -> dict[str, Any]:
    """Read a TOML file.

    Args:
        path: the file.
        kind: of file, for the error message: `settings` or `sweep`.

    Raises:
        ConfigError: the file cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        # The operating system's words alone: all of the error has a number, and the path once more.
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: a {kind} file must be readable text: {reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: must be TOML: {error}") from error


def signature(experiment: Experiment) -> str:
    """Give 8 hex digits that name these settings: equal settings have equal signatures on every machine."""
    same_types = from_flat(flatten(experiment))  # 20 and 20.0 are equal, their JSON is not
    text = json.dumps(flatten(same_types), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@functools.cache  # a sweep asks for each value of each trial
def setting_types() -> Mapping[str, Any]:
    """Give the type of each dotted key of an experiment."""
    kinds: dict[str, Any] = {}
    for name, kind in get_type_hints(Experiment).items():
        if dataclasses.is_dataclass(kind):
            kinds |= {f"{name}.{inner}": inner_kind for inner, inner_kind in get_type_hints(kind).items()}
        else:
            kinds[name] = kind
    return types.MappingProxyType(kinds)


def did_you_mean(word: str, known: Mapping[str, object] | list[str]) -> str:
    """Give `; did you mean X?` for the nearest known word, or the list of known ones when none is near."""
    return nearest(word, known) or f"; known: {', '.join(known)}"


def nearest(word: str, known: Iterable[str]) -> str:
    """Give `; did you mean X?` for the nearest known word; nothing when none is near."""
    words = list(known)
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if not near:  # `learning_rate` alone is nearer to `training.learning_rate` than its letters say
        near = [key for key in words if key.rpartition(".")[2] == word]
    return f"; did you mean {near[0]}?" if near else ""


def _convert(value: object, kind: Any, place: str) -> object:
    """Check `value` against a field's type; ints pass as floats, lists as tuples."""
    origin = get_origin(kind)
    if origin is Literal:
        if value in get_args(kind):
            return value
        raise ConfigError(f"{place}: must be one of {', '.join(map(repr, get_args(kind)))}, got {value!r}")
    if origin is tuple:
        inner = get_args(kind)
        if not isinstance(value, (list, tuple)) or (inner[-1] is not Ellipsis and len(value) != len(inner)):
            count = "a list" if inner[-1] is Ellipsis else f"a list of {len(inner)}"
            raise ConfigError(f"{place}: must be {count}, got {value!r}")
        return tuple(_convert(item, inner[0], place) for item in value)
    if origin in (Union, types.UnionType):
        raise ConfigError(f"{place}: settings with alternatives are not supported")
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool) and _is_finite(value):
        return float(value)
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind in (bool, str) and isinstance(value, kind):
        return value
    words = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text"}
    raise ConfigError(f"{place}: must be {words.get(kind, kind)}, got {value!r}")


def _is_finite(value: float) -> bool:
    return abs(value) <= sys.float_info.max  # false for NaN; a whole number may be larger than any float
