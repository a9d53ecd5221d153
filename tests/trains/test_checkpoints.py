"""What a run keeps of network and optimiser, and what it takes back."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from ctexp.errors import UnknownReferenceError
from ctexp.experiments.training import checkpoints
from ctexp.learning.backend import start_backend
from ctexp.learning.network import build_network
from ctexp.learning.training import compile_network
from ctexp.presets import get_preset
from ctexp.project import Project
from ctexp.tracking.run import MlflowRun
from ctexp.tracking.store import Store, open_store

SMOKE = get_preset("smoke")


def build(seed: int, filters: tuple[int, ...] = SMOKE.network.filters):
    """A compiled network of the smoke preset with weights of that seed."""
    start_backend(seed)
    network = build_network(dataclasses.replace(SMOKE.network, filters=filters), SMOKE.scan.shape)
    compile_network(network, SMOKE.training, 26)
    return network


def step(network) -> None:
    """Let the network learn from one batch of nothing in particular."""
    rng = np.random.default_rng(3)
    network.train_on_batch(rng.random((4, *SMOKE.scan.shape, 1), dtype=np.float32), np.array([[0], [1], [1], [0]]))


def state(network) -> list[np.ndarray]:
    """All that a step changes."""
    return [np.asarray(one.numpy()) for one in (*network.variables, *network.optimizer.variables)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return open_store(Project(tmp_path))


@pytest.fixture
def run(store: Store) -> MlflowRun:
    """A run in it."""
    return MlflowRun.start(store, "one", {})


def file(store: Store, run: MlflowRun, name: str) -> Path:
    """A checkpoint's file on the disk."""
    return store.project.artifacts / "ctexp" / run.id / "artifacts" / "checkpoints" / name


def test_what_was_kept_comes_back_to_the_last_bit(store: Store, run: MlflowRun) -> None:
    """Weights, statistics, momenta and the count of steps are back, so that the next step is the same step."""
    first = build(1)
    step(first)
    checkpoints.save_checkpoint(run, first, 1)
    other = build(2)
    checkpoints.load_checkpoint(store, run.id, 1, other)
    assert all(map(np.array_equal, state(first), state(other)))
    step(first)
    step(other)
    for one, two in zip(first.trainable_variables, other.trainable_variables, strict=True):
        assert np.array_equal(one.numpy(), two.numpy())


def test_a_checkpoint_is_on_the_disk_before_anything_names_it(
    store: Store, run: MlflowRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut after an epoch was told leaves its checkpoint whole: file and folder are synced when it is kept."""
    synced, fsync = set(), os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (synced.add(os.fstat(number).st_ino), fsync(number)))
    network = build(1)
    checkpoints.save_checkpoint(run, network, 1)
    kept = file(store, run, checkpoints.state_name(1))
    assert {kept.stat().st_ino, kept.parent.stat().st_ino} <= synced
    checkpoints.leave_network(store, run, network, 1)
    assert file(store, run, checkpoints.network_name(1)).stat().st_ino in synced


def test_a_network_that_is_not_compiled_takes_its_weights(store: Store, run: MlflowRun) -> None:
    """Of a checkpoint with the optimiser's numbers a network alone takes what is its own."""
    network = build(1)
    step(network)
    checkpoints.save_checkpoint(run, network, 1)
    alone = build_network(SMOKE.network, SMOKE.scan.shape)
    checkpoints.load_checkpoint(store, run.id, 1, alone)
    assert all(map(np.array_equal, network.get_weights(), alone.get_weights()))


def test_a_run_that_has_ended_keeps_a_network_for_anybody(store: Store, run: MlflowRun) -> None:
    """Only the best epoch's `.keras` file is left; Keras alone loads it, and its weights can be taken back."""
    import keras

    network = build(1)
    for epoch in (1, 2):
        step(network)
        checkpoints.save_checkpoint(run, network, epoch)
    checkpoints.leave_network(store, run, network, 2)
    assert [one.name for one in file(store, run, "").iterdir()] == ["epoch-0002.keras"]
    alone = keras.saving.load_model(file(store, run, "epoch-0002.keras"))
    other = build(2)
    checkpoints.load_checkpoint(store, run.id, 2, other)
    for one, two, three in zip(network.get_weights(), alone.get_weights(), other.get_weights(), strict=True):
        assert np.array_equal(one, two)
        assert np.array_equal(one, three)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-2000]),
        lambda path: path.write_bytes(b"no archive"),
        lambda path: path.write_bytes(path.read_bytes()[:-1000] + bytes(1000)),
        lambda path: path.write_bytes(bytes(2)),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
    ],
)
def test_damage_is_said(store: Store, run: MlflowRun, damage) -> None:
    """A cut, overwritten, foreign or missing file is an error with its name."""
    network = build(1)
    checkpoints.save_checkpoint(run, network, 1)
    damage(file(store, run, "epoch-0001.state"))
    with pytest.raises(UnknownReferenceError, match=r"checkpoints/epoch-0001\.(state|keras) must be whole"):
        checkpoints.load_checkpoint(store, run.id, 1, network)


def test_code_in_a_network_is_not_run(store: Store, run: MlflowRun, tmp_path: Path) -> None:
    """A saved network that somebody was handed may hold a function of theirs: Keras refuses it, and never calls it."""
    import keras

    network = build(0)
    checkpoints.leave_network(store, run, network, 2)
    mark = tmp_path / "called"
    inner = keras.Input((4,))
    code = compile(f"lambda x: open({str(mark)!r}, 'w') and x", "handed", "eval")
    handed = keras.Model(inner, keras.layers.Lambda(eval(code))(inner))  # noqa: S307 - this test plays the attacker
    handed.save(file(store, run, "epoch-0002.keras"))
    mark.unlink()
    with pytest.raises(UnknownReferenceError, match="Lambda"):
        checkpoints.load_checkpoint(store, run.id, 2, network)
    assert not mark.exists()


def test_another_networks_arrays_are_refused(store: Store, run: MlflowRun) -> None:
    """A checkpoint of other filters does not fill a network by accident."""
    checkpoints.save_checkpoint(run, build(1), 1)
    with pytest.raises(UnknownReferenceError, match="another network's arrays"):
        checkpoints.load_checkpoint(store, run.id, 1, build(1, filters=(4, 8)))
