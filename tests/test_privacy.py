"""What leaves the machine: nothing, unless the user says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from onnx import TensorProto, helper

_SWITCHES = ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "RAY_USAGE_STATS_ENABLED", "ORT_DISABLE_TELEMETRY")
# By these MLflow knows a test, or a build service, and reports nothing anyway.
_TESTING = ("PYTEST_CURRENT_TEST", "CI", "GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "BUILDKITE")


def in_a_fresh_process(code: str, *words: object, **said: str) -> str:
    """What a program prints in an environment without the switches, but for those that are given."""
    kept = {key: value for key, value in os.environ.items() if key not in (*_SWITCHES, *_TESTING)}
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=True, env={**kept, **said}).stdout.strip()


def test_usage_reports_are_off_from_the_first_line() -> None:
    """Loading any part of ctexp turns the usage reports of the libraries it uses off, before they can be loaded."""
    code = f"import ctexp, os; print(*(os.environ[name] for name in {_SWITCHES}))"
    assert in_a_fresh_process(code) == "true true 0 1"


def test_the_users_word_counts() -> None:
    """Who turns MLflow's reports on by name keeps them."""
    code = f"import ctexp, os; print(*(os.environ[name] for name in {_SWITCHES}))"
    assert in_a_fresh_process(code, MLFLOW_DISABLE_TELEMETRY="false") == "false true 0 1"


@pytest.mark.slow
def test_asking_a_network_leaves_nothing_in_the_home(tmp_path: Path) -> None:
    """ONNX Runtime, which by default writes an identifier of the device and a queue of reports, writes nothing."""
    home = tmp_path / "home"
    home.mkdir()
    nodes = [helper.make_node("Relu", ["scan"], ["logit"])]
    ends = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1])] for name in ("scan", "logit")]
    model = helper.make_model(
        helper.make_graph(nodes, "g", *ends), opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    )
    (tmp_path / "network.onnx").write_bytes(model.SerializeToString())
    code = (
        "import sys, numpy; from pathlib import Path; from ctexp.registry.network import OnnxNetwork\n"
        "print(*OnnxNetwork(Path(sys.argv[-1])).logits(numpy.ones((1, 1), 'float32')))"
    )
    said = in_a_fresh_process(code, tmp_path / "network.onnx", HOME=str(home), TMPDIR=str(home))
    assert said == "1.0"
    assert list(home.rglob("*")) == []


@pytest.mark.slow
@pytest.mark.parametrize("module", ["registry.references", "registry.versions", "searching.journal", "tracking.store"])
def test_mlflow_agrees_that_it_reports_nothing(module: str) -> None:
    """Whichever room loads MLflow first, MLflow itself has no client to report with."""
    code = f"import ctexp.{module}; from mlflow.telemetry import get_telemetry_client; print(get_telemetry_client())"
    assert in_a_fresh_process(code) == "None"
