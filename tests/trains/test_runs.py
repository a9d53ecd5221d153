"""`ctexp runs list|show|compare`: what was done, one run whole, and several side by side."""

import json
from types import SimpleNamespace

import pytest

from ctexp.errors import InputError, UnknownReferenceError
from ctexp.experiments.comparing.compare import compare_runs
from ctexp.experiments.comparing.listing import find_run, list_runs, search
from ctexp.experiments.comparing.settings import settings_of
from ctexp.project import Project
from ctexp.tracking.run import MlflowRun
from ctexp.tracking.store import open_store


@pytest.fixture(scope="module")
def project(scans, tmp_path_factory, program_in):
    """Two trainings on the same split, one on another, and an evaluation."""
    program = program_in(tmp_path_factory.mktemp("runs"))
    reports = [
        json.loads(program("train", "--data", scans, "--preset", "smoke", "--json", *words).stdout)
        for words in (
            ("--name", "one"),
            ("--name", "two", "--learning-rate", "0.0001"),
            ("--name", "three", "--seed", "9", "--epochs", "1"),
        )
    ]
    evaluation = program.json("evaluate")
    return SimpleNamespace(program=program, ids=[one["run_id"] for one in reports], evaluation=evaluation)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with a sweep of three trials, one of them replaced, and nothing trained."""
    made = open_store(Project(tmp_path_factory.mktemp("listed")))
    with MlflowRun.start(made, "sweep x", {"ctexp.kind": "sweep"}) as sweep:
        for number in range(3):
            tags = {"ctexp.kind": "trial", "ctexp.trial": str(number), "mlflow.parentRunId": sweep.id}
            if number == 2:
                tags["ctexp.replaced"] = "true"
            with MlflowRun.start(made, f"trial {number}", tags):
                pass
    return made


def test_list_has_a_line_a_run(project) -> None:
    """Trainings and evaluations, the latest first, in 80 columns; --limit takes the latest; --json has all facts."""
    lines = project.program.process("runs", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [project.evaluation["run_id"][:8]] + [
        one[:8] for one in reversed(project.ids)
    ]
    assert max(map(len, lines)) <= 80
    found = project.program.json("runs", "list", "--limit", "2")["runs"]
    assert [one["kind"] for one in found] == ["evaluation", "training"]
    assert found[0]["version"] == "1"
    assert found[1]["auc"]["low"] <= found[1]["auc"]["value"] <= found[1]["auc"]["high"]
    assert [one["auc"]["n"] for one in found] == [6, 6]


def test_sweep_is_one_line_with_its_trials(store) -> None:
    """Trials are counted with their sweep, replaced ones are not, and none has a line of its own."""
    found = list_runs(store)
    assert [(one.kind, one.trials) for one in found] == [("sweep", 2)]


def test_run_is_found_by_its_first_letters(store) -> None:
    """Six letters are enough where they are unique; fewer, unknown and ambiguous ones are said."""
    run_id = list_runs(store)[0].run_id
    assert find_run(store, run_id[:6]).info.run_id == run_id
    assert find_run(store, run_id.upper()).info.run_id == run_id
    for text, rule in (
        ("abc", "at least 6 letters"),
        ("zzzzzz", "must begin the id"),
        ("0" * 32, "must be in the store"),
    ):
        with pytest.raises(UnknownReferenceError, match=f"{rule}.*; `ctexp runs list` has them$"):
            find_run(store, text)


@pytest.mark.parametrize("kind", ["trial", "fold"])
def test_settings_come_from_the_parent_where_a_run_has_none(kind, tmp_path) -> None:
    """A trial has its sweep's data and preset, not its search; filters stand once; a fold's sides are its own."""
    made = open_store(Project(tmp_path))
    with MlflowRun.start(made, "sweep x", {"ctexp.kind": "sweep"}) as sweep:
        sweep.log(params={"preset": "smoke", "data.hash": "1", "data.train.normal": 20, "split.hash": "2",
                          "sweep.algorithm": "random", "sweep.folds": 3, "space.seed": "{}", "seed": 0})  # fmt: skip
        tags = {"ctexp.kind": kind, "mlflow.parentRunId": sweep.id}
        with MlflowRun.start(made, "inner", tags) as inner:
            inner.log(params={"seed": 7, "network.filters": (4, 8), "network.filters.1": 4})
    sides = {"data.train.normal": "20", "split.hash": "2"} if kind == "trial" else {}
    assert settings_of(made, made.run(inner.id)) == {
        "preset": "smoke", "data.hash": "1", "folds": "3", "seed": "7", "network.filters": "4,8", **sides
    }  # fmt: skip


def test_sweep_is_not_compared_and_names_its_trial(store) -> None:
    """A sweep is no training: whoever compares one is told the trial that was chosen, or the first."""
    sweep = next(run for run in search(store, "") if run.data.tags["ctexp.kind"] == "sweep")
    trials = {run.data.tags.get("ctexp.trial"): run.info.run_id for run in search(store, "")}
    words = f"runs compare {sweep.info.run_id}: must be one training, it is a sweep; name a trial, "
    with pytest.raises(InputError, match=f"^{words}0 is {trials['0']}$"):
        compare_runs(store, [trials["1"], sweep.info.run_id[:8]])
    store.client.set_tag(sweep.info.run_id, "ctexp.sweep.chosen", "1")
    with pytest.raises(InputError, match=f"^{words}1 was chosen: {trials['1']}$"):
        compare_runs(store, [sweep.info.run_id, trials["0"]])


def test_show_has_everything(project) -> None:
    """Settings, metrics with intervals, files and version of a run named by a few letters."""
    text = project.program("runs", "show", project.ids[0][:8]).stdout
    for words in ("registered as version 1", "val_auc", " to ", "training.learning_rate", "validation.csv",
                  "not a medical device"):  # fmt: skip
        assert words in text
    found = project.program.json("runs", "show", project.ids[0])
    assert found["run_id"] == project.ids[0]
    assert "pictures/roc.png" in found["files"]
    assert found["params"]["preset"] == "smoke"
    project.program("runs", "show", "abc", exit_code=2)


def test_compare_tests_on_the_same_scans(project, tmp_path) -> None:
    """Differing settings, paired tests and a picture for two runs on one split."""
    out = tmp_path / "picture.png"
    first, second, _ = project.ids
    found = project.program.json("runs", "compare", first[:8], second[:8], "--out", out)
    assert found["differences"]["training.learning_rate"] == ["0.003", "0.0001"]
    assert "seed" not in found["differences"]
    test = found["tests"][0]
    areas = [one["auc"]["value"] for one in found["on_common_scans"]]
    assert test["auc"]["difference"] == pytest.approx(areas[1] - areas[0])
    assert found["common_scans"] == test["accuracy"]["n"] == 6
    assert out.read_bytes().startswith(b"\x89PNG")
    text = project.program("runs", "compare", first, second).stdout
    assert "AUC (DeLong)" in text
    assert max(map(len, text.splitlines())) <= 80


def test_training_and_its_evaluation_agree(project) -> None:
    """An evaluation on validation has the same scans, the same AUC, calls none differently, and has no settings."""
    found = project.program.json("runs", "compare", project.ids[0], project.evaluation["run_id"])
    assert found["tests"][0]["auc"]["difference"] == pytest.approx(0, abs=1e-9)
    assert found["disagreements"] == []
    assert found["differences"] == {}


@pytest.mark.parametrize("words", [("evaluate",), ("models", "card"), ("models", "promote")])
def test_errors_of_a_ref_name_the_argument(project, words) -> None:
    """Commands that take REF as an argument call it so, for letters of an id and for what is not there."""
    part = project.ids[0][:8]
    for reference, rule in ((part, f"needs the whole id of 32 letters, `ctexp runs show {part}` prints it"),
                            ("ctexp@nobody", "must be in the store"), (project.ids[0][::-1], "the run must have"),
                            ("nonsense", "must be like ctexp@champion")):  # fmt: skip
        done = project.program(*words, reference, exit_code=2)
        assert done.stderr.startswith(f"error: REF {reference}: {rule}")
        assert len(done.stderr.splitlines()) == 1


def test_different_splits_are_not_tested(project) -> None:
    """Runs with another seed were validated on other scans: only what is common counts, and it is said."""
    found = project.program.json("runs", "compare", project.ids[0], project.ids[2])
    assert found["common_scans"] < 6
    assert found["remarks"]
    done = project.program("runs", "compare", project.ids[0], project.ids[0], exit_code=2)
    assert "two or more different runs" in done.stderr


def test_reading_makes_no_store(program) -> None:
    """In a folder without a store the commands say so and leave it as it was."""
    for words in (("list",), ("show", "abcdef"), ("compare", "abcdef", "fedcba")):
        program("runs", *words, exit_code=2)
    assert not (program.folder / "mlflow.db").exists()
