"""A sweep as its file defines it: found by name, read, checked whole before anything heavy is loaded."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ctexp import overrides
from ctexp.config import Experiment, Monitor, check
from ctexp.errors import ConfigError
from ctexp.overrides import did_you_mean, nearest, override, read_toml
from ctexp.presets import PRESETS
from ctexp.project import Project
from ctexp.searching.plan import brackets
from ctexp.searching.space import Space
from ctexp.searching.space_table import leaves, read_space

Algorithm = Literal["random", "bayesian", "hyperband", "grid"]
ChooseRule = Literal["one-standard-error", "best"]
StopRule = Literal["median", "none"]

DIRECTIONS: dict[str, str] = {"val_auc": "max", "val_loss": "min", "val_accuracy": "max"}
_KINDS: dict[str, type] = {
    "question": str,
    "preset": str,
    "algorithm": str,
    "trials": int,
    "epochs": int,
    "keep": int,
    "folds": int,
    "search_seed": int,
    "objective": Mapping,
    "stop": Mapping,
    "settings": Mapping,
    "space": Mapping,
}
_OBJECTIVE: dict[str, type] = {"metric": str, "direction": str, "choose": str}
_STOP: dict[str, type] = {"rule": str, "trials": int, "epochs": int}
_WORDS = {str: "text", int: "a whole number", Mapping: "a table"}


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """What the command line may say otherwise; None where it says nothing. `seed` is both of a sweep's seeds."""

    trials: int | None = None
    algorithm: Algorithm | None = None
    folds: int | None = None
    preset: str | None = None
    epochs: int | None = None
    seed: int | None = None


