"""Settings as plain keys."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.config import AugmentSettings, Experiment, ScanSettings
from ctexp.errors import ConfigError
from ctexp.overrides import did_you_mean, flatten, from_flat, override, read_settings_file, setting_types, signature
from ctexp.presets import PRESETS

CHANGES: dict[str, object] = {
    "scan.shape": [16, 24, 8],
    "scan.window_hu": [-900, 500.5],
    "scan.lungs_hu": [-200, 300],
    "scan.geometry": "physical",
    "augment.flip": True,
    "augment.scale": 0.25,
    "network.filters": [4],
    "network.padding": "same",
    "training.learning_rate": 3e-3,
    "training.monitor": "val_loss",
    "split.scheme": "published",
    "answer.sensitivity": 0.9,
    "seed": 2**32 - 1,
}
changes = st.lists(st.sampled_from(sorted(CHANGES)), unique=True).map(lambda keys: {key: CHANGES[key] for key in keys})


@pytest.mark.parametrize("name", PRESETS)
@given(changes)
def test_flat_settings_come_back_through_json(name: str, changed: dict[str, object]) -> None:
    """Any experiment is the same after flattening, JSON and rebuilding, and so is its signature."""
    experiment = override(PRESETS[name], changed)
    again = from_flat(json.loads(json.dumps(flatten(experiment))))
    assert again == experiment
    assert signature(again) == signature(experiment)


@given(changes)
def test_override_changes_what_it_names(changed: dict[str, object]) -> None:
    """The named settings have the new values, all others the old, and the original is as it was."""
    base = PRESETS["default"]
    before = flatten(base)
    after = flatten(override(base, changed))
    for key, value in after.items():
        wanted = changed.get(key, before[key])
        assert value == (tuple(wanted) if isinstance(wanted, list) else wanted)
    assert flatten(base) == before


def test_every_setting_has_a_key_and_a_type() -> None:
    """Flattening and the table of types know the same keys, and a value's own type is its setting's."""
    assert list(flatten(Experiment())) == list(setting_types())
    assert override(Experiment(), flatten(Experiment())) == Experiment()


@pytest.mark.parametrize(
    ("key", "suggestion"),
    [
        ("training.learning_rat", "training.learning_rate"),
        ("learning_rate", "training.learning_rate"),
        ("dropout", "network.dropout"),
        ("scan.shpae", "scan.shape"),
        ("sed", "seed"),
    ],
)
def test_unknown_key_suggests_the_nearest(key: str, suggestion: str) -> None:
    """A typo, or a key without its group, is answered with the key that was meant."""
    with pytest.raises(ConfigError, match=rf"^my\.toml: {key}: no such setting; did you mean {suggestion}\?$"):
        override(Experiment(), {key: 1}, place="my.toml")


def test_word_that_is_near_to_none() -> None:
    """Without a near word all known ones are listed."""
    assert did_you_mean("zzz", ["alpha", "beta"]) == "; known: alpha, beta"


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("training.epochs", 1.5, "a whole number"),
        ("training.epochs", 2.0, "a whole number"),
        ("training.epochs", True, "a whole number"),
        ("training.epochs", "3", "a whole number"),
        ("training.epochs", None, "a whole number"),
        ("training.learning_rate", "fast", "a finite number"),
        ("training.learning_rate", True, "a finite number"),
        ("training.learning_rate", math.nan, "a finite number"),
        ("training.learning_rate", math.inf, "a finite number"),
        ("training.learning_rate", 10**400, "a finite number"),
        ("augment.flip", 1, "true or false"),
        ("augment.flip", "yes", "true or false"),
        ("scan.geometry", "strech", "one of 'stretch', 'physical', 'lungs'"),
        ("scan.geometry", ["stretch"], "one of 'stretch', 'physical', 'lungs'"),
        ("scan.shape", 64, "a list of 3"),
        ("scan.shape", [64, 64], "a list of 3"),
        ("scan.shape", [64, 64, 32.0], "a whole number"),
        ("scan.shape", "64,64,32", "a list of 3"),
        ("scan.window_hu", [-1000, math.nan], "a finite number"),
        ("network.filters", 16, "a list"),
        ("network.filters", ["a"], "a whole number"),
        ("network.filters", [], "one or more whole numbers"),
        ("training.epochs", 0, "from 1 to 100000"),
        ("seed", -1, "from 0 to"),
    ],
)
def test_wrong_values(key: str, value: object, rule: str) -> None:
    """A value of another type or out of range is a line with place, key, rule and value."""
    with pytest.raises(ConfigError, match=rf"^--set: {key}: must be {rule}") as caught:
        override(Experiment(), {key: value}, place="--set")
    assert "\n" not in str(caught.value)


def test_whole_numbers_pass_as_floats() -> None:
    """1 where 1.0 is meant is the same setting, and the field still is a float."""
    one = override(Experiment(), {"training.warmup_epochs": 2, "scan.window_hu": [-900, 300]})
    assert one == override(Experiment(), {"training.warmup_epochs": 2.0, "scan.window_hu": [-900.0, 300.0]})
    assert isinstance(one.training.warmup_epochs, float)
    assert all(isinstance(end, float) for end in one.scan.window_hu)


class TestSignature:
    """The name of a set of settings."""

    def test_is_stable(self) -> None:
        """It is 8 hex digits that equal settings share, however they were written down."""
        same = Experiment(scan=ScanSettings(window_hu=(-1000, 400)), augment=AugmentSettings(rotation_degrees=20))
        assert same == Experiment()
        assert signature(same) == signature(Experiment())
        assert len(signature(same)) == 8
        int(signature(same), 16)

    def test_knows_no_order(self) -> None:
        """The order in which settings are given does not matter."""
        backwards = dict(reversed(list(flatten(Experiment()).items())))
        assert signature(from_flat(backwards)) == signature(Experiment())

    def test_moves_with_every_setting(self) -> None:
        """Each single change is another signature."""
        changed = [override(Experiment(), {key: value}) for key, value in CHANGES.items()]
        assert len({signature(one) for one in [Experiment(), *changed]}) == len(CHANGES) + 1

    def test_is_the_same_on_every_machine(self) -> None:
        """The name is a hash of sorted JSON and nothing else."""
        import hashlib

        text = json.dumps(flatten(Experiment()), sort_keys=True)
        assert signature(Experiment()) == hashlib.sha256(text.encode()).hexdigest()[:8]


class TestSettingsFile:
    """TOML files."""

    @pytest.mark.parametrize(
        "text",
        [
            'preset = "smoke"\nseed = 3\n[training]\nepochs = 4\nlearning_rate = 1e-3\n[scan]\nshape = [16, 16, 8]\n',
            'preset = "smoke"\nseed = 3\ntraining.epochs = 4\ntraining.learning_rate = 0.001\n'
            "scan.shape = [16, 16, 8]\n",
            '\ufeff"scan.shape" = [16, 16, 8]\npreset = "smoke"\nseed = 3\n'
            "training = {epochs = 4, learning_rate = 1e-3}\n",
        ],
    )
    def test_tables_and_dotted_keys(self, text: str, tmp_path: Path) -> None:
        """Tables, dotted and quoted keys say the same, a byte order mark does not matter."""
        path = tmp_path / "settings.toml"
        path.write_text(text, encoding="utf-8")
        expected = {
            "preset": "smoke",
            "seed": 3,
            "training.epochs": 4,
            "training.learning_rate": 1e-3,
            "scan.shape": [16, 16, 8],
        }
        assert read_settings_file(path) == expected
        del expected["preset"]
        assert dataclasses.astuple(override(Experiment(), expected))[-1] == 3

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"epochs = \n", "must be TOML: .*line 1"),
            (b"a = 1\na = 2\n", "must be TOML: "),
            (b"\xff\xfe", "must be readable text"),
            (None, "must be readable text"),
        ],
    )
    def test_bad_files(self, content: bytes | None, says: str, tmp_path: Path) -> None:
        """No TOML, no text and no file are each a line with the path."""
        path = tmp_path / "settings.toml"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ConfigError, match=says) as caught:
            read_settings_file(path)
        assert str(caught.value).startswith(f"{path}: ")

    def test_nested_too_deep(self, tmp_path: Path) -> None:
        """A table in a table is no setting, and is named."""
        path = tmp_path / "settings.toml"
        path.write_text("[training.schedule]\nkind = 'cosine'\n")
        with pytest.raises(ConfigError, match=r"training\.schedule: must be one of"):
            override(Experiment(), read_settings_file(path), place=str(path))
