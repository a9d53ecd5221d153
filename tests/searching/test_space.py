"""What may vary: read from a file's tables, refused with the reason, and laid over the settings."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.errors import ConfigError
from ctexp.overrides import flatten, setting_types
from ctexp.presets import get_preset
from ctexp.searching.space import Hyperparameter, apply, decode
from ctexp.searching.space_table import read_space

BASE = get_preset("default")
RATE = "training.learning_rate"


def read(table: dict[str, Any]) -> tuple[Hyperparameter, ...]:
    """Read a space over the default preset."""
    return read_space(table, BASE, "my.toml")


def test_every_kind_of_hyperparameter() -> None:
    """The setting's type decides the kind; values have the setting's own type, lists are tuples."""
    assert read(
        {
            RATE: {"low": 1, "high": 2, "log": True},
            "training.batch_size": {"low": 2, "high": 8, "step": 2},
            "network.dropout": {"choices": [0, 0.5]},
            "network.pooling": {"choices": ["max", "average"]},
            "scan.shape": {"choices": [[32, 32, 16], [64, 64, 32]]},
            "network.filters.4": {"low": 64, "high": 256, "step": 2, "log": True},
        }
    ) == (
        Hyperparameter(RATE, "float", 1.0, 2.0, None, log=True),
        Hyperparameter("training.batch_size", "int", 2, 8, 2),
        Hyperparameter("network.dropout", "choice", choices=(0.0, 0.5)),
        Hyperparameter("network.pooling", "choice", choices=("max", "average")),
        Hyperparameter("scan.shape", "choice", choices=((32, 32, 16), (64, 64, 32))),
        Hyperparameter("network.filters.4", "int", 64, 256, 2, log=True),
    )


def test_nested_and_quoted_keys_are_one() -> None:
    """Dotted keys, which TOML nests, and quoted ones mean the same, also in `when`."""
    nested = {
        "network": {
            "filters": {"1": {"choices": [8, 16]}},
            "momentum": {"low": 0.5, "high": 0.9, "when": {"network": {"filters": {"1": 8}}}},
        }
    }
    quoted = {
        "network.filters.1": {"choices": [8, 16]},
        "network.momentum": {"low": 0.5, "high": 0.9, "when": {"network.filters.1": [8]}},
    }
    assert read(nested) == read(quoted)
    assert read(quoted)[1].when == (("network.filters.1", (8,)),)


@pytest.mark.parametrize(
    ("key", "entry", "message"),
    [
        ("training.learning_rat", {"low": 1, "high": 2}, "no such setting; did you mean training.learning_rate?"),
        ("learning_rate", {"low": 1, "high": 2}, "no such setting; did you mean training.learning_rate?"),
        ("network.filters.5", {"choices": [8, 16]}, "no such setting; did you mean network.filters"),
        (RATE, 0.1, "must be a table with low and high, or with choices, got 0.1"),
        (RATE, {"lwo": 1, "high": 2}, "lwo: no such word; did you mean low?"),
        (RATE, {}, "must have low and high, or choices, got none"),
        (RATE, {"low": 1}, "must have low and high, or choices, got low"),
        (RATE, {"low": 1, "choices": [1, 2]}, "must have choices alone or low and high, got low, choices"),
        (RATE, {"low": 2, "high": 1}, "low must be below high, got low=2.0, high=1.0"),
        (RATE, {"low": 1, "high": 1}, "low must be below high, got low=1.0, high=1.0"),
        (RATE, {"low": 0, "high": 1}, "low: must be above 0 and at most 10, got 0.0"),
        (RATE, {"low": 1, "high": 11}, "high: must be above 0 and at most 10, got 11.0"),
        (RATE, {"low": "1", "high": 2}, "low: must be a finite number, got '1'"),
        (RATE, {"low": 1, "high": math.inf}, "high: must be a finite number, got inf"),
        (RATE, {"low": 1, "high": 2, "log": 1}, "log: must be true or false, got 1"),
        (RATE, {"low": 1, "high": 2, "step": 0}, "step: must be a number above 0, got 0"),
        (RATE, {"low": 1, "high": 2, "step": math.nan}, "step: must be a number above 0, got nan"),
        (RATE, {"low": 1, "high": 2, "step": True}, "step: must be a number above 0, got True"),
        (RATE, {"low": 1, "high": 2, "step": 1.5}, "step must lead from low to a second value, got low=1.0, high=2.0"),
        (
            RATE,
            {"low": 1, "high": 2, "step": 1, "log": True},
            "step: must be a number above 1, a factor, with log = true",
        ),
        (RATE, {"choices": [1, 1.0]}, "choices: must be different values, got [1, 1.0]"),
        (RATE, {"choices": [1, 11]}, "choices: must be above 0 and at most 10, got 11.0"),
        ("network.dropout", {"low": 0, "high": 0.5, "log": True}, "low must be above 0 with log = true, got low=0.0"),
        ("training.batch_size", {"low": 1, "high": 4, "step": 1.0}, "step: must be a whole number above 0, got 1.0"),
        ("training.batch_size", {"low": 1.5, "high": 4}, "low: must be a whole number, got 1.5"),
        ("network.pooling", {"low": 1, "high": 2}, "must have choices, a list of values, got low, high"),
        ("network.pooling", {"choices": "max"}, "choices: must be a list of values, got 'max'"),
        ("network.pooling", {"choices": ["max", "min"]}, "choices: must be one of 'max', 'average', got 'min'"),
        ("network.pooling", {"choices": ["max"]}, "choices: must be two or more, got ['max']; a single value stands"),
        ("scan.shape", {"low": 16, "high": 32}, "must have choices, a list of values, got low, high"),
        (
            "scan.shape",
            {"choices": [[64, 64, 32], [4, 4, 4]]},
            "choices: must be three whole numbers from 8 to 512, got",
        ),
        (
            "network.filters.1",
            {"choices": [8, 0]},
            "choices: must be one or more whole numbers from 1 to 4096, got (0, 32",
        ),
        ("seed", {"choices": [1, 2]}, "must not vary: a seed is luck"),
        ("split.validation", {"choices": [0.1, 0.2]}, "must not vary: it decides which scans are compared"),
        ("split.scheme", {"choices": ["auto", "random"]}, "must not vary: it decides which scans are compared"),
        ("training.epochs", {"low": 5, "high": 50}, "must not vary: it is the sweep's own `epochs`"),
        ("training.monitor", {"choices": ["val_auc", "val_loss"]}, "must not vary: it is the sweep's own `metric`"),
    ],
)
def test_what_is_wrong_is_named(key: str, entry: object, message: str) -> None:
    """Each broken rule is answered with file, setting, rule and value, and a remedy where there is one."""
    with pytest.raises(ConfigError) as quoted:
        read({key: entry})
    assert str(quoted.value).startswith(f"my.toml: space.{key}: {message}")
    group, _, name = key.partition(".")
    if name and "." not in name:
        with pytest.raises(ConfigError) as nested:
            read({group: {name: entry}})
        assert str(nested.value) == str(quoted.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, ": must name a setting that varies, got none"),
        ({"training": {}}, ".training: no such setting"),
        (
            {"network.filters": {"choices": [[8], [16]]}, "network.filters.1": {"choices": [8, 16]}},
            ".network.filters: must vary as a whole or block by block, got both",
        ),
        (
            {"network": {"dense": {"low": 8, "high": 16}}, "network.dense": {"low": 8, "high": 32}},
            ": must name each setting once, got network.dense, network.dense",
        ),
    ],
)
def test_spaces_that_contradict_themselves(table: dict[str, Any], message: str) -> None:
    """An empty space, and one that says two things of a setting, are refused."""
    with pytest.raises(ConfigError) as caught:
        read(table)
    assert str(caught.value).startswith(f"my.toml: space{message}")


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ("batch", "must be a table such as { \"network.normalisation\" = \"batch\" }, got 'batch'"),
        ({"network.normalization": "batch"}, "network.normalization: must be another hyperparameter; did you mean "
         "network.normalisation?"),
        ({"network.normalisation": "bach"}, "network.normalisation: must be among its choices, ['batch', 'none'], got "
         "'bach'"),
        ({"network.normalisation": []}, "network.normalisation: must be among its choices, ['batch', 'none'], got []"),
        ({"network.normalisation": [{"a": 1}]}, "network.normalisation: must be among its choices, ['batch', 'none']"),
        ({RATE: 1}, f"{RATE}: must be a hyperparameter with choices, this one has low and high"),
    ],
)  # fmt: skip
def test_a_wrong_condition_is_named(when: object, message: str) -> None:
    """A `when` names another hyperparameter with choices, and some of these."""
    table = {
        "network.normalisation": {"choices": ["batch", "none"]},
        RATE: {"low": 1, "high": 2},
        "network.momentum": {"low": 0.5, "high": 0.9, "when": when},
    }
    with pytest.raises(ConfigError) as caught:
        read(table)
    assert str(caught.value).startswith(f"my.toml: space.network.momentum: when: {message}")


def test_conditions_on_lists() -> None:
    """A condition on a setting that is a list takes one such list, or several."""
    shapes = {"scan.shape": {"choices": [[16, 16, 8], [32, 32, 16], [64, 64, 32]]}}
    one = read({**shapes, RATE: {"low": 1, "high": 2, "when": {"scan.shape": [32, 32, 16]}}})[1]
    two = read({**shapes, RATE: {"low": 1, "high": 2, "when": {"scan.shape": [[64, 64, 32], [16, 16, 8]]}}})[1]
    assert one.when == (("scan.shape", ((32, 32, 16),)),)
    assert two.when == (("scan.shape", ((16, 16, 8), (64, 64, 32))),)


def test_parents_come_first_and_circles_are_refused() -> None:
    """A hyperparameter stands behind those that its `when` names, all else as in the file; a circle has no order."""
    table = {
        "network.head": {"choices": ["max", "average"], "when": {"network.pooling": "max", "augment.flip": True}},
        RATE: {"low": 1, "high": 2},
        "network.pooling": {"choices": ["max", "average"], "when": {"augment.flip": True}},
        "augment.flip": {"choices": [False, True]},
    }
    assert [one.key for one in read(table)] == [RATE, "augment.flip", "network.pooling", "network.head"]
    table["augment.flip"]["when"] = {"network.head": "max"}  # type: ignore[index]
    with pytest.raises(ConfigError, match=r"space: when must not lead in a circle, got one among network\.head, "):
        read(table)


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ({"network.dropout": {"low": 0, "high": 0.6, "step": 0.1}}, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
        ({"network.dropout": {"low": 0.15, "high": 0.6, "step": 0.2}}, [0.15, 0.35, 0.55]),
        ({RATE: {"low": 1e-5, "high": 1e-2, "step": 10, "log": True}}, [1e-5, 1e-4, 1e-3, 1e-2]),
        ({"training.batch_size": {"low": 3, "high": 6}}, [3, 4, 5, 6]),
        ({"training.batch_size": {"low": 2, "high": 33, "step": 2, "log": True}}, [2, 4, 8, 16, 32]),
        ({"network.filters.1": {"low": 8, "high": 24, "step": 8}}, [8, 16, 24]),
        ({"network.pooling": {"choices": ["average", "max"]}}, ["average", "max"]),
    ],
)
def test_values_that_can_be_counted(table: dict[str, Any], values: list[Any]) -> None:
    """Steps are counted from the lowest value, without rounding errors and up to the highest."""
    one = read(table)[0]
    assert one.count == len(values)
    found = [one.at(index) for index in range(len(values))]
    assert found == values
    assert {type(value) for value in found} == {type(flatten(BASE).get(one.key, 1))}


def test_what_cannot_be_counted() -> None:
    """A number without a step, or a whole one drawn on the logarithmic scale, has no list of values."""
    assert read({RATE: {"low": 1, "high": 2}})[0].count is None
    assert read({"training.batch_size": {"low": 1, "high": 2, "log": True}})[0].count is None


def test_decoding() -> None:
    """Indices become choices and steps, numbers are rounded and kept within the ends, what is inactive is dropped."""
    space = read(
        {
            "network.normalisation": {"choices": ["batch", "none"]},
            "network.momentum": {"low": 0.5, "high": 0.9, "when": {"network.normalisation": "batch"}},
            "network.dropout": {"low": 0, "high": 0.6, "step": 0.1},
            RATE: {"low": 1e-4, "high": 1e-2, "log": True},
            "training.batch_size": {"low": 2, "high": 8, "log": True},
        }
    )
    raw: dict[str, Any] = {RATE: 0.010000000000000002, "training.batch_size": 9, "network.dropout": 3}
    raw["network.momentum"] = 0.1 + 0.2 + 0.4
    decoded = decode(space, {**raw, "network.normalisation": 0, "tuner/epochs": 3})
    assert decoded == {
        "network.normalisation": "batch",
        "network.momentum": 0.7,
        "network.dropout": 0.3,
        RATE: 0.01,
        "training.batch_size": 8,
    }
    assert list(decoded) == [one.key for one in space]
    assert "network.momentum" not in decode(space, {**raw, "network.normalisation": 1})
    assert decode(space, {**raw, "network.normalisation": 0, "network.dropout": 0.30000000000000004}) == decoded


@given(st.floats(1e-3, 0.1), st.floats(0.11, 0.9), st.integers(2, 60), st.data())
def test_steps_stay_between_the_ends(low: float, high: float, parts: int, data: st.DataObject) -> None:
    """Every counted value lies between the ends, each larger than the one before, and is a value of the setting."""
    log = data.draw(st.booleans())
    step = (high / low) ** (1 / parts) if log else (high - low) / parts
    one = read({"network.dropout": {"low": low, "high": high, "step": step, "log": log}})[0]
    assert one.count is not None
    values = [one.at(index) for index in range(one.count)]
    assert values == sorted(set(values))
    assert low <= values[0] <= values[-1] <= high
    assert values[-1] == pytest.approx(high)
    for value in values:
        assert apply(BASE, {"network.dropout": value}).network.dropout == value


@given(st.dictionaries(st.sampled_from([1, 2, 3, 4]), st.integers(1, 99)), st.booleans())
def test_a_configuration_changes_what_it_names(blocks: dict[int, int], flip: bool) -> None:
    """Blocks that are named change alone; every other setting stays as it was."""
    configuration = {f"network.filters.{number}": value for number, value in blocks.items()} | {"augment.flip": flip}
    after = flatten(apply(BASE, configuration))
    filters = tuple(blocks.get(number, old) for number, old in enumerate(BASE.network.filters, start=1))
    assert after == flatten(BASE) | {"network.filters": filters, "augment.flip": flip}


def test_a_configuration_that_does_not_fit() -> None:
    """A block too many and an unknown key are refused, with the place that was given."""
    with pytest.raises(ConfigError, match=r"^trial 3: network\.filters\.5: must be one of the 4 blocks"):
        apply(BASE, {"network.filters.5": 8}, place="trial 3")
    with pytest.raises(ConfigError, match=r"^trial: network.poling: no such setting; did you mean network.pooling\?$"):
        apply(BASE, {"network.poling": "max"})


def test_every_setting_but_the_fixed_ones_may_vary() -> None:
    """Whatever setting exists, some space of it is read, so that a new setting can be searched at once."""
    samples: dict[Any, list[Any]] = {int: [1, 2], float: [0.125, 0.25], bool: [False, True]}
    special = {"scan.shape": [[8, 8, 8], [16, 16, 8]], "scan.window_hu": [[-900, 0], [-1000, 0]],
               "scan.lungs_hu": [[-200, 300], [-100, 200]],
               "scan.extent_mm": [[1, 2, 3], [4, 5, 6]], "network.filters": [[8], [8, 8]]}  # fmt: skip
    for key, kind in setting_types().items():
        if key not in ("seed", "training.epochs", "training.monitor") and not key.startswith(("split.", "answer.")):
            choices = special.get(key) or samples.get(kind) or list(kind.__args__[:2])
            assert read({key: {"choices": choices}})[0].count == 2, key
