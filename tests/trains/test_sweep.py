"""`ctexp sweep` as a user runs it: real processes, a real store, real kills."""

import contextlib
import csv
import json
import os
import random
import re
import signal
import subprocess
from pathlib import Path

import keras
import numpy as np
import psutil
import pytest

from ctexp.datasets.cache import ScanCache, restore
from ctexp.presets import get_preset
from ctexp.project import Project

SWEEP = """
question = "Does it go on?"
preset = "smoke"
algorithm = "bayesian"
trials = 4
epochs = 3
keep = 2

[stop]
rule = "median"
trials = 2
epochs = 2

[space]
network.filters.1 = { choices = [4, 8] }
training.learning_rate = { low = 1e-4, high = 1e-2, log = true }
"""


def gist(report: dict) -> list[tuple]:
    """What must be the same however often a sweep was interrupted."""
    return [
        (one["number"], one["status"], one["hyperparameters"], one["score"], one["curve"]) for one in report["trials"]
    ]


def workers_of(pid: int) -> list[psutil.Process]:
    """The worker processes of a sweep: the children that have loaded TensorFlow."""
    found = []
    for one in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # a program that was only asked something, such as git
            if "spawn_main" in " ".join(one.cmdline()):
                found.append(one)
    return found


def kill_tree(process: subprocess.Popen) -> None:
    """SIGKILL a sweep with all its workers."""
    tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for one in tree:
        with contextlib.suppress(psutil.NoSuchProcess):  # workers die with their sweep, which may be quicker
            one.kill()
    process.wait()


def wait_for(process: subprocess.Popen, pattern: str) -> str:
    """Read narration until a line matches."""
    seen = []
    for line in process.stderr:
        seen.append(line)
        if re.search(pattern, line):
            return line
    raise AssertionError("the sweep ended before:\n" + "".join(seen))


@pytest.fixture(scope="module")
def sweep_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of four trials that last about a second each."""
    file = tmp_path_factory.mktemp("sweeps") / "going.toml"
    file.write_text(SWEEP)
    return file


@pytest.fixture(scope="module")
def whole(scans, program_in, sweep_file, tmp_path_factory):
    """A project with a sweep that nobody interrupted, its answer, and what it told."""
    program = program_in(tmp_path_factory.mktemp("whole"))
    done = program.process("sweep", sweep_file, "--workers", 1, "--data", scans, "--json")
    return program, json.loads(done.stdout), done.stderr


def test_a_sweep_is_one_tree_of_runs(whole) -> None:
    """The sweep is the parent of its trials; each trial has hyperparameters, curve, metrics, status and reason."""
    program, report, _ = whole
    client = program.client()
    parent = client.get_run(report["run_id"])
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["ctexp.kind"] == "sweep"
    trials = program.children(report["run_id"])
    assert [run.info.run_id for run in trials] == [one["run_id"] for one in report["trials"]]
    for run, one in zip(trials, report["trials"], strict=True):
        assert run.info.status == "FINISHED"
        assert run.data.tags["ctexp.status"] == one["status"]
        for key, value in one["hyperparameters"].items():
            assert float(run.data.params[key]) == pytest.approx(value)
        curve = [point.value for point in client.get_metric_history(run.info.run_id, "epoch/val_auc")]
        assert curve == one["curve"]
        assert run.data.metrics["val_auc"] == one["score"] == max(curve)
        if one["status"] == "stopped":
            assert "hopeless" in run.data.tags["ctexp.reason"]


def test_the_chosen_network_is_registered_and_answers(whole, scans) -> None:
    """The chosen trial's run has the registered version, whose numbers are those that the trial was scored by."""
    program, report, _ = whole
    (version,) = program.client().search_model_versions("name = 'ctexp'")
    assert version.run_id == report["best"]["run_id"]
    assert report["model"] == {"name": "ctexp", "version": "1", "alias": "champion"}
    assert report["metrics"]["val_auc"] == pytest.approx(report["best"]["score"], abs=1e-9)
    answer = json.loads(program.process("predict", next((scans / "CT-0").iterdir()), "--format", "json").stdout)
    assert answer[0]["model"]["version"] == "1"


