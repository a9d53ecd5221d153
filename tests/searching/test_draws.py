"""The first configurations of a sweep, and that KerasTuner's oracles propose the same."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctexp.errors import ConfigError
from ctexp.presets import get_preset
from ctexp.searching.definition import SweepDefinition
from ctexp.searching.draws import first_configurations, keras_tuner_space, why_impossible
from ctexp.searching.space import apply, decode
from ctexp.searching.space_table import read_space

BASE = get_preset("default")
# Every kind that there is; the momentum hangs on two others, one of which hangs on the first itself.
EVERYTHING: dict[str, Any] = {
    "network.normalisation": {"choices": ["batch", "none"]},
    "network.momentum": {
        "low": 0.5,
        "high": 0.99,
        "when": {"network.normalisation": "batch", "training.recalibration_scans": [0, 16]},
    },
    "training.recalibration_scans": {"choices": [0, 16, 32], "when": {"network.normalisation": "batch"}},
    "network.filters.2": {"choices": [8, 16]},
    "network.dropout": {"low": 0, "high": 0.6, "step": 0.1},
    "network.dense": {"low": 16, "high": 128, "step": 2, "log": True},
    "training.batch_size": {"low": 2, "high": 32, "log": True},
    "training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "training.decay_rate": {"low": 1e-3, "high": 1, "log": True, "step": 10},
    "training.warmup_epochs": {"low": 0, "high": 3.5},
    "training.patience": {"low": 0, "high": 9, "step": 3},
    "scan.shape": {"choices": [[32, 32, 16], [64, 64, 32]]},
}
COUNTABLE = {
    key: table
    for key, table in EVERYTHING.items()
    if key not in ("training.batch_size", "training.learning_rate", "training.warmup_epochs")
} | {"network.momentum": {**EVERYTHING["network.momentum"], "step": 0.2}}


def sweep(space: dict[str, Any], algorithm: str = "random", seed: int = 0, **more: Any) -> SweepDefinition:
    """A sweep over a space."""
    facts = {"base": BASE, "stop": "none", "stop_epochs": 1, "trials": 100, "search_seed": seed, **more}
    return SweepDefinition(
        name="mine",
        algorithm=algorithm,  # type: ignore[arg-type]
        space=read_space(space, facts["base"], "mine.toml"),
        **facts,
    )


@pytest.fixture(params=["random", "bayesian", "hyperband", "grid"])
def proposed(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[SweepDefinition, list[Any]]:
    """A sweep, and the values that KerasTuner's own oracle begins it with."""
    import keras_tuner
    from keras_tuner import oracles

    algorithm = request.param
    definition = sweep(COUNTABLE if algorithm == "grid" else EVERYTHING, algorithm, 6)
    kind, more = {
        "random": (oracles.RandomSearchOracle, {"max_trials": 100}),
        "bayesian": (oracles.BayesianOptimizationOracle, {"max_trials": 100, "num_initial_points": 50}),
        "hyperband": (oracles.HyperbandOracle, {"max_epochs": definition.epochs, "hyperband_iterations": 3}),
        "grid": (oracles.GridSearchOracle, {"max_trials": 100}),
    }[algorithm]
    oracle = kind(
        objective=keras_tuner.Objective("score", "max"),
        hyperparameters=keras_tuner.HyperParameters.from_config(keras_tuner_space(definition.space)),
        seed=definition.search_seed + 1,
        **more,
    )
    oracle._set_project_dir(str(tmp_path), "x")
    oracle.verbose = 0
    raw = []
    for number in range(40):
        trial = oracle.create_trial(f"worker {number}")
        raw.append({key: value for key, value in trial.hyperparameters.values.items() if "/" not in key})
        if algorithm == "grid":
            oracle.update_trial(trial.trial_id, {"score": 0.5})
            trial.status = "COMPLETED"
            oracle.end_trial(trial)
    return definition, raw


