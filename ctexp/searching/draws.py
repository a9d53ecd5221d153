"""The space as KerasTuner is given it, and the configurations that its oracles begin with, without loading it.

KerasTuner takes five seconds to load; what a sweep will try first is shown in none. The arithmetic is that of
KerasTuner 1.4 (`Oracle._random_values`, `GridSearchOracle`, `hp_types`), and a test compares the two.
"""

import itertools
import math
import random
from collections.abc import Iterator
from typing import Any

from ctexp.errors import ConfigError
from ctexp.learning.shapes import check_shapes
from ctexp.searching.definition import SweepDefinition
from ctexp.searching.plan import bracket_rounds, brackets
from ctexp.searching.records import Configuration
from ctexp.searching.space import Hyperparameter, Space, apply, decode

ENDLESS = 200
"""So many proposals in a row that cannot be built mean that there are no others."""
_DRAWS = 21
"""So often in a row the oracles draw what was drawn before until they take the space for exhausted."""


def first_configurations(definition: SweepDefinition, count: int) -> tuple[Configuration, ...]:
    """Give the configurations that a sweep begins with.

    Random search, and the first proposals of hyperband and of the Bayesian search, are drawn; a grid counts up from
    every hyperparameter's first value, the last hyperparameter fastest. What cannot be built costs no trial and is
    left out.

    Args:
        definition: the sweep.
        count: at most so many; fewer when the space has no more. The Bayesian search follows the scores after its
            first random ones, which nobody can know before.

    Raises:
        ConfigError: nothing of the space can be built.
    """
    found: list[Configuration] = []
    misses, reason = 0, None
    for raw in _counted(definition.space) if definition.algorithm == "grid" else _drawn(definition):
        if len(found) >= count or misses == ENDLESS:
            break
        configuration = decode(definition.space, raw)
        impossible = why_impossible(definition, configuration)
        reason = reason or impossible
        if impossible is None:
            found.append(configuration)
        misses = 0 if impossible is None else misses + 1
    if reason and not found:
        raise ConfigError(f"{definition.name}: space: must allow a network, no configuration does: {reason}")
    return tuple(found)


def planned_trials(definition: SweepDefinition, budgets: tuple[int, ...]) -> int:
    """Give how many trials a sweep will have if none is left out: what its brackets or its space hold, and no more.

    Args:
        definition: the sweep.
        budgets: how many trials were asked for, first and by each extension.

    Raises:
        ConfigError: hyperband, and no bracket fits into a budget.
    """
    if definition.algorithm == "hyperband":
        epochs = definition.epochs
        return sum(bracket_rounds(epochs, one)[0][0] for one in brackets(epochs, budgets))
    counts = [one.count for one in definition.space]
    size = math.prod(count for count in counts if count)
    return budgets[-1] if None in counts else min(budgets[-1], size)


def why_impossible(definition: SweepDefinition, configuration: Configuration) -> str | None:
    """Say why a configuration cannot be trained, or give None: a rule of the settings, or a network without voxels."""
    try:
        experiment = apply(definition.base, configuration)
        check_shapes(experiment.network, experiment.scan.shape)
    except ConfigError as error:
        return str(error)
    return None


def keras_tuner_space(space: Space) -> dict[str, Any]:
    """Give the space for `keras_tuner.HyperParameters.from_config`.

    A choice is given by its index, so that it may be of any type, and so is a number with a step that need not be
    whole: KerasTuner divides by the step without allowing for rounding, and would leave 0.6 out of 0 to 0.6 by 0.1 and
    take 0.5 for 0.4 in its model. Conditions are given outright, because its scopes know no two conditions.
    """
    index = {(one.key, choice): number for one in space for number, choice in enumerate(one.choices)}
    declared = []
    for one in space:
        if one.kind == "choice":
            sort, config = "Choice", {"values": list(range(len(one.choices))), "ordered": True}
        else:
            by_index = one.kind == "float" and one.step is not None
            low, high = (0, (one.count or 1) - 1) if by_index else one.ends
            sort = "Int" if by_index else one.kind.capitalize()
            config = {"min_value": low, "max_value": high, "step": one.step, "sampling": "log" if one.log else "linear"}
            if by_index:
                config |= {"step": 1, "sampling": "linear"}
        conditions = [
            {"class_name": "Parent", "config": {"name": key, "values": [index[key, value] for value in values]}}
            for key, values in one.when
        ]
        declared.append({"class_name": sort, "config": config | {"name": one.key, "conditions": conditions}})
    # A grid begins with these; without them it would draw what depends on others, from no seed.
    return {"space": declared, "values": _sample(space, itertools.repeat(0.0))}


def _drawn(definition: SweepDefinition) -> Iterator[dict[str, Any]]:
    """Draw as the oracles do: one generator a number, its seed one higher each time, nothing twice."""
    seeds = itertools.count(definition.search_seed + 1)  # KerasTuner takes 0 for "any"
    shares = (random.Random(seed).random() for seed in seeds)  # noqa: S311 - as KerasTuner draws
    tried: list[dict[str, Any]] = []
    while True:
        fresh = (raw for raw in (_sample(definition.space, shares) for _ in range(_DRAWS)) if raw not in tried)
        raw = next(fresh, None)
        if raw is None:
            return
        tried.append(raw)
        yield raw


def _sample(space: Space, shares: Iterator[float]) -> dict[str, Any]:
    """Give a value to each hyperparameter that is active, one after the other."""
    raw: dict[str, Any] = {}
    configuration: Configuration = {}
    for one in space:
        if one.is_active(configuration):
            raw[one.key] = _draw(one, next(shares))
            configuration[one.key] = one.decode(raw[one.key])
    return raw


def _draw(one: Hyperparameter, share: float) -> Any:
    """Give what KerasTuner makes of a random number from 0 to below 1."""
    if one.count is not None:
        # Divided as KerasTuner divides, for the same rounding.
        return _raw(one, min(math.floor(share / (1 / one.count)), one.count - 1))
    low, high = one.ends
    if one.kind == "int":  # of a logarithmic scale, with the end included
        return int(low * math.pow((high + 1) / low, share))
    return low * math.pow(high / low, share) if one.log else share * (high - low) + low


def _raw(one: Hyperparameter, index: int) -> Any:
    return one.at(index) if one.kind == "int" else index


def _counted(space: Space) -> Iterator[dict[str, Any]]:
    """Count all combinations up, the last hyperparameter fastest; inactive ones do not count."""

    def extend(raw: dict[str, Any], configuration: Configuration, rest: Space) -> Iterator[dict[str, Any]]:
        if not rest:
            yield raw
            return
        one, *others = rest
        if not one.is_active(configuration):
            yield from extend(raw, configuration, tuple(others))
            return
        for index in range(one.count or 0):
            value = one.at(index)
            yield from extend({**raw, one.key: _raw(one, index)}, {**configuration, one.key: value}, tuple(others))

    yield from extend({}, {}, space)
