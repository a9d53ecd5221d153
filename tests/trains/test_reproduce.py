"""`ctexp reproduce`: real trainings repeated, altered records found out, seeds measured, and what is refused."""

import contextlib
import re
import shutil
import signal
import sqlite3
from collections.abc import Iterator

import pytest
from mlflow import MlflowClient

from ctexp.errors import InputError
from ctexp.experiments.reproducing.original import read_original
from ctexp.experiments.watch import Silent
from ctexp.project import Project
from ctexp.searching.request import training_of_sweep
from ctexp.tracking.run import MlflowRun
from ctexp.tracking.store import open_store

SWEEP = """
question = "Can a trial be repeated?"
preset = "smoke"
algorithm = "random"
trials = 2
epochs = 2

[space]
network.filters.1 = { choices = [4, 8] }
training.learning_rate = { low = 1e-3, high = 1e-2, log = true }
"""


def client_of(program) -> MlflowClient:
    """The project's store."""
    return MlflowClient(f"sqlite:///{program.folder / 'mlflow.db'}")


def children_of(program, run_id: str) -> list:
    """The runs nested under a run, the earliest first."""
    client = client_of(program)
    experiment = client.get_experiment_by_name("ctexp").experiment_id
    return client.search_runs(
        [experiment], f"tags.`mlflow.parentRunId` = '{run_id}'", order_by=["attributes.start_time ASC"]
    )


@contextlib.contextmanager
def altered(program, run_id: str, name: str, change: float) -> Iterator[None]:
    """Change a recorded metric in the database by hand, and put it back."""
    before = client_of(program).get_run(run_id).data.metrics[name]

    def write(value: float) -> None:
        with contextlib.closing(sqlite3.connect(program.folder / "mlflow.db")) as database, database:
            for table in ("latest_metrics", "metrics"):
                done = database.execute(
                    f"UPDATE {table} SET value = ? WHERE run_uuid = ? AND key = ?",  # noqa: S608 - two fixed names
                    (value, run_id, name),
                )
                assert done.rowcount

    write(before + change)
    try:
        yield
    finally:
        write(before)


@pytest.fixture(scope="module")
def project(scans, tmp_path_factory, program_in):
    """A project with one training whose scans nobody else changes, and the training's id."""
    folder = tmp_path_factory.mktemp("reproduced")
    shutil.copytree(scans, folder / "tiny")
    program = program_in(folder)
    run_id = program.json("train", "--data", "tiny", "--preset", "smoke", "--seed", "3", "--name", "first")["run_id"]
    return program, run_id


@pytest.fixture(scope="module")
def seeds(project) -> dict:
    """A reproduction that measured two more seeds, of a run whose recorded loss is off by less than they are apart."""
    program, run_id = project
    with altered(program, run_id, "val_loss", 1e-9):
        return program.json("reproduce", run_id, "--seeds", "2")


def test_training_is_identical(project) -> None:
    """On the same machine every bit is the same; the reproduction is a run of its own, and nothing is registered."""
    program, run_id = project
    found = program.json("reproduce", run_id[:8])
    assert (found["verdict"], found["unequal"], found["largest"]) == ("identical", [], 0)
    assert (found["epochs"], found["same_epochs"], found["scans"]) == (2, 2, 6)
    assert found["metrics"][0]["name"] == "val_auc"
    assert found["circumstances"] == []
    client = client_of(program)
    run, before = client.get_run(found["run_id"]), client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert (run.data.tags["ctexp.kind"], run.data.tags["ctexp.reproduces"]) == ("reproduction", run_id)
    same = {key: value for key, value in before.data.metrics.items() if key.startswith(("val_", "epoch/"))}
    assert {key: run.data.metrics[key] for key in same if key in run.data.metrics}.items() <= same.items()
    assert {"val_auc", "val_auc_low", "val_brier_before", "temperature"} <= run.data.metrics.keys()
    assert run.data.params["split.hash"] == before.data.params["split.hash"]
    assert client.search_model_versions(f"run_id = '{found['run_id']}'") == []
    artifacts = program.folder / "mlruns" / "ctexp" / found["run_id"] / "artifacts"
    assert not list(artifacts.rglob("*.keras"))
    assert (artifacts / "environment.txt").is_file()


def test_altered_record_is_different(project) -> None:
    """A metric that was changed in the store by hand is found out: exit code 1, its name, and how to go on."""
    program, run_id = project
    with altered(program, run_id, "val_loss", 0.5):
        done = program("reproduce", run_id[:8], exit_code=1)
    text = " ".join(done.stdout.split())
    measured = any(run.data.tags.get("ctexp.kind") == "seed" for run in program.runs())  # by a test that ran before
    unknown = f"differs in val_loss by -0.5; spread unknown; measure it with `ctexp reproduce {run_id[:8]}"
    assert f"Different: {'more than 2 seeds explain: val_loss by -0.5' if measured else unknown}" in text
    assert "the first 2 are equal to the last bit" in text
    assert "Circumstances: nothing recorded differs." in text
    assert "not a medical device" in text
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_seeds_are_measured_on_the_same_split(project, seeds) -> None:
    """Each seed is a child run with other numbers on the run's own split; mean, deviation and range are logged."""
    program, run_id = project
    assert seeds["verdict"] == "within"
    assert [one["seed"] for one in seeds["seeds"]] == [4, 5]
    client = client_of(program)
    parent = client.get_run(seeds["run_id"])
    children = children_of(program, seeds["run_id"])
    assert [one.info.run_id for one in children] == [one["run_id"] for one in seeds["seeds"]]
    assert [one.data.params["seed"] for one in children] == ["4", "5"]
    assert {one.info.status for one in children} == {"FINISHED"}
    losses = [one.data.metrics["val_loss"] for one in children]
    assert len({*losses, client.get_run(run_id).data.metrics["val_loss"]}) == 3
    logged = parent.data.metrics
    assert logged["spread_val_loss_mean"] == pytest.approx(sum(losses) / 2)
    assert logged["spread_val_loss"] == pytest.approx(abs(losses[0] - losses[1]) / 2**0.5)
    assert (logged["spread_val_loss_low"], logged["spread_val_loss_high"]) == (min(losses), max(losses))
    tables = [
        (program.folder / "mlruns" / "ctexp" / one / "artifacts" / "validation.csv").read_text()
        for one in (run_id, *(child.info.run_id for child in children))
    ]
    names = [{line.split(",")[1] for line in table.splitlines()} for table in tables]
    assert names[0] == names[1] == names[2]


