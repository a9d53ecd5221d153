"""Keras on JAX and on PyTorch: the same training where there is no TensorFlow."""

import importlib.util
import json
import math
import signal
from pathlib import Path

import pytest


@pytest.fixture(params=["jax", "torch"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The engine that processes compute with; they cannot import TensorFlow."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"needs the extra `{request.param}`")
    blocked = tmp_path / "blocked" / "tensorflow"
    blocked.mkdir(parents=True)
    (blocked / "__init__.py").write_text("raise ImportError('TensorFlow is not to be loaded')\n")
    monkeypatch.setenv("PYTHONPATH", str(blocked.parent), prepend=":")
    monkeypatch.setenv("KERAS_BACKEND", request.param)
    return str(request.param)


def test_training_without_tensorflow(engine: str, program, scans: Path) -> None:
    """A training ends with a registered network that answers, and its run says what computed it."""
    report = json.loads(program.process("train", "--data", scans, "--preset", "smoke", "--json", fresh=True).stdout)
    assert math.isfinite(report["metrics"]["val_loss"])
    tags = program.client().get_run(report["run_id"]).data.tags
    assert tags["version.keras-backend"] == engine
    assert "version.tensorflow" in tags  # installed, but never imported
    (answer,) = json.loads(
        program.process("predict", next((scans / "CT-23").iterdir()), "--format", "json", fresh=True).stdout
    )
    assert answer["normal"] + answer["abnormal"] == pytest.approx(1.0)


@pytest.mark.usefixtures("engine")
def test_killed_training_without_tensorflow_goes_on(program, scans: Path) -> None:
    """After SIGKILL `--resume` ends with the numbers of a training that nobody killed, to the last bit."""
    words = ("train", "--data", scans, "--preset", "smoke", "--epochs", 5)
    process = program.start(*words, fresh=True)
    run_id = ""
    for line in process.stderr:
        if line.startswith("run "):
            run_id = line.split()[1]
        if line.startswith("epoch 3/"):
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    resumed = json.loads(program.process("train", "--resume", run_id, "--json", fresh=True).stdout)
    whole = json.loads(program.process(*words, "--json", fresh=True).stdout)
    assert resumed["run_id"] == run_id
    assert resumed["metrics"] == whole["metrics"]