@pytest.mark.slow
def test_the_oracles_begin_so(proposed: tuple[SweepDefinition, list[Any]]) -> None:
    """Each of KerasTuner's oracles proposes these configurations, in this order, to the last digit."""
    definition, raw = proposed
    theirs = [decode(definition.space, values) for values in raw]
    assert list(first_configurations(definition, len(theirs))) == theirs
    assert all(set(values) == set(mine) for values, mine in zip(raw, theirs, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["random", "bayesian", "hyperband", "grid"])
def test_the_sweep_begins_so(algorithm: str) -> None:
    """The sweep's own oracle, which knows no scores yet, proposes these configurations."""
    from ctexp.searching.oracle import Oracle
    from ctexp.searching.proposal import Proposal

    definition = sweep(COUNTABLE if algorithm == "grid" else EVERYTHING, algorithm)
    oracle = Oracle(definition, (100,))
    theirs = []
    for place in range(12):
        proposal = oracle.propose()
        assert isinstance(proposal, Proposal)
        theirs.append(proposal.configuration)
        if algorithm == "grid":
            oracle.tell(place, 0.5)
    assert list(first_configurations(definition, 12)) == theirs


@pytest.mark.slow
def test_keras_tuner_reads_the_space_as_declared_by_hand() -> None:
    """Choices, whole numbers and numbers without a step are what KerasTuner's own calls make of them."""
    import keras_tuner

    by_hand = keras_tuner.HyperParameters()
    by_hand.Choice("network.normalisation", [0, 1])
    with by_hand.conditional_scope("network.normalisation", [0]):
        by_hand.Float("network.momentum", 0.5, 0.99)
    by_hand.Int("network.dense", 16, 128, step=2, sampling="log")
    by_hand.Int("training.patience", 0, 9)
    by_hand.Float("training.learning_rate", 1e-4, 1e-2, sampling="log")
    space = {
        "network.normalisation": {"choices": ["batch", "none"]},
        "network.momentum": {"low": 0.5, "high": 0.99, "when": {"network.normalisation": "batch"}},
        "network.dense": {"low": 16, "high": 128, "step": 2, "log": True},
        "training.patience": {"low": 0, "high": 9},
        "training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    }
    declared = keras_tuner.HyperParameters.from_config(keras_tuner_space(read_space(space, BASE, "mine.toml")))
    assert declared.get_config()["space"] == by_hand.get_config()["space"]


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 2))
def test_draws_keep_the_rules(seed: int) -> None:
    """Every drawn configuration has exactly the active hyperparameters, within their ends, and none comes twice."""
    definition = sweep(EVERYTHING, seed=seed)
    found = first_configurations(definition, 8)
    assert len({apply(definition.base, one) for one in found}) == len(found) == 8
    for one in found:
        batch = one["network.normalisation"] == "batch"
        assert ("training.recalibration_scans" in one) == batch
        assert ("network.momentum" in one) == (batch and one["training.recalibration_scans"] != 32)
        assert one["network.dropout"] in (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
        assert one["network.dense"] in (16, 32, 64, 128)
        assert one["training.decay_rate"] in (0.001, 0.01, 0.1, 1)
        assert one["training.patience"] in (0, 3, 6, 9)
        assert isinstance(one["training.batch_size"], int)
        assert 2 <= one["training.batch_size"] <= 32
        assert 1e-4 <= one["training.learning_rate"] <= 1e-2
        assert list(one) == [key.key for key in definition.space if key.key in one]


def test_draws_reach_both_ends() -> None:
    """Both ends of a range with a step, and of whole numbers on the logarithmic scale, are drawn."""
    found = first_configurations(sweep(EVERYTHING), 100)
    for key, low, high in (("network.dropout", 0, 0.6), ("training.batch_size", 2, 32), ("network.dense", 16, 128)):
        drawn = {one[key] for one in found}
        assert (min(drawn), max(drawn)) == (low, high)


def test_a_grid_is_every_combination_once() -> None:
    """A grid tries all combinations in the order of the file, the last hyperparameter fastest."""
    space = {"network.dropout": {"low": 0.1, "high": 0.3, "step": 0.1}, "training.batch_size": {"choices": [4, 2]}}
    found = first_configurations(sweep(space, "grid"), 100)
    wanted = itertools.product((0.1, 0.2, 0.3), (4, 2))
    assert [tuple(one.values()) for one in found] == list(wanted)


def test_a_grid_passes_over_what_is_inactive() -> None:
    """A hyperparameter whose `when` does not hold multiplies nothing."""
    space = {
        "network.momentum": {"choices": [0.8, 0.9], "when": {"network.normalisation": "batch"}},
        "network.normalisation": {"choices": ["batch", "none"]},
    }
    assert first_configurations(sweep(space, "grid"), 100) == (
        {"network.normalisation": "batch", "network.momentum": 0.8},
        {"network.normalisation": "batch", "network.momentum": 0.9},
        {"network.normalisation": "none"},
    )


def test_a_small_space_ends() -> None:
    """Where the space has fewer configurations than are asked for, all of them are drawn, each once."""
    space = {"augment.flip": {"choices": [False, True]}, "training.batch_size": {"choices": [2, 4]}}
    found = first_configurations(sweep(space), 100)
    assert sorted(tuple(one.values()) for one in found) == [(False, 2), (False, 4), (True, 2), (True, 4)]


def test_what_cannot_be_built_is_left_out() -> None:
    """Configurations whose network pools the scan away to nothing are passed over, and the rest keep their order."""
    space = {"network.filters": {"choices": [[4], [4] * 7, [8]]}, "training.batch_size": {"choices": [2, 4]}}
    found = first_configurations(sweep(space, "grid"), 100)
    assert [one["network.filters"] for one in found] == [(4,), (4,), (8,), (8,)]
    reason = why_impossible(sweep(space), {"network.filters": (4,) * 7})
    assert reason is not None
    assert "every block must leave at least one voxel" in reason
    assert why_impossible(sweep(space), {"network.filters": (4,)}) is None


def test_a_space_without_a_network_is_refused() -> None:
    """Where nothing can be built, the reason of the first configuration is given."""
    space = {"network.filters": {"choices": [[4] * 7, [8] * 7]}}
    with pytest.raises(ConfigError, match=r"^mine: space: must allow a network, no configuration does: network: every"):
        first_configurations(sweep(space), 5)


def test_another_seed_draws_others() -> None:
    """The search's seed decides what is drawn, and the same seed draws the same."""
    assert first_configurations(sweep(EVERYTHING, seed=3), 5) == first_configurations(sweep(EVERYTHING, seed=3), 5)
    assert first_configurations(sweep(EVERYTHING, seed=3), 5) != first_configurations(sweep(EVERYTHING, seed=4), 5)
