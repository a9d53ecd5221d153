"""Sweep definitions: read with every mistake named, overridden from the command line, kept as JSON."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.errors import ConfigError
from ctexp.overrides import flatten, override
from ctexp.presets import PRESETS, get_preset
from ctexp.project import Project
from ctexp.searching.definition import SweepDefinition, SweepOptions, read_definition

pytestmark = pytest.mark.usefixtures("tmp_path")  # sweeps are written into the current folder
SPACE = """
[space]
network.normalisation = { choices = ["batch", "none"] }
network.momentum = { low = 0.5, high = 0.9, when = { network.normalisation = "batch" } }
scan.shape = { choices = [[32, 32, 16], [64, 64, 32]] }
training.batch_size = { low = 2, high = 16, step = 2, log = true }
"""
WHOLE = f"""
question = "What?"
preset = "smoke"
algorithm = "random"
trials = 7
epochs = 12
keep = 2
folds = 0
search_seed = 5

[objective]
metric = "val_loss"
direction = "min"
choose = "best"

[stop]
rule = "median"
trials = 4
epochs = 6

[settings]
seed = 9
training.batch_size = 4
network = {{ dropout = 0.1 }}
"augment.flip" = true
{SPACE}"""


def read(text: str, **options: Any) -> SweepDefinition:
    """Read a sweep file `mine.toml` of the current folder."""
    Path("mine.toml").write_text(text, encoding="utf-8")
    return read_definition("mine.toml", Project(Path.cwd()), SweepOptions(**options))


def test_every_word_of_a_file() -> None:
    """Whatever a file says is in the definition, its settings over its preset's."""
    sweep = read(WHOLE)
    assert (sweep.name, sweep.question, sweep.preset) == ("mine", "What?", "smoke")
    assert (sweep.algorithm, sweep.trials, sweep.keep, sweep.folds, sweep.search_seed) == ("random", 7, 2, 0, 5)
    assert (sweep.metric, sweep.maximise, sweep.choose) == ("val_loss", False, "best")
    assert (sweep.stop, sweep.stop_trials, sweep.stop_epochs) == ("median", 4, 6)
    assert sweep.epochs == 12
    assert sweep.base == override(
        get_preset("smoke"),
        {
            "seed": 9,
            "training.batch_size": 4,
            "network.dropout": 0.1,
            "augment.flip": True,
            "training.epochs": 12,
            "training.monitor": "val_loss",
        },
    )
    assert [one.key for one in sweep.space] == [
        "network.normalisation",
        "network.momentum",
        "scan.shape",
        "training.batch_size",
    ]


def test_defaults() -> None:
    """A file of a space alone is a sweep of the default preset by its AUC."""
    sweep = read(SPACE)
    assert sweep == SweepDefinition(
        name="mine", base=get_preset("default"), stop="median", stop_epochs=5, space=sweep.space
    )
    assert (sweep.trials, sweep.algorithm, sweep.keep, sweep.folds, sweep.search_seed) == (20, "bayesian", 3, 0, 0)
    assert (sweep.metric, sweep.choose, sweep.maximise, sweep.stop_trials) == (
        "val_auc",
        "one-standard-error",
        True,
        5,
    )


@pytest.mark.parametrize(
    ("text", "stop", "epochs"),
    [
        ("epochs = 15", "median", 5),
        ("epochs = 3", "median", 2),
        ("epochs = 40", "median", 13),
        ("epochs = 15\nfolds = 5", "median", 1),
        ('epochs = 15\nalgorithm = "hyperband"', "none", 5),
        ("epochs = 15\nstop = { epochs = 9 }", "median", 9),
        ('epochs = 15\nalgorithm = "hyperband"\nstop = { rule = "median" }', "median", 5),
        ('epochs = 15\nstop = { rule = "none" }', "none", 5),
    ],
)
def test_defaults_of_stopping(text: str, stop: str, epochs: int) -> None:
    """A third of the epochs, at least 2, is given to each trial; with folds one fold; hyperband needs no rule."""
    sweep = read(text + SPACE)
    assert (sweep.stop, sweep.stop_epochs) == (stop, epochs)


