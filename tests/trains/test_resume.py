"""Trainings that are killed: at any moment, and gone on with."""

import json
import random
import re
import shutil
import signal
import time

import pytest
from mlflow import MlflowClient

from ctexp.experiments.alone import alone
from ctexp.project import Project
from ctexp.tracking.store import OWNER_TAG

EPOCHS = 6


def _client(program) -> MlflowClient:
    return MlflowClient(f"sqlite:///{program.folder / 'mlflow.db'}")


def _runs(client: MlflowClient) -> list:
    experiment = client.get_experiment_by_name("ctexp")
    return client.search_runs([experiment.experiment_id]) if experiment else []


def _wait_for_epoch(process, epoch: int) -> str:
    """Read narration until an epoch is told, and give the run's id."""
    run_id = ""
    for line in process.stderr:
        if found := re.match(r"run ([0-9a-f]{32})", line):
            run_id = found[1]
        if re.match(rf"epoch +{epoch}/", line):
            return run_id
    raise AssertionError("the training ended before")


@pytest.fixture(scope="module")
def whole(scans, program_in, tmp_path_factory) -> dict:
    """The answer of a training that nobody interrupts."""
    return program_in(tmp_path_factory.mktemp("whole")).json(
        "train", "--data", scans, "--preset", "smoke", "--epochs", EPOCHS
    )


def test_kill_and_resume_ends_as_if_nothing_had_happened(program, scans, whole) -> None:
    """After SIGKILL in mid-epoch a run goes on and ends with the same metrics to the last bit; so does one of another
    machine, which must be forced, since nobody can see from here that it ended.
    """
    process = program.start("train", "--data", scans, "--preset", "smoke", "--epochs", EPOCHS)
    run_id = _wait_for_epoch(process, 2)
    time.sleep(0.2)
    process.kill()
    process.wait()
    client = _client(program)
    assert client.get_run(run_id).info.status == "RUNNING"  # nobody could say otherwise yet

    owner = json.loads(client.get_run(run_id).data.tags[OWNER_TAG])
    client.set_tag(run_id, OWNER_TAG, json.dumps({**owner, "host": "another-container"}))
    refused = program("train", "--resume", run_id, exit_code=2)
    assert "may still run there; when you are sure that it does not, --force goes on" in refused.stderr
    report = program.json("train", "--resume", run_id, "--force")
    assert report["run_id"] == run_id
    assert report["metrics"] == whole["metrics"]
    assert report["best_epoch"] == whole["best_epoch"]
    assert client.get_run(run_id).info.status == "FINISHED"
    steps = [point.step for point in client.get_metric_history(run_id, "epoch/val_auc")]
    assert sorted(set(steps)) == steps == list(range(1, EPOCHS + 1))