def test_the_report_is_kept_with_the_sweep(whole) -> None:
    """The parent run keeps the definition, pictures, and a page that needs nothing from outside."""
    program, report, _ = whole
    folder = program.folder / "mlruns" / "ctexp" / report["run_id"] / "artifacts"
    page = (folder / "report.html").read_text()
    assert not re.search(r"""(src|href)=["']https?:""", page)
    held = report["metrics"]
    interval = f"{held['val_auc_low']:.3f} to {held['val_auc_high']:.3f}</td><td>{held['val_auc_n']:.0f}</td>"
    assert interval in page
    assert "nobody had before" in page
    assert len(list((folder / "pictures").glob("*.png"))) >= 4
    assert json.loads((folder / "sweep.json").read_text())["question"] == "Does it go on?"


def test_only_the_best_checkpoints_stay(whole) -> None:
    """Of the four trials the wished two keep a network, the chosen one among them; Keras alone loads them."""
    program, report, _ = whole
    artifacts = program.folder / "mlruns" / "ctexp"
    cache = ScanCache(Project(program.folder).cache, get_preset("smoke").scan)
    left = {
        one["number"]: [file.name for file in (artifacts / one["run_id"] / "artifacts" / "checkpoints").iterdir()]
        for one in report["trials"]
    }
    kept = {one["number"]: one for one in report["trials"] if left[one["number"]]}
    assert len(kept) == 2
    assert report["best"]["number"] in kept
    for number, one in kept.items():
        (name,) = left[number]
        assert name.endswith(".keras")
        run = artifacts / one["run_id"] / "artifacts"
        network = keras.saving.load_model(run / "checkpoints" / name)
        rows = list(csv.DictReader((run / "validation.csv").open()))
        scans = np.stack([restore(cache.load(row["sha256"])) for row in rows])[..., None]
        said = network.predict_on_batch(scans).ravel()
        assert said == pytest.approx([float(row["logit"]) for row in rows], abs=1e-4)


def test_a_trial_is_the_training_that_its_settings_name(whole, program, scans) -> None:
    """`ctexp train` with a trial's settings ends with the trial's curve, to the last bit."""
    _, report, _ = whole
    chosen = report["best"]
    settings = program.folder / "trial.toml"
    filters = [chosen["hyperparameters"]["network.filters.1"], 16]
    settings.write_text(f'preset = "smoke"\n[network]\nfilters = {filters}\n[training]\nepochs = 3\n'
                        f'learning_rate = {chosen["hyperparameters"]["training.learning_rate"]!r}\n')  # fmt: skip
    answer = program.json("train", "--data", scans, "--config", settings)
    history = program.client().get_metric_history(answer["run_id"], "epoch/val_auc")
    assert [point.value for point in history] == chosen["curve"]


def test_narration_in_a_pipe_is_plain_lines(whole) -> None:
    """Without a terminal there is one line a trial and nothing that moves the cursor."""
    _, report, told = whole
    assert len(re.findall(r"^trial +\d+  (finished|stopped) ", told, re.MULTILINE)) == len(report["trials"])
    assert "\r" not in told
    assert "\x1b" not in told


def test_a_killed_worker_costs_nothing(whole, program, scans, sweep_file) -> None:
    """A worker killed in mid-trial is replaced, its trial goes on, and the sweep ends with the same trials."""
    process = program.start("sweep", sweep_file, "--workers", 1, "--data", scans, "--json")
    wait_for(process, r"^trial +0 ")
    (worker,) = workers_of(process.pid)
    worker.kill()
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "SIGKILL" in err
    assert gist(json.loads(out)) == gist(whole[1])
    assert {run.info.status for run in program.runs()} == {"FINISHED"}


