"""What leaves the machine: nothing, unless the user says so."""

import os
import subprocess
import sys

import pytest

_SWITCHES = ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "RAY_USAGE_STATS_ENABLED")
# By these MLflow knows a test, or a build service, and reports nothing anyway.
_TESTING = ("PYTEST_CURRENT_TEST", "CI", "GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "BUILDKITE")


def in_a_fresh_process(code: str, **said: str) -> str:
    """What a program prints in an environment without the switches, but for those that are given."""
    kept = {key: value for key, value in os.environ.items() if key not in (*_SWITCHES, *_TESTING)}
    words = [sys.executable, "-c", code]
    return subprocess.run(words, capture_output=True, text=True, check=True, env={**kept, **said}).stdout.strip()


def test_usage_reports_are_off_from_the_first_line() -> None:
    """Loading any part of ctexp turns MLflow's and Ray's usage reports off, before either can be loaded."""
    code = f"import ctexp, os; print(*(os.environ[name] for name in {_SWITCHES}))"
    assert in_a_fresh_process(code) == "true true 0"


def test_the_users_word_counts() -> None:
    """Who turns MLflow's reports on by name keeps them."""
    code = f"import ctexp, os; print(*(os.environ[name] for name in {_SWITCHES}))"
    assert in_a_fresh_process(code, MLFLOW_DISABLE_TELEMETRY="false") == "false true 0"


@pytest.mark.slow
@pytest.mark.parametrize("module", ["registry.references", "registry.versions", "searching.journal", "tracking.store"])
def test_mlflow_agrees_that_it_reports_nothing(module: str) -> None:
    """Whichever room loads MLflow first, MLflow itself has no client to report with."""
    code = f"import ctexp.{module}; from mlflow.telemetry import get_telemetry_client; print(get_telemetry_client())"
    assert in_a_fresh_process(code) == "None"