def test_later_reproduction_finds_the_spread(project, seeds) -> None:
    """What differs by more than the recorded seeds do is different, and the measuring run is named."""
    program, run_id = project
    with altered(program, run_id, "val_loss", -5.0):
        found = program("reproduce", run_id, exit_code=1).stdout
    text = " ".join(found.split())
    assert "Different: more than 2 seeds explain: val_loss by +5" in text
    assert f"Spread: 2 seeds, measured by run {seeds['run_id']}" in text


def test_changed_scans_are_refused(project) -> None:
    """With a scan less nothing is trained: one line, exit code 2, both hashes that are not the same any more."""
    program, run_id = project
    gone = sorted((program.folder / "tiny" / "CT-0").iterdir())[0]
    kept = gone.read_bytes()
    gone.unlink()
    try:
        done = program("reproduce", run_id, exit_code=2)
    finally:
        gone.write_bytes(kept)
    assert "the scans must be those it was trained with: data.hash was" in done.stderr
    assert "split.hash was" in done.stderr
    assert "run " not in done.stdout


def test_interrupted_is_killed(project) -> None:
    """Ctrl-C in mid-training: KILLED, no weights left behind, and said to be begun again."""
    program, run_id = project
    process = program.start("reproduce", run_id)
    mine = ""
    for line in process.stderr:
        if found := re.match(r"run ([0-9a-f]{32}) reproduces", line):
            mine = found[1]
        if line.startswith("epoch 1/"):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "a reproduction is not gone on with: begin again" in err
    assert "oneDNN" not in err
    run = client_of(program).get_run(mine)
    assert run.info.status == "KILLED"
    assert "ctexp.reproduction.verdict" not in run.data.tags
    assert not list((program.folder / "mlruns" / "ctexp" / mine).rglob("*.keras"))


def test_trial_is_identical_and_its_sweep_names_it(program, scans) -> None:
    """A trial takes its scans from the sweep and its settings from itself; the sweep says which trial to name."""
    (program.folder / "small.toml").write_text(SWEEP)
    sweep = program.json("sweep", "small.toml", "--data", scans, "--workers", "1")  # all cores, as the reproduction
    chosen = sweep["best"]["number"]
    for trial in sweep["trials"]:  # one of them as it was scored, one registered and so calibrated
        found = program.json("reproduce", trial["run_id"])
        assert (found["kind"], found["verdict"]) == ("trial", "identical")
        assert found["scans"] == 6
    done = program("reproduce", program.json("evaluate")["run_id"], exit_code=2)
    assert "it is an evaluation; " in done.stderr
    done = program("reproduce", sweep["run_id"], exit_code=2)
    assert f"it is a sweep; name a trial, {chosen} was chosen: {sweep['best']['run_id']}" in done.stderr


def test_fold_is_identical_and_its_training_names_it(program, scans) -> None:
    """A fold is repeated on its own sides; the training that it belongs to says which run to name."""
    report = program.json("train", "--data", scans, "--preset", "smoke", "--folds", "2")
    first, second = (one["run_id"] for one in report["folds"])
    found = program.json("reproduce", second)
    assert (found["kind"], found["verdict"], found["scans"]) == ("fold", "identical", 16)
    done = program("reproduce", report["run_id"], exit_code=2)
    assert f"it is 2, one a fold; name one of them, fold 1 is {first}" in done.stderr


@pytest.mark.parametrize(
    ("tags", "ends", "rule"),
    [
        ({"ctexp.kind": "training"}, False, "must be finished, it is RUNNING"),
        ({"ctexp.kind": "evaluation"}, True, "must be a training, a trial or a fold, it is an evaluation"),
        ({"ctexp.kind": "reproduction", "ctexp.reproduces": "abc"}, True, "name the run that it reproduces, abc"),
        ({"ctexp.kind": "sweep"}, True, "it is a sweep; none of its trials is finished"),
        ({"ctexp.kind": "training"}, True, "it names no settings"),
        ({}, True, "must be a training, a trial or a fold, it is a run"),
    ],
)
def test_other_runs_are_refused(tmp_path, tags, ends, rule) -> None:
    """What is no finished training is one clear line."""
    project = Project(tmp_path)
    store = open_store(project)
    run = MlflowRun.start(store, "other", tags)
    if ends:
        with run:
            pass
    with pytest.raises(InputError, match=rule):
        read_original(store, run.id, project, Silent(), training_of_sweep)


def test_wrong_words_are_one_line(project, program_in, tmp_path) -> None:
    """Unknown runs, one seed alone, and a folder without a store: exit code 2, and no store is made."""
    program, run_id = project
    for words in (("zzzzzz",), (run_id, "--seeds", "1"), (run_id, "--seeds", "101")):
        done = program("reproduce", *words, exit_code=2)
        assert len([line for line in done.stderr.splitlines() if line.startswith("error: ")]) == 1
    program_in(tmp_path)("reproduce", "abcdef", exit_code=2)
    assert not (tmp_path / "mlflow.db").exists()