@dataclass(frozen=True, kw_only=True)
class SweepDefinition:
    """One sweep: what is asked, what varies, and how the answer is looked for.

    Attributes:
        name: its file's, without the ending.
        question: what the sweep is to answer, in a sentence.
        preset: the preset that the settings started from.
        base: the settings of every trial, where the space does not change them; `training.epochs` is the sweep's
            epochs, `training.monitor` its metric.
        metric: the score of a trial is this metric of its best epoch.
        choose: how the trial to register is chosen (`ctexp.searching.records.choose`).
        algorithm: who proposes configurations.
        trials: configurations to try; for hyperband at most so many.
        keep: checkpoints kept, of the best trials.
        stop: `median` ends a trial early that is worse than the median of the others (`ctexp.searching.halting`).
        stop_trials: not before so many trials have finished.
        stop_epochs: not before this epoch of the trial; with folds, not before this fold.
        folds: 0 scores on the split's own validation side, K averages over K folds.
        search_seed: of the proposals; `base.seed` is that of weights, split and order.
        space: what varies.
    """

    name: str
    question: str = ""
    preset: str = "default"
    base: Experiment
    metric: Monitor = "val_auc"
    choose: ChooseRule = "one-standard-error"
    algorithm: Algorithm = "bayesian"
    trials: int = 20
    keep: int = 3
    stop: StopRule
    stop_trials: int = 5
    stop_epochs: int
    folds: int = 0
    search_seed: int = 0
    space: Space

    def __post_init__(self) -> None:
        for place, value, words in (
            ("objective.metric", self.metric, get_args(Monitor)),
            ("objective.choose", self.choose, get_args(ChooseRule)),
            ("algorithm", self.algorithm, get_args(Algorithm)),
            ("stop.rule", self.stop, get_args(StopRule)),
        ):
            check(value in words, place, f"one of {', '.join(words)}", value, nearest(value, words))
        check(1 <= self.trials <= 10_000, "trials", "from 1 to 10000", self.trials)
        check(self.keep >= 1, "keep", ">= 1", self.keep)
        check(self.stop_trials >= 1, "stop.trials", ">= 1", self.stop_trials)
        check(self.stop_epochs >= 1, "stop.epochs", ">= 1", self.stop_epochs)
        check(
            self.folds == 0 or 2 <= self.folds <= 20,
            "folds",
            "0, the split's own validation side, or from 2 to 20",
            self.folds,
        )
        # One more is the oracle's seed, and NumPy's end at 2**32.
        check(0 <= self.search_seed <= 2**32 - 2, "search_seed", "from 0 to 4294967294", self.search_seed)
        if self.algorithm == "grid":
            for one in self.space:
                if one.kind != "choice" and one.step is None:
                    values = f"any number from {one.low:g} to {one.high:g}"
                    raise ConfigError(f"space.{one.key}: must have a step or choices for grid, got {values}")
        if self.algorithm == "hyperband":
            if self.folds:
                raise ConfigError(f"folds: must be 0 with hyperband, got {self.folds}; other algorithms take folds")
            brackets(self.epochs, (self.trials,))

    @property
    def epochs(self) -> int:
        """Epochs of a whole trial."""
        return self.base.training.epochs

    @property
    def maximise(self) -> bool:
        """Whether a higher score is better."""
        return DIRECTIONS[self.metric] == "max"

    def signature(self) -> str:
        """8 hex digits over what decides the list of configurations and their scores.

        These are the settings, the metric, the algorithm, the stopping rule, the folds, the seed of the search and the
        space in its order. Name, question, trials, kept checkpoints and the rule of choice are not among them: a sweep
        may be extended and looked at afresh.
        """
        stop = (self.stop, self.stop_trials, self.stop_epochs) if self.stop == "median" else (self.stop,)
        space = [(one.key, one.as_table()) for one in self.space]
        facts = [overrides.signature(self.base), self.metric, self.algorithm, stop, self.folds, self.search_seed, space]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]

    def to_json(self) -> str:
        """Write the sweep as JSON, in the form of a sweep file that leaves nothing to defaults."""
        settings = overrides.flatten(self.base)
        epochs = settings.pop("training.epochs")
        del settings["training.monitor"]
        plain = ("name", "question", "preset", "algorithm", "trials", "keep", "folds", "search_seed")
        facts: dict[str, Any] = {key: getattr(self, key) for key in plain}
        facts |= {"epochs": epochs, "objective": {"metric": self.metric, "choose": self.choose}}
        facts["stop"] = {"rule": self.stop, "trials": self.stop_trials, "epochs": self.stop_epochs}
        facts |= {"settings": settings, "space": {one.key: one.as_table() for one in self.space}}
        return json.dumps(facts, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, place: str) -> "SweepDefinition":
        """Read back what `to_json` wrote, checked as a file is.

        Raises:
            ConfigError: the text is no sweep of this version of ctexp.
        """
        try:
            facts = json.loads(text)
            name = facts.pop("name")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise ConfigError(f"{place}: must be the definition of a ctexp sweep: {error}") from error
        return _compose(str(name), facts, place, SweepOptions())


def builtin_folder() -> Path:
    """Give the folder of the sweeps that come with ctexp: the wheel's, else the checkout's `sweeps/`."""
    inside = Path(__file__).parent / "sweeps"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "sweeps"


def find_definition(name_or_file: str | None, project: Project) -> Path:
    """Find a sweep's file.

    Args:
        name_or_file: a path (it has a slash or ends in `.toml`), or the name of a file in the project's `sweeps/` or
            of one that comes with ctexp; None for `default`.
        project: whose `sweeps/` is looked in first.

    Raises:
        ConfigError: no sweep has this name; the nearest known one is suggested.
    """
    name = name_or_file or "default"
    if "/" in name or "\\" in name or name.endswith(".toml"):
        return Path(name).expanduser()
    folders = (project.root / "sweeps", builtin_folder())
    for folder in folders:
        if (folder / f"{name}.toml").is_file():
            return folder / f"{name}.toml"
    known = sorted({path.stem for folder in folders for path in folder.glob("*.toml")})
    raise ConfigError(f"{name}: no such sweep{did_you_mean(name, known)}")