def test_options_override_the_file() -> None:
    """What the command line says counts, and what follows from it follows: `--seed` is both seeds."""
    sweep = read(WHOLE, trials=30, algorithm="bayesian", folds=4, preset="default", epochs=33, seed=77)
    file = read(WHOLE)
    assert (sweep.trials, sweep.algorithm, sweep.folds, sweep.preset) == (30, "bayesian", 4, "default")
    assert (sweep.search_seed, sweep.base.seed, sweep.epochs) == (77, 77, 33)
    assert sweep.base.network == dataclasses.replace(get_preset("default").network, dropout=0.1)
    assert (sweep.question, sweep.keep, sweep.stop_epochs) == (file.question, file.keep, file.stop_epochs)
    assert read(SPACE, epochs=60).stop_epochs == 20
    assert read(SPACE, algorithm="hyperband").stop == "none"
    assert read("trials = 5" + SPACE, seed=0).search_seed == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trails = 3", "mine.toml: trails: no such key; did you mean trials?"),
        ("seed = 3", "mine.toml: seed: no such key; settings stand under [settings]"),
        ("[training]\nbatch_size = 3", "mine.toml: training: no such key; settings stand under [settings]"),
        ("trials = 0", "mine.toml: trials: must be from 1 to 10000, got 0"),
        ("trials = 10001", "mine.toml: trials: must be from 1 to 10000, got 10001"),
        ("trials = 2.0", "mine.toml: trials: must be a whole number, got 2.0"),
        ("trials = true", "mine.toml: trials: must be a whole number, got True"),
        ("question = 1", "mine.toml: question: must be text, got 1"),
        ("settings = 1", "mine.toml: settings: must be a table, got 1"),
        ("keep = 0", "mine.toml: keep: must be >= 1, got 0"),
        ("folds = 1", "mine.toml: folds: must be 0, the split's own validation side, or from 2 to 20, got 1"),
        ("folds = 21", "mine.toml: folds: must be 0, the split's own validation side, or from 2 to 20, got 21"),
        ("search_seed = -1", "mine.toml: search_seed: must be from 0 to 4294967294, got -1"),
        ("epochs = 0", "mine.toml: training.epochs: must be from 1 to 100000, got 0"),
        ('algorithm = "bayes"', "mine.toml: algorithm: must be one of random, bayesian, hyperband, grid, got 'bayes'"),
        ('preset = "defalt"', "mine.toml: preset defalt: no such preset; did you mean default?"),
        ("objective = { metrics = 1 }", "mine.toml: objective: metrics: no such key; did you mean metric?"),
        (
            'objective.metric = "auc"',
            "mine.toml: objective.metric: must be one of val_auc, val_loss, val_accuracy, got",
        ),
        ('objective.direction = "min"', "mine.toml: objective.direction: must be max for val_auc, got 'min'"),
        ('objective.choose = "worst"', "mine.toml: objective.choose: must be one of one-standard-error, best, got"),
        ("stop = { epoch = 1 }", "mine.toml: stop: epoch: no such key; did you mean epochs?"),
        ('stop.rule = "mean"', "mine.toml: stop.rule: must be one of median, none, got 'mean'"),
        ("stop.trials = 0", "mine.toml: stop.trials: must be >= 1, got 0"),
        ("stop.epochs = 0", "mine.toml: stop.epochs: must be >= 1, got 0"),
        ("settings.training.batch_sise = 1", "mine.toml: settings: training.batch_sise: no such setting; did you mean"),
        ("settings.training.batch_size = 0", "mine.toml: settings: training.batch_size: must be from 1 to 1024, got 0"),
        (
            "settings.training.epochs = 9",
            "mine.toml: settings.training.epochs: must not be set here, got 9; use `epochs`",
        ),
        ('settings.training.monitor = "val_loss"', "mine.toml: settings.training.monitor: must not be set here, got"),
        ('algorithm = "hyperband"\nfolds = 3', "mine.toml: folds: must be 0 with hyperband, got 3; other algorithms"),
        (
            'algorithm = "hyperband"\ntrials = 3',
            "mine.toml: trials: must be at least 4 for hyperband with 15 epochs, got",
        ),
        (
            'algorithm = "grid"',
            "mine.toml: space.network.momentum: must have a step or choices for grid, got any number",
        ),
        ("= 3", "mine.toml: must be TOML: "),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    """Each mistake is answered with file, key, rule and value."""
    with pytest.raises(ConfigError) as caught:
        read(text + SPACE)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "--trials: must be from 1 to 10000, got 0"),
        ({"folds": 1}, "--folds: must be 0, the split's own validation side, or from 2 to 20, got 1"),
        ({"algorithm": "evolution"}, "--algorithm: must be one of random, bayesian, hyperband, grid, got 'evolution'"),
        ({"algorithm": "hyperband", "folds": 3}, "--folds: must be 0 with hyperband, got 3"),
        ({"preset": "smok"}, "--preset smok: no such preset; did you mean smoke?"),
        ({"preset": "smoke"}, "mine.toml: space.network.filters.3: no such setting"),
        ({"epochs": 0}, "--epochs: training.epochs: must be from 1 to 100000, got 0"),
        ({"seed": -1}, "--seed: seed: must be from 0 to 4294967295, got -1"),
    ],
)
def test_wrong_options_are_named_as_options(options: dict[str, Any], message: str) -> None:
    """A mistake of the command line is not laid to the file."""
    with pytest.raises(ConfigError) as caught:
        read("trials = 5" + SPACE + "network.filters.3 = { choices = [32, 64] }", **options)
    assert str(caught.value).startswith(message)


