"""Named experiments: the published recipe to the weight, and the ones that ctexp stands for."""

import dataclasses

from ctexp.config import (
    AugmentSettings,
    Experiment,
    NetworkSettings,
    ScanSettings,
    TrainingSettings,
)
from ctexp.errors import ConfigError
from ctexp.overrides import did_you_mean

_DEFAULT = Experiment(
    scan=ScanSettings(shape=(64, 64, 32), geometry="lungs", resampling="area"),
    augment=AugmentSettings(rotation_degrees=15.0),
    network=NetworkSettings(filters=(16, 32, 64, 128), padding="same", momentum=0.9, dense=64),
    training=TrainingSettings(epochs=15, batch_size=8, learning_rate=2e-3, schedule="cosine", recalibration_scans=32),
)

PRESETS: dict[str, Experiment] = {
    # keras.io, "3D image classification from CT scans": every number as published, but one seed, one monitored metric
    # and angles that include zero.
    "published": Experiment(),
    "default": _DEFAULT,
    # The default network on whole scans: it learns later, and sees what lies at the chest wall, however wide.
    "whole": dataclasses.replace(_DEFAULT, scan=dataclasses.replace(_DEFAULT.scan, geometry="stretch")),
    # Seconds, not accuracy: to see that everything works on this machine.
    "smoke": Experiment(
        scan=ScanSettings(shape=(32, 32, 16)),
        network=NetworkSettings(filters=(8, 16), padding="same", momentum=0.9, dense=16),
        training=TrainingSettings(
            epochs=2, batch_size=8, learning_rate=3e-3, schedule="cosine", recalibration_scans=16
        ),
    ),
}


def get_preset(name: str) -> Experiment:
    """Give the experiment of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in PRESETS:
        raise ConfigError(f"--preset {name}: no such preset{did_you_mean(name, PRESETS)}")
    return PRESETS[name]
