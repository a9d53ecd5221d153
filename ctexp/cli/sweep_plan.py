"""What `ctexp sweep --dry-run` says: the sweep as it was understood, and the configurations it would begin with."""

import textwrap
from typing import Any

from ctexp.cli.console import WIDTH
from ctexp.overrides import flatten
from ctexp.presets import PRESETS
from ctexp.searching.definition import DIRECTIONS, SweepDefinition
from ctexp.searching.draws import first_configurations, planned_trials
from ctexp.searching.plan import bracket_epochs, bracket_rounds, brackets
from ctexp.searching.records import Configuration
from ctexp.searching.space import Hyperparameter
from ctexp.searching.wording import text

SHOWN = 5
_CHOOSE = {
    "one-standard-error": "the network with the fewest weights within one standard error of the best score",
    "best": "the best score",
}
_OWN = ("training.epochs", "training.monitor", "seed")


def plan_text(definition: SweepDefinition, source: str) -> str:
    """Give the plan of a sweep as lines for a person, most of them within 80 columns.

    Args:
        definition: the sweep.
        source: the scans, as typed or by default.

    Raises:
        ConfigError: nothing of the space can be built.
    """
    facts = {
        "data": source,
        "settings": _settings(definition),
        "objective": _objective(definition),
        "algorithm": definition.algorithm,
        "trials": _trials(definition),
        **{f"bracket {number}": _rounds(definition, number) for number in _brackets(definition)},
        "stop": _stop(definition),
        "choose": _CHOOSE[definition.choose],
        "keep": f"checkpoints of the {definition.keep} best trials" if definition.keep > 1 else "the best checkpoint",
        "seeds": f"{definition.search_seed} of the search; {definition.base.seed} of weights, split and order",
        "signature": definition.signature(),
    }
    space = {one.key: _range(one) for one in definition.space}
    lines = [f"Sweep {definition.name}, dry run: checked, nothing trained."]
    lines += [*textwrap.wrap(definition.question, WIDTH), "", *_listed(facts)]
    lines += ["", "What varies:", *_listed(space, "  "), ""]
    lines += _table(definition, first_configurations(definition, min(SHOWN, definition.trials)))
    return "\n".join(lines)


def plan_json(definition: SweepDefinition, source: str) -> dict[str, Any]:
    """Give the plan of a sweep as one JSON object.

    Args:
        definition: the sweep.
        source: the scans, as typed or by default.

    Raises:
        ConfigError: nothing of the space can be built.
    """
    return {
        "dry_run": True,
        "name": definition.name,
        "question": definition.question,
        "data": source,
        "preset": definition.preset,
        "objective": {
            "metric": definition.metric,
            "direction": DIRECTIONS[definition.metric],
            "choose": definition.choose,
        },
        "algorithm": definition.algorithm,
        "trials": definition.trials,
        "epochs": definition.epochs,
        "folds": definition.folds,
        "brackets": [
            {"bracket": number, "rounds": [list(one) for one in bracket_rounds(definition.epochs, number)]}
            for number in _brackets(definition)
        ],
        "stop": {"rule": definition.stop, "trials": definition.stop_trials, "epochs": definition.stop_epochs},
        "keep": definition.keep,
        "search_seed": definition.search_seed,
        "signature": definition.signature(),
        "settings": flatten(definition.base),
        "space": {one.key: one.as_table() for one in definition.space},
        "configurations": list(first_configurations(definition, min(SHOWN, definition.trials))),
    }


def _settings(definition: SweepDefinition) -> str:
    """Name the preset and what of it was changed; what the plan says elsewhere is left out."""
    preset = flatten(PRESETS[definition.preset])
    changed = {key: value for key, value in flatten(definition.base).items() if value != preset[key]}
    words = [f"{key} = {_cell(value)}" for key, value in changed.items() if key not in _OWN]
    return ", ".join([f"preset {definition.preset}", *words])