@pytest.mark.parametrize("seed", range(2))
def test_kills_at_random_moments_lose_nothing(program, scans, whole, seed) -> None:
    """Killed four times at random moments, start-up and writing included, the run ends with the same metrics.

    The first time the start of a process is among the moments, then there is more of the training.
    """
    rng = random.Random(seed)
    words = ["train", "--data", scans, "--preset", "smoke", "--epochs", EPOCHS]
    for fresh in (True, False, False, False):
        process = program.start(*words, fresh=fresh)
        time.sleep(rng.uniform(3.0, 9.0) if fresh else rng.uniform(0.2, 5.0))
        process.kill()
        process.wait()
        runs = _runs(_client(program)) if (program.folder / "mlflow.db").exists() else []
        begun = [run for run in runs if "ctexp.standing" in run.data.tags]
        if begun:
            words = ["train", "--resume", begun[0].info.run_id]
        if begun and begun[0].info.status == "FINISHED":
            break
    client = _client(program)
    begun = [run for run in _runs(client) if "ctexp.standing" in run.data.tags]
    if begun and begun[0].info.status == "FINISHED":
        metrics = {key: value for key, value in begun[0].data.metrics.items() if key in whole["metrics"]}
    else:
        metrics = program.json(*words)["metrics"]
    assert metrics == whole["metrics"]
    assert not [run for run in _runs(client) if run.info.status == "RUNNING"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_ends_killed_and_can_be_gone_on_with(program, scans, whole, number) -> None:
    """Ctrl-C and SIGTERM end the run as KILLED at once, its words tell how to resume, and that ends to the last bit."""
    process = program.start("train", "--data", scans, "--preset", "smoke", "--epochs", EPOCHS)
    run_id = _wait_for_epoch(process, 1)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"ctexp train --resume {run_id}" in err
    run = _client(program).get_run(run_id)
    assert run.info.status == "KILLED"
    assert run.data.tags["ctexp.reason"] == "interrupted by the user"
    assert program.json("train", "--resume", run_id)["metrics"] == whole["metrics"]


def test_next_command_settles_a_dead_run(program, scans) -> None:
    """A run whose process is gone is KILLED after the next command, whatever that is."""
    process = program.start("train", "--data", scans, "--preset", "smoke", "--epochs", "500")
    run_id = _wait_for_epoch(process, 1)
    process.kill()
    process.wait()
    program("predict", next((scans / "CT-0").iterdir()), exit_code=2)  # no model yet, but the store was opened
    run = _client(program).get_run(run_id)
    assert run.info.status == "KILLED"
    assert "ended without a word" in run.data.tags["ctexp.reason"]


def test_living_run_is_left_alone(program, scans) -> None:
    """While a training runs, other commands do not touch its status, and it cannot be resumed a second time."""
    process = program.start("train", "--data", scans, "--preset", "smoke", "--epochs", "500")
    run_id = _wait_for_epoch(process, 1)
    done = program("train", "--resume", run_id, exit_code=2)
    assert "still running" in done.stderr
    assert _client(program).get_run(run_id).info.status == "RUNNING"
    process.kill()
    process.wait()


def test_resume_refuses_what_it_cannot_go_on_with(program, scans, trained) -> None:
    """A finished run, and other options beside --resume, are refused in one line each."""
    finished = trained.report["run_id"]
    assert "it finished" in trained.program("train", "--resume", finished, exit_code=2).stderr
    assert "given alone" in trained.program("train", "--resume", finished, "--epochs", 9, exit_code=2).stderr


def test_resume_refuses_scans_that_changed(program, scans) -> None:
    """With a scan fewer nothing is trained, the line says what was and what is, and the run stays as it was.

    Nor does a second process go on with a run that another one is about to go on with.
    """
    own = program.folder / "own"
    shutil.copytree(scans, own)
    run_id = program.json("train", "--data", own, "--preset", "smoke", "--epochs", 1)["run_id"]
    client = _client(program)
    client.set_terminated(run_id, "KILLED")
    with alone(Project(program.folder), "run", run_id):  # as another `--resume` does while it reads the scans
        assert "another process runs it" in program("train", "--resume", run_id, exit_code=2).stderr
    next((own / "CT-0").iterdir()).unlink()
    assert "data.hash was" in program("train", "--resume", run_id, exit_code=2).stderr
    assert client.get_run(run_id).info.status == "KILLED"


def test_kill_after_the_last_epoch_registers_once(program_in, scans, whole, tmp_path) -> None:
    """Killed at any step between the last epoch and the end of the run, --resume ends it with one version."""
    kill_at = """
import os, sys
from ctexp.cli.main import app
import ctexp.experiments.training.checkpoints as checkpoints
import ctexp.registry.versions as versions
import ctexp.tracking.run as run
where = sys.argv.pop(1)
def dead(*a, **k):
    os._exit(9)
if where == "before":
    versions.register = dead
elif where == "after":
    register = versions.register
    versions.register = lambda *a, **k: (register(*a, **k), dead())
else:
    run.MlflowRun.__exit__ = dead
app(sys.argv[1:], prog_name="ctexp")
"""
    for where in ("before", "after", "end"):
        program = program_in(tmp_path / where)
        program.folder.mkdir()
        words = ["train", "--data", scans, "--preset", "smoke", "--epochs", EPOCHS]
        program.process(where, *words, code=kill_at, exit_code=9)
        (run,) = _runs(_client(program))
        report = program.json("train", "--resume", run.info.run_id)
        assert report["metrics"] == whole["metrics"]
        assert report["model"]["version"] == "1"
        assert report["model"]["alias"] == "champion"
        assert len(_client(program).search_model_versions("name = 'ctexp'")) == 1
