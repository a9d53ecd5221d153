"""Reproductions: verdict, spread of seeds, circumstances, and settings read back from parameters."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.errors import ConfigError, InputError
from ctexp.experiments.reproducing.circumstances import Circumstances, compare_circumstances, doubts
from ctexp.experiments.reproducing.original import settings_of_params
from ctexp.experiments.reproducing.verdict import MetricSpread, Results, Spread, compare_results, measure_spread
from ctexp.overrides import flatten, override
from ctexp.presets import PRESETS

HISTORY = [{"loss": 0.7, "val_auc": 0.6}, {"loss": 0.5, "val_auc": 0.8}]
LOGITS = {"aa": 1.5, "bb": -0.25}
METRICS = {"val_auc": 0.8, "val_loss": 0.5, "val_auc_low": 0.6, "best_epoch": 2.0}
FACTS = {"ctexp.version": "1.0", "git.commit": "c1", "git.dirty": "false", "version.numpy": "2.1", "data.hash": "d",
         "hardware.cpu": "A", "hardware.cores": "2", "mlflow.user": "me", "seed": "1"}  # fmt: skip


def results(**changes: object) -> Results:
    """A training's results, changed."""
    return dataclasses.replace(Results(HISTORY, LOGITS, METRICS), **changes)  # type: ignore[arg-type]


def spread(deviation: float) -> Spread:
    """A spread of five seeds in which AUC and loss vary alike."""
    one = MetricSpread(0.8, deviation, 0.7, 0.9)
    return Spread("f" * 32, 5, {"val_auc": one, "val_loss": one})


def test_equal_results_are_identical_whatever_the_spread() -> None:
    """Equal numbers are identical, and what only one of the two logged does not count."""
    now = results(metrics={**METRICS, "difference_val_auc": 0.0})
    for known in (None, spread(0.0)):
        verdict = compare_results(results(), now, known)
        assert verdict.word == "identical"
        assert "Identical to the last bit: 2 epochs" in verdict.sentence("abc")
        assert "2 validation scans" in verdict.sentence("abc")


@pytest.mark.parametrize(
    "now",
    [
        results(logits={**LOGITS, "aa": math.nextafter(1.5, 2)}),
        results(history=[HISTORY[0], {**HISTORY[1], "loss": math.nextafter(0.5, 1)}]),
        results(metrics={**METRICS, "val_auc_low": math.nextafter(0.6, 1)}),
        results(history=HISTORY[:1]),
        results(history=[*HISTORY, HISTORY[1]]),
        results(logits={"aa": 1.5}),
    ],
)
def test_last_bit_anywhere_is_not_identical(now: Results) -> None:
    """One bit of a logit, of an epoch or of a quoted number, a missing epoch or scan: within the spread at best."""
    assert compare_results(results(), now, spread(0.0)).word == "within"
    alone = compare_results(results(), now, None)
    assert alone.word == "different"
    assert "spread unknown; measure it with `ctexp reproduce abcdefab --seeds 5`" in alone.sentence("abcdefab" * 4)


def test_undefined_numbers_are_equal_to_each_other() -> None:
    """A metric that is undefined in both does not make two trainings different."""
    nothing = {"val_auc": math.nan}
    one = results(history=[nothing], metrics=nothing)
    verdict = compare_results(one, results(history=[dict(nothing)], metrics=dict(nothing)), None)
    assert verdict.word == "identical"
    assert verdict.metrics[0].difference == 0


def test_difference_is_held_against_two_seeds() -> None:
    """Up to 1.96 * sqrt(2) standard deviations are within the spread, more is different, and is named."""
    now = results(metrics={**METRICS, "val_auc": 0.7})
    limit = 0.1 / (1.96 * math.sqrt(2))
    assert compare_results(results(), now, spread(limit * 1.01)).word == "within"
    beyond = compare_results(results(), now, spread(limit * 0.99))
    assert beyond.word == "different"
    assert "val_auc by -0.1 (two seeds: up to 0.099)" in beyond.sentence("abc")
    assert "val_loss" not in beyond.sentence("abc")


def test_metric_without_a_spread_must_be_equal() -> None:
    """What the seeds did not measure is only within the spread where it did not change."""
    measured = Spread("f" * 32, 5, {"val_loss": MetricSpread(0.5, 1.0, 0.0, 1.0)})
    assert compare_results(results(), results(metrics={**METRICS, "val_loss": 0.6}), measured).word == "within"
    changed = compare_results(results(), results(metrics={**METRICS, "val_auc": 0.79}), measured)
    assert changed.word == "different"
    assert "no spread of it is known" in changed.sentence("abc")


def test_how_far_apart_is_said() -> None:
    """The first epoch that differs and the largest difference of a probability are found."""
    now = results(history=[HISTORY[0], {**HISTORY[1], "loss": 0.4}], logits={"aa": 1.5, "bb": 0.25})
    verdict = compare_results(results(), now, None)
    assert (verdict.epochs, verdict.same_epochs, verdict.scans) == (2, 1, 2)
    assert verdict.largest == pytest.approx(2 * (1 / (1 + math.exp(-0.25)) - 0.5))
    assert "the curves from epoch 2 on" in verdict.sentence("abc")


