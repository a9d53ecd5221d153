"""Fixtures of the tests that train: a tiny collection, a finished run, and the program as a real process."""

import contextlib
import functools
import gc
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from helpers.forked import COMMAND, SERVER, Forked
from typer.testing import CliRunner

from ctexp.datasets.phantom import PhantomSettings, write_phantoms
from ctexp.searching import workers

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, so that `-m "not slow"` leaves all of them out."""
    here = Path(__file__).parent
    for item in items:
        if here in Path(item.path).parents:
            item.add_marker(pytest.mark.slow)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import this folder's modules, and TensorFlow with them, where only quick tests are asked for."""
    return True if config.option.markexpr == "not slow" else None


@pytest.fixture(scope="session")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 40 tiny synthetic scans, half of them abnormal."""
    folder = tmp_path_factory.mktemp("scans") / "tiny"
    write_phantoms(folder, PhantomSettings(scans=40, size=48, seed=1), processes=1)
    return folder


@pytest.fixture(scope="session", autouse=True)
def forked_workers() -> Iterator[None]:
    """Let the workers of sweeps that run in this process be forked with all libraries loaded."""
    with mock.patch.object(workers, "CONTEXT", SERVER):
        yield


@pytest.fixture
def fresh_workers() -> Iterator[None]:
    """Let workers begin as a user's do."""
    with mock.patch.object(workers, "CONTEXT", multiprocessing.get_context("spawn")):
        yield


@functools.cache
def _set_libraries_apart() -> None:
    """Each training looks for garbage, but it need not look through all that libraries hold."""
    gc.collect()
    gc.freeze()


@contextlib.contextmanager
def _as_if_fresh(folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Stand in a folder, in an environment, and leave neither variables nor signal handlers behind."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with contextlib.chdir(folder), mock.patch.dict(os.environ, environment, clear=True):
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)


@dataclass(frozen=True)
class Program:
    """`ctexp` in a project folder, run as a user runs it.

    Called, it runs in this process, which has loaded TensorFlow and MLflow already: that is most of what a process
    costs. `process` and `start` are for what only a process of its own can show: a kill, a signal, other variables.
    It is forked with all libraries loaded, unless the start itself is what counts: that of a `fresh` one.
    """

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """A clean environment in which the project's own store is used."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "CTEXP_"))}
        return {**kept, "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "80", "NO_COLOR": "1"}

    def start(self, *words: object, fresh: bool = False, code: str = COMMAND) -> "subprocess.Popen[str] | Forked":
        """Start a command, or another program with a command's words, as a process, and go on."""
        if not fresh:
            return Forked(code, words, self.folder, self.environment)
        assert code is COMMAND, "only ctexp itself is started afresh"
        return subprocess.Popen(
            [sys.executable, "-m", "ctexp", *map(str, words)],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def process(
        self, *words: object, exit_code: int = 0, fresh: bool = False, code: str = COMMAND
    ) -> "subprocess.CompletedProcess[str]":
        """Run what `start` starts to its end, and check its exit code."""
        process = self.start(*words, fresh=fresh, code=code)
        out, err = process.communicate(timeout=300)
        assert process.returncode == exit_code, f"exit {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def __call__(self, *words: object, exit_code: int = 0) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end in this process, and check its exit code."""
        from ctexp.cli.main import app

        said = [str(word) for word in words]
        if "tensorflow" in sys.modules:
            _set_libraries_apart()
        with _as_if_fresh(self.folder, self.environment):
            done = CliRunner().invoke(app, said, prog_name="ctexp", catch_exceptions=False)
        assert done.exit_code == exit_code, f"exit {done.exit_code}\n{done.stdout}\n{done.stderr}"
        return subprocess.CompletedProcess(said, done.exit_code, done.stdout, done.stderr)

    def json(self, *words: object) -> dict:
        """Run a command with `--json` and give its answer, which must be all that is on stdout."""
        return json.loads(self(*words, "--json").stdout)

    def client(self) -> "MlflowClient":
        """The project's store."""
        from mlflow import MlflowClient

        return MlflowClient(f"sqlite:///{self.folder / 'mlflow.db'}")

    def runs(self) -> "list[Run]":
        """All runs of the project."""
        client = self.client()
        experiment = client.get_experiment_by_name("ctexp")
        return client.search_runs([experiment.experiment_id], max_results=1000) if experiment else []

    def children(self, parent: str) -> "list[Run]":
        """The trials of a sweep, by number."""
        mine = [run for run in self.runs() if run.data.tags.get("mlflow.parentRunId") == parent]
        return sorted(
            (run for run in mine if "ctexp.trial" in run.data.tags), key=lambda run: int(run.data.tags["ctexp.trial"])
        )


@pytest.fixture(scope="session")
def program_in() -> type[Program]:
    """The program in a folder of the test's choice."""
    return Program


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The program in an empty project."""
    return Program(tmp_path)


@dataclass(frozen=True)
class Trained:
    """A project with one finished smoke training."""

    program: Program
    report: dict
    stderr: str

    @property
    def artifacts(self) -> Path:
        """The run's artifacts on disk."""
        return self.program.folder / "mlruns" / "ctexp" / self.report["run_id"] / "artifacts"


@pytest.fixture(scope="session")
def trained(scans: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A project in which `ctexp train` ended well; tests only read it."""
    program = Program(tmp_path_factory.mktemp("project"))
    done = program.process("train", "--data", scans, "--preset", "smoke", "--name", "first", "--json")
    return Trained(program, json.loads(done.stdout), done.stderr)