def test_files_that_cannot_be_read() -> None:
    """A file that is not there, or no text, is refused in one line."""
    with pytest.raises(ConfigError, match=r"^no/such\.toml: a sweep file must be readable text"):
        read_definition("no/such.toml", Project(Path.cwd()), SweepOptions())
    Path("mine.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"^mine\.toml: a sweep file must be readable text"):
        read_definition("mine.toml", Project(Path.cwd()), SweepOptions())


@pytest.mark.parametrize("text", [WHOLE, SPACE, "folds = 3" + SPACE, 'algorithm = "hyperband"' + SPACE])
def test_json_keeps_everything(text: str) -> None:
    """A definition that went through JSON is equal to the last tuple, and so is its signature."""
    sweep = read(text)
    again = SweepDefinition.from_json(sweep.to_json(), "sweep.json")
    assert again == sweep
    assert again.signature() == sweep.signature()
    assert repr(again) == repr(sweep)


def test_json_is_checked_like_a_file() -> None:
    """What was written by hand, or by another version, is refused with the rule that it breaks."""
    facts = json.loads(read(WHOLE).to_json())
    for change, message in (
        ({"trials": 0}, "trials: must be from 1 to 10000, got 0"),
        ({"colour": 1}, "colour: no such key"),
        ({"space": {}}, "space: must name a setting that varies, got none"),
    ):
        with pytest.raises(ConfigError, match=f"^run 7: {message}"):
            SweepDefinition.from_json(json.dumps(facts | change), "run 7")
    for text in ("", "[]", "{}", "null", '"x"'):
        with pytest.raises(ConfigError, match=r"^run 7: must be the definition of a ctexp sweep"):
            SweepDefinition.from_json(text, "run 7")


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"name": "other"}, True),
        ({"question": "Why?"}, True),
        ({"trials": 8}, True),
        ({"keep": 9}, True),
        ({"choose": "one-standard-error"}, True),
        ({"metric": "val_auc"}, False),
        ({"algorithm": "bayesian"}, False),
        ({"folds": 2}, False),
        ({"search_seed": 6}, False),
        ({"stop": "none"}, False),
        ({"stop_trials": 5}, False),
        ({"stop_epochs": 7}, False),
        ({"base": get_preset("smoke")}, False),
    ],
)
def test_the_signature_stands_for_configurations_and_scores(change: dict[str, Any], same: bool) -> None:
    """What is only looked at afterwards, or extends the sweep, leaves the signature; all else changes it."""
    sweep = read(WHOLE)
    assert re.fullmatch(r"[0-9a-f]{8}", sweep.signature())
    assert (dataclasses.replace(sweep, **change).signature() == sweep.signature()) == same


def test_the_signature_knows_the_space() -> None:
    """Another end, another order and another condition are other sweeps; without the rule its numbers are none."""
    sweep = read(WHOLE)
    first, second, *rest = sweep.space
    others = [
        (first, dataclasses.replace(second, low=0.6), *rest),
        (first, dataclasses.replace(second, when=()), *rest),
        (first, *rest, second),
        (first, *rest),
    ]
    signatures = {dataclasses.replace(sweep, space=space).signature() for space in others}
    assert len(signatures | {sweep.signature()}) == 5
    calm = dataclasses.replace(sweep, stop="none")
    assert calm.signature() == dataclasses.replace(calm, stop_trials=99, stop_epochs=99).signature()


@given(st.sampled_from(sorted(PRESETS)), st.sampled_from(["val_auc", "val_loss", "val_accuracy"]), st.integers(1, 200))
def test_epochs_and_metric_reach_the_trials(preset: str, metric: str, epochs: int) -> None:
    """Every trial trains for the sweep's epochs and saves the epoch that is best by the sweep's metric."""
    sweep = read(f'preset = "{preset}"\nepochs = {epochs}\nobjective.metric = "{metric}"\n' + SPACE)
    changed = {"training.epochs": epochs, "training.monitor": metric}
    assert flatten(sweep.base) == flatten(get_preset(preset)) | changed
    assert sweep.maximise == (metric != "val_loss")