def test_spread_is_mean_deviation_and_range() -> None:
    """Of each quoted metric that all seeds have as a number; n - 1 in the deviation."""
    several = [{"val_auc": 0.7, "val_loss": 1.0}, {"val_auc": 0.9, "val_loss": math.nan}, {"val_auc": 0.8}]
    found = measure_spread("f" * 32, several)
    assert found.seeds == 3
    assert list(found.metrics) == ["val_auc"]
    one = found.metrics["val_auc"]
    assert (one.mean, one.deviation, one.low, one.high) == pytest.approx((0.8, 0.1, 0.7, 0.9))
    assert one.limit == pytest.approx(0.277, abs=1e-3)


def test_circumstances_differ_by_group() -> None:
    """Code first, hardware last; what is no circumstance is not named, what was not recorded is."""
    now = {**FACTS, "git.commit": "c2", "hardware.cores": "8", "data.hash": "e", "mlflow.user": "you", "seed": "2"}
    del now["hardware.cpu"]
    found = [str(one) for one in compare_circumstances(Circumstances(FACTS), Circumstances(now))]
    assert found == [
        "code: git.commit was c1, is c2",
        "data: data.hash was d, is e",
        "hardware: hardware.cores was 2, is 8",
        "hardware: hardware.cpu was A, is not recorded",
    ]
    assert compare_circumstances(Circumstances(FACTS), Circumstances(dict(FACTS))) == ()


def test_another_gpu_is_another_circumstance() -> None:
    """A GPU is recorded where there is one: none is as much a difference as another."""
    one = Circumstances({**FACTS, "hardware.gpu": "NVIDIA A100"})
    assert [str(each) for each in compare_circumstances(one, Circumstances(FACTS))] == [
        "hardware: hardware.gpu was NVIDIA A100, is none"
    ]


def test_packages_come_from_tags_and_the_whole_list() -> None:
    """Other versions, new and gone packages, each once and under one name; ctexp itself is code."""
    before = Circumstances(FACTS, "NumPy==2.1\nctexp==1.0\nscikit_learn==1.7\nold==1\n")
    now = Circumstances({**FACTS, "version.numpy": "2.2"}, "numpy==2.2\nctexp==1.1\nscikit-learn==1.7\nnew==1\n")
    assert [str(one) for one in compare_circumstances(before, now)] == [
        "packages: new was not installed, is 1",
        "packages: numpy was 2.1, is 2.2",
        "packages: old was 1, is not installed",
    ]
    without = Circumstances(FACTS)
    assert [one.name for one in compare_circumstances(without, now)] == ["numpy"]


def test_doubts_are_said() -> None:
    """Uncommitted files, no commit, no list of packages, and a sweep's cores are what records cannot tell."""
    clean = Circumstances(FACTS, "numpy==2.1\n")
    assert doubts(clean, clean, of_sweep=False) == ()
    dirty = Circumstances({**FACTS, "git.dirty": "true"}, "numpy==2.1\n")
    assert "not committed" in doubts(clean, dirty, of_sweep=False)[0]
    twice = Circumstances({**FACTS, "ctexp.resumed": '{"version.numpy": ["2.2"]}'}, "numpy==2.1\n")
    (said,) = doubts(twice, clean, of_sweep=False)
    assert said == (
        'the run, or its sweep, was gone on with under other circumstances, which were kept: {"version.numpy": ["2.2"]}'
    )
    nowhere = Circumstances({"ctexp.version": "1.0"})
    said = doubts(nowhere, nowhere, of_sweep=True)
    assert ["no git commit" in said[0], "no list of all packages" in said[1], "cores" in said[2]] == [True] * 3


def as_logged(value: object) -> str:
    """A setting as the store keeps it."""
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


@given(
    st.sampled_from(sorted(PRESETS)),
    st.lists(st.integers(1, 64), min_size=1, max_size=5),
    st.floats(1e-9, 1.0),
    st.booleans(),
)
def test_settings_survive_the_store(preset: str, filters: list[int], rate: float, flip: bool) -> None:
    """Settings that were logged as text are read back as they were, to the last bit; other parameters are passed by."""
    changes = {"network.filters": filters, "training.learning_rate": rate, "augment.flip": flip}
    wished = override(PRESETS[preset], changes)
    logged = {key: as_logged(value) for key, value in flatten(wished).items()}
    found, missing = settings_of_params({**logged, "preset": preset, "data.scans": "40"}, "run x")
    assert found == wished
    assert missing == []


def test_unnamed_and_unreadable_settings_are_said() -> None:
    """A setting that the run does not name is reported; text that is no value is refused, as are foreign runs."""
    logged = {key: as_logged(value) for key, value in flatten(PRESETS["smoke"]).items()}
    del logged["augment.flip"]
    assert settings_of_params(logged, "run x")[1] == ["augment.flip"]
    with pytest.raises(ConfigError, match=r"run x: training\.epochs: must be a whole number, got 'many'"):
        settings_of_params({**logged, "training.epochs": "many"}, "run x")
    with pytest.raises(InputError, match="names no settings"):
        settings_of_params({"alpha": "1"}, "run x")