def test_a_killed_sweep_takes_its_workers_along_and_goes_on(whole, program, scans, sweep_file) -> None:
    """After SIGKILL of the sweep its workers are gone, and --resume ends under the same run with the same trials."""
    process = program.start("sweep", sweep_file, "--workers", 1, "--data", scans)
    wait_for(process, r"^trial +1 ")
    workers = workers_of(process.pid)
    assert workers
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert not alive
    report = program.json("sweep", "--resume", "--workers", 1)
    client = program.client()
    assert [run.info.run_id for run in program.runs() if run.data.tags.get("ctexp.kind") == "sweep"] == [
        report["run_id"]
    ]
    assert gist(report) == gist(whole[1])
    assert {run.info.status for run in program.runs()} == {"FINISHED"}
    for one in report["trials"]:
        steps = [point.step for point in client.get_metric_history(one["run_id"], "epoch/val_auc")]
        assert steps == list(range(1, len(one["curve"]) + 1))


@pytest.mark.parametrize("seed", range(2))
def test_kills_of_everything_at_random_moments_lose_nothing(whole, program, scans, sweep_file, seed) -> None:
    """Killed as a whole three times, whenever, and gone on with by the same command, the sweep ends the same."""
    rng = random.Random(seed)
    words = ["sweep", sweep_file, "--workers", 1, "--data", scans, "--resume", "--json"]
    for _ in range(3):
        process = program.start(*words, fresh=seed == 0)  # its start is among the moments
        try:
            process.wait(timeout=rng.uniform(4.0, 16.0))
            break
        except subprocess.TimeoutExpired:
            kill_tree(process)
    done = program.start(*words)
    out, err = done.communicate(timeout=300)
    client = program.client()
    if done.returncode == 2:  # it had ended before the last kill
        assert "all its 4 trials are done" in err
        (parent,) = [run for run in program.runs() if run.data.tags.get("ctexp.kind") == "sweep"]
        trials = [json.loads(next(v for k, v in run.data.tags.items() if k.startswith("ctexp.outcome."))) for run in
                  program.children(parent.info.run_id)]  # fmt: skip
        assert [one["curve"] for one in trials] == [one["curve"] for one in whole[1]["trials"]]
    else:
        assert done.returncode == 0, err
        assert gist(json.loads(out)) == gist(whole[1])
    assert not [run for run in program.runs() if run.info.status == "RUNNING"]
    assert len([run for run in program.runs() if run.data.tags.get("ctexp.kind") == "sweep"]) == 1
    assert len(client.search_model_versions("name = 'ctexp'")) == 1


def test_interrupt_ends_after_the_epoch_and_can_be_gone_on_with(whole, program, scans, sweep_file) -> None:
    """Ctrl-C lets the epoch finish, marks sweep and trial KILLED, tells how to go on, and loses nothing."""
    process = program.start("sweep", sweep_file, "--workers", 1, "--data", scans)
    wait_for(process, r"^trial +0 ")
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "ctexp sweep --resume" in err
    runs = program.runs()
    assert {run.info.status for run in runs if run.data.tags["ctexp.kind"] == "sweep"} == {"KILLED"}
    assert "RUNNING" not in {run.info.status for run in runs}
    assert gist(program.json("sweep", "--resume", "--workers", 1)) == gist(whole[1])


def test_the_version_is_told_with_its_trials_and_its_own_seconds(whole) -> None:
    """The card kept with it counts the sweep's trials, and its training took what the trial took, not its loading."""
    program, report, _ = whole
    client, best = program.client(), report["best"]
    assert client.get_run(best["run_id"]).data.metrics["seconds_training"] == pytest.approx(best["training_seconds"])
    source = client.get_model_version("ctexp", report["model"]["version"]).source
    folder = program.folder / "mlruns" / "ctexp" / "models" / source.removeprefix("models:/") / "artifacts"
    finished = sum(one["status"] == "finished" for one in report["trials"])
    assert f"{finished} finished trials" in " ".join((folder / "card.md").read_text(encoding="utf-8").split())
