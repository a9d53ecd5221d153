"""What was asked for, in a form that a run keeps and a restart reads back."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from ctexp.config import Experiment, check
from ctexp.errors import ConfigError
from ctexp.overrides import Flat, flatten, from_flat, override
from ctexp.presets import get_preset

SETTINGS_FILE = "settings.json"
Final = Literal["ensemble", "retrain"]
_OPTIONS = "options"


@dataclass(frozen=True)
class TrainingRequest:
    """One training.

    Attributes:
        experiment: all settings.
        data: SOURCE as typed; None for the default.
        positive: name of the abnormal class when the names are the user's own.
        skip_bad: leave out what cannot be read.
        name: of the run; None for one made of preset and settings.
        preset: the preset that the settings started from.
        allow_gaps: interpolate missing slices of DICOM series where that is sound.
        folds: cross-validate in so many folds; 0 trains once, on the split.
        repeats: deal the folds anew so many times.
        final: what is registered after folds. `ensemble`, all their networks, whose answer is the mean of their
            probabilities: every scan outside the locked test has taught it, what is quoted for it is what its own
            networks said of scans that they had not seen, and nothing more is trained. `retrain`, one network, trained
            on the split as without folds: a fraction of the ensemble's size and time to answer.
    """

    experiment: Experiment
    data: str | None = None
    positive: str | None = None
    skip_bad: bool = False
    name: str | None = None
    preset: str = "default"
    allow_gaps: bool = False
    folds: int = 0
    repeats: int = 1
    final: Final = "ensemble"

    def __post_init__(self) -> None:
        check(self.folds == 0 or 2 <= self.folds <= 100, "folds", "0 (none) or from 2 to 100", self.folds)
        check(self.repeats == 1 or (self.folds > 0 and 1 <= self.repeats <= 10), "repeats", "from 1 to 10, with folds",
              self.repeats)  # fmt: skip
        check(self.final in get_args(Final), "final", f"one of {', '.join(get_args(Final))}", self.final)

    def to_json(self) -> str:
        """Write the request as JSON, settings under their flat keys."""
        facts = {item.name: getattr(self, item.name) for item in dataclasses.fields(self) if item.name != "experiment"}
        return json.dumps({**facts, "settings": flatten(self.experiment)}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, place: str) -> "TrainingRequest":
        """Read back what `to_json` wrote.

        Raises:
            ConfigError: the text is no request of this version of ctexp.
        """
        try:
            facts = json.loads(text)
            settings = facts.pop("settings")
            return cls(experiment=from_flat(settings, place=place), **facts)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f"{place}: must be the settings of a ctexp run: {error}") from error


def compose(preset: str | None, file: tuple[str, Flat] | None, options: Mapping[str, object]) -> tuple[str, Experiment]:
    """Lay a settings file over a preset, and command-line options over both.

    Args:
        preset: `--preset`; None takes the file's, else `default`.
        file: name and content of the settings file.
        options: dotted key to value, the key's last word that of the option; None values are options that were not
            given.

    Returns:
        The preset's name and the experiment.

    Raises:
        ConfigError: an unknown preset or key, or a value that breaks a rule.
    """
    settings = dict(file[1]) if file else {}
    named = settings.pop("preset", None)
    name = preset or (str(named) if named else "default")
    experiment = get_preset(name)
    if file:
        experiment = override(experiment, settings, place=file[0])
    given = {key: value for key, value in options.items() if value is not None}
    try:
        return name, override(experiment, given, place=_OPTIONS)
    except ConfigError as error:
        raise ConfigError(_as_typed(str(error), given)) from error


def _as_typed(message: str, options: Mapping[str, object]) -> str:
    """Name the option in place of the setting that it stands for: `--batch-size` for `training.batch_size`."""
    setting, mark, rest = message.removeprefix(f"{_OPTIONS}: ").partition(": ")
    return f"--{setting.rpartition('.')[2].replace('_', '-')}{mark}{rest}" if setting in options else message
