"""Settings: their rules and the presets."""

import dataclasses
import math

import pytest

from ctexp.config import (
    AnswerSettings,
    AugmentSettings,
    Experiment,
    NetworkSettings,
    ScanSettings,
    SplitSettings,
    TrainingSettings,
)
from ctexp.errors import ConfigError, CtexpError, InputError, WorkError
from ctexp.overrides import flatten
from ctexp.presets import PRESETS, get_preset

NAN = math.nan


@pytest.mark.parametrize(
    ("settings", "field", "values"),
    [
        (ScanSettings, "shape", [(7, 8, 8), (8, 8, 513), (8, 8), (8, 8, 8, 8), ()]),
        (ScanSettings, "window_hu", [(400, -1000), (0, 0), (NAN, 0), (0, NAN)]),
        (ScanSettings, "extent_mm", [(0, 1, 1), (1, -1, 1), (1, 1, NAN)]),
        (AugmentSettings, "rotation_degrees", [-1, 181, NAN]),
        (AugmentSettings, "scale", [-0.1, 0.9, NAN]),
        (AugmentSettings, "shift", [-0.1, 0.5, NAN]),
        (AugmentSettings, "intensity", [-0.1, 0.9, NAN]),
        (NetworkSettings, "filters", [(), (0,), (16, 4097), (-1,)]),
        (NetworkSettings, "kernel", [0, 12]),
        (NetworkSettings, "stem_stride", [0, 9]),
        (NetworkSettings, "momentum", [0, 1, NAN]),
        (NetworkSettings, "dense", [-1, 65537]),
        (NetworkSettings, "dropout", [-0.1, 1, NAN]),
        (TrainingSettings, "epochs", [0, -1, 100_001]),
        (TrainingSettings, "batch_size", [0, 1025]),
        (TrainingSettings, "learning_rate", [0, -1e-3, 11, NAN]),
        (TrainingSettings, "decay_rate", [0, 1.1, NAN]),
        (TrainingSettings, "decay_steps", [0]),
        (TrainingSettings, "warmup_epochs", [-1, NAN]),
        (TrainingSettings, "patience", [-1]),
        (SplitSettings, "validation", [0, 1, -0.1, NAN]),
        (SplitSettings, "test", [-0.1, 1, NAN]),
        (AnswerSettings, "sensitivity", [-0.1, 1.1, NAN]),
        (Experiment, "seed", [-1, 2**32]),
    ],
)
def test_rules(settings: type, field: str, values: list) -> None:
    """A value outside a field's range is refused by a line with the field's key and the value."""
    for value in values:
        with pytest.raises(ConfigError, match=rf"^[\w.]*{field}\b.*: must be ") as caught:
            settings(**{field: value})
        assert repr(value) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_shares_of_a_split_leave_something_to_train_on() -> None:
    """Validation and test together stay below everything."""
    with pytest.raises(ConfigError, match=r"split\.validation \+ split\.test: must be < 1"):
        SplitSettings(validation=0.5, test=0.5)


@pytest.mark.parametrize("name", PRESETS)
def test_settings_are_frozen(name: str) -> None:
    """No setting of a preset can be changed, so that one experiment cannot disturb another."""
    experiment = PRESETS[name]
    for one in (experiment, experiment.scan, experiment.augment, experiment.network, experiment.training):
        field = dataclasses.fields(one)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(one, field, getattr(one, field))
    assert hash(experiment) == hash(dataclasses.replace(experiment))


def test_published_preset_has_the_published_numbers() -> None:
    """The numbers of keras.io's example, as far as an experiment has them."""
    flat = flatten(get_preset("published"))
    expected = {
        "scan.shape": (128, 128, 64),
        "scan.window_hu": (-1000.0, 400.0),
        "scan.geometry": "stretch",
        "scan.lungs_hu": (-150.0, 250.0),
        "scan.resampling": "linear",
        "network.filters": (64, 64, 128, 256),
        "network.kernel": 3,
        "network.dense": 512,
        "network.dropout": 0.3,
        "training.batch_size": 2,
        "training.learning_rate": 1e-4,
        "training.decay_rate": 0.96,
        "training.decay_steps": 100_000,
        "augment.rotation_degrees": 20.0,
        "augment.flip": False,
        "augment.scale": 0.0,
    }
    assert {key: flat[key] for key in expected} == expected


def test_unknown_preset() -> None:
    """The nearest preset is suggested; without a near one all are listed."""
    with pytest.raises(ConfigError, match="--preset publishd: no such preset; did you mean published"):
        get_preset("publishd")
    with pytest.raises(ConfigError, match="known: published, default, whole, smoke"):
        get_preset("xyz")


def test_errors_know_whose_fault_it_is() -> None:
    """Wrong input exits with 2, failed work with 1, and both can be caught as one kind."""
    assert (ConfigError.exit_code, InputError.exit_code, WorkError.exit_code) == (2, 2, 1)
    assert issubclass(ConfigError, ValueError)
    assert issubclass(ConfigError, CtexpError)
    assert issubclass(WorkError, CtexpError)
    assert not issubclass(WorkError, InputError)