def read_definition(name_or_file: str | None, project: Project, overrides: SweepOptions) -> SweepDefinition:
    """Read a sweep's file.

    Args:
        name_or_file: as for `find_definition`.
        project: whose `sweeps/` is looked in first.
        overrides: what the command line says otherwise.

    Raises:
        ConfigError: no such sweep, no readable TOML, an unknown key (with the nearest known one), or a broken rule.
    """
    path = find_definition(name_or_file, project)
    return _compose(path.stem, read_toml(path, "sweep"), str(path), overrides)


def _compose(name: str, tree: Mapping[str, object], place: str, options: SweepOptions) -> SweepDefinition:
    """Lay preset, file and options over each other, and check the whole."""
    file = _table(tree, _KINDS, place)
    given = {key: value for key, value in dataclasses.asdict(options).items() if value is not None}
    seeds = {"search_seed": options.seed} if options.seed is not None else {}
    top = file | given | seeds
    objective = _table(top.pop("objective", {}), _OBJECTIVE, f"{place}: objective")
    stop = _table(top.pop("stop", {}), _STOP, f"{place}: stop")
    metric = objective.get("metric", "val_auc")
    direction = objective.get("direction", DIRECTIONS.get(metric))
    if metric in DIRECTIONS and direction != DIRECTIONS[metric]:
        raise ConfigError(f"{place}: objective.direction: must be {DIRECTIONS[metric]} for {metric}, got {direction!r}")
    preset = top.setdefault("preset", "default")
    if preset not in PRESETS:
        where = "--preset" if "preset" in given else f"{place}: preset"
        raise ConfigError(f"{where} {preset}: no such preset{did_you_mean(preset, PRESETS)}")
    base = _settings(top.pop("settings", {}), PRESETS[preset], place)
    for setting, key in (("training.epochs", "epochs"), ("seed", "seed")):
        if (value := top.pop(key, None)) is not None:
            base = override(base, {setting: value}, place=f"--{key}" if key in given else place)
    if metric in DIRECTIONS:
        base = override(base, {"training.monitor": metric}, place=place)
    space = read_space(top.pop("space", {}), base, place)
    top["stop"] = stop.get("rule", "none" if top.get("algorithm") == "hyperband" else "median")
    top["stop_trials"] = stop.get("trials", 5)
    top["stop_epochs"] = stop.get("epochs", 1 if top.get("folds") else max(2, base.training.epochs // 3))
    if "choose" in objective:
        top["choose"] = objective["choose"]
    try:
        return SweepDefinition(name=name, base=base, metric=metric, space=space, **top)
    except ConfigError as error:
        key = str(error).partition(":")[0]
        raise ConfigError(f"--{error}" if key in given else f"{place}: {error}") from error


def _settings(table: Mapping[str, object], preset: Experiment, place: str) -> Experiment:
    settings = dict(leaves(table))
    for key, remedy in (("training.epochs", "`epochs` at the top"), ("training.monitor", "`metric` in [objective]")):
        if key in settings:
            raise ConfigError(f"{place}: settings.{key}: must not be set here, got {settings[key]!r}; use {remedy}")
    return override(preset, settings, place=f"{place}: settings")


def _table(table: Any, kinds: Mapping[str, type], place: str) -> dict[str, Any]:
    """Check a table's keys and the types of its values."""
    if not isinstance(table, Mapping):
        raise ConfigError(f"{place}: must be a table, got {table!r}")
    for key, value in table.items():
        if key not in kinds:
            groups = {setting.partition(".")[0] for setting in overrides.setting_types()}
            remedy = "; settings stand under [settings]" if key in groups else did_you_mean(key, list(kinds))
            raise ConfigError(f"{place}: {key}: no such key{remedy}")
        if not isinstance(value, kinds[key]) or isinstance(value, bool):
            raise ConfigError(f"{place}: {key}: must be {_WORDS[kinds[key]]}, got {value!r}")
    return dict(table)
