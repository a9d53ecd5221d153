"""Hyperband's brackets in numbers: how many configurations are trained how far, known before anything is trained.

Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar 2018 (JMLR 18, 185), with the sizes of KerasTuner's
`HyperbandOracle`, which a test compares with these. A bracket trains its first round of configurations for few epochs,
goes on with the best third, and so on up to the sweep's epochs.
"""

import math

from ctexp.errors import ConfigError

FACTOR = 3
"""A round keeps one configuration of so many, and trains to so many times the epochs."""


def brackets(epochs: int, budgets: tuple[int, ...]) -> tuple[int, ...]:
    """Give the brackets to run, in order.

    Brackets come in hyperband's order, the one with most rounds first, and round again after bracket 0; one whose
    first round is larger than what is left of the budget is left out.

    Args:
        epochs: of a whole trial.
        budgets: configurations in all, first and after each extension of the sweep. The brackets of an extended sweep
            begin with those that it had before.

    Raises:
        ConfigError: no bracket fits into a budget.
    """
    highest = _highest(epochs)
    chosen: list[int] = []
    used = 0
    for budget in budgets:
        before, bracket, misses = len(chosen), chosen[-1] - 1 if chosen else highest, 0
        while misses <= highest:
            bracket = bracket if bracket >= 0 else highest
            size = _size(epochs, bracket, 0)
            if used + size <= budget:
                chosen.append(bracket)
                used, misses = used + size, 0
            else:
                misses += 1
            bracket -= 1
        if len(chosen) == before:
            least = used + min(_size(epochs, one, 0) for one in range(highest + 1))
            raise ConfigError(f"trials: must be at least {least} for hyperband with {epochs} epochs, got {budget}")
    return tuple(chosen)


def bracket_rounds(epochs: int, bracket: int) -> tuple[tuple[int, int], ...]:
    """Give a bracket's rounds as (configurations, epoch that they are trained to).

    Args:
        epochs: of a whole trial.
        bracket: its number, which is how often it drops all but a third (`FACTOR`).
    """
    return tuple(
        (_size(epochs, bracket, number), math.ceil(epochs / FACTOR ** (bracket - number)))
        for number in range(bracket + 1)
    )


def bracket_epochs(epochs: int, bracket: int) -> int:
    """Give the epochs of a whole bracket, where each round goes on from the epoch that the one before ended with."""
    total, before = 0, 0
    for size, until in bracket_rounds(epochs, bracket):
        total += size * (until - before)
        before = until
    return total


def _highest(epochs: int) -> int:
    left, number = float(epochs), 0
    while left >= 1:
        left, number = left / FACTOR, number + 1
    return number - 1


def _size(epochs: int, bracket: int, number: int) -> int:
    last = math.ceil(1 + math.log(epochs, FACTOR)) / (bracket + 1)
    size: int = math.ceil(last * FACTOR ** (bracket - number))
    return size