def _objective(definition: SweepDefinition) -> str:
    mean = f", mean over {definition.folds} folds" if definition.folds else ""
    return f"{definition.metric} of the best epoch{mean}; {'higher' if definition.maximise else 'lower'} is better"


def _brackets(definition: SweepDefinition) -> tuple[int, ...]:
    return brackets(definition.epochs, (definition.trials,)) if definition.algorithm == "hyperband" else ()


def _trials(definition: SweepDefinition) -> str:
    epochs, chosen = definition.epochs, _brackets(definition)
    number = planned_trials(definition, (definition.trials,))
    if chosen:
        total = sum(bracket_epochs(epochs, one) for one in chosen)
        return f"{number} of the {definition.trials} allowed fill whole brackets; {total:,} epochs in all"
    few = f" ({definition.trials} allowed, the space has no more)" if number < definition.trials else ""
    folds = f" x {definition.folds} folds" if definition.folds else ""
    total = number * epochs * (definition.folds or 1)
    return f"{number}{few}{folds} x {epochs} epochs; at most {total:,} epochs in all"


def _rounds(definition: SweepDefinition, bracket: int) -> str:
    (first, epochs), *later = bracket_rounds(definition.epochs, bracket)
    goes_on = "".join(f", the best {size} of these to epoch {until}" for size, until in later)
    return f"{first} to epoch {epochs}{goes_on}"


def _stop(definition: SweepDefinition) -> str:
    if definition.stop == "none":
        return "never early" if definition.algorithm != "hyperband" else "by the brackets"
    number = planned_trials(definition, (definition.trials,))
    if number <= definition.stop_trials:
        return f"never early: the rule needs {definition.stop_trials} finished trials first, and there are {number}"
    part = "fold" if definition.folds else "epoch"
    return (
        f"early, when worse than the median of the other trials at the same {part}; from {part} "
        f"{definition.stop_epochs} on, once {definition.stop_trials} have finished"
    )


def _range(one: Hyperparameter) -> str:
    if one.kind == "choice":
        words = " | ".join(f"[{text(value)}]" if isinstance(value, tuple) else text(value) for value in one.choices)
    else:
        low, high = one.ends
        words = f"{text(low)} to {text(high)}"
        if one.step is not None:
            words += f", {'factor' if one.log else 'step'} {text(one.step)}, {one.count} values"
        elif one.log:
            words += ", log scale"
    conditions = (f"{key} is {' or '.join(map(_cell, values))}" for key, values in one.when)
    return words + (f"; only where {' and '.join(conditions)}" if one.when else "")


def _listed(entries: dict[str, str], indent: str = "") -> list[str]:
    """Give the entries in two columns, long ones wrapped."""
    width = max(map(len, entries))
    return [
        line
        for key, value in entries.items()
        for line in textwrap.wrap(
            value,
            WIDTH,
            initial_indent=f"{indent}{key:<{width}}  ",
            subsequent_indent=" " * (len(indent) + width + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]


def _table(definition: SweepDefinition, found: tuple[Configuration, ...]) -> list[str]:
    """Give one column a configuration, as many as fit beside each other."""
    columns = [["trial", *(one.key for one in definition.space)]]
    columns += [
        [str(number), *(_cell(one[key]) if key in one else "-" for key in columns[0][1:])]
        for number, one in enumerate(found)
    ]
    widths = [max(map(len, column)) for column in columns]
    while len(widths) > 2 and sum(widths) + 2 * len(widths) > WIDTH:
        del widths[-1], columns[-1]
    number = len(columns) - 1
    head = f"First {number} configurations" if number > 1 else "First configuration"
    drawn = {"bayesian": " (drawn at random; later ones follow the scores)", "hyperband": " (drawn at random)"}
    lines = [f"{head}{drawn.get(definition.algorithm, '')}:"]
    for key, *cells in zip(*columns, strict=True):
        aligned = [f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([f"  {key:<{widths[0]}}", *aligned]))
    return lines


def _cell(value: object) -> str:
    return text(value).replace(", ", ",")
