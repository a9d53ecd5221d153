"""The kinds of sweep, each run as a user runs it: extended, by halving, with folds, on several workers."""

import json
import shutil
from pathlib import Path

import pytest

SWEEP = """
preset = "smoke"
algorithm = "bayesian"
trials = 4
epochs = 3

[stop]
rule = "none"

[space]
network.filters.1 = { choices = [4, 8] }
training.learning_rate = { low = 1e-4, high = 1e-2, log = true }
"""


@pytest.fixture(scope="module")
def sweep_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of four trials that last about a second each."""
    file = tmp_path_factory.mktemp("sweeps") / "kinds.toml"
    file.write_text(SWEEP)
    return file


def gist(report: dict) -> list[tuple]:
    """What a trial is and what came of it."""
    return [(one["number"], one["hyperparameters"], one["score"], one["curve"]) for one in report["trials"]]


def test_extending_and_changing(program, scans, sweep_file) -> None:
    """A finished sweep is extended by --trials under the same run; with other settings or scans it is refused."""
    own = program.folder / "own"
    shutil.copytree(scans, own)
    first = program.json("sweep", sweep_file, "--data", own, "--algorithm", "random", "--trials", 2, "--epochs", 1)
    assert "are done" in program("sweep", "--resume", exit_code=2).stderr
    longer = program.json("sweep", "--resume", "--trials", 3)
    assert longer["run_id"] == first["run_id"]
    assert gist(longer)[:2] == gist(first)
    assert len(longer["trials"]) == 3
    changed = program("sweep", sweep_file, "--data", own, "--algorithm", "random", "--epochs", 2, "--resume",
                      exit_code=2)  # fmt: skip
    assert "epochs" in changed.stderr
    assert "new one" in changed.stderr
    typed = program("sweep", "--resume", "--epochs", 5, exit_code=2).stderr
    assert f"({first['run_id']}), epochs changed;" in typed
    assert "are done" in program("sweep", "--resume", "--epochs", 1, "--data", own, exit_code=2).stderr
    next((own / "CT-0").iterdir()).unlink()
    assert "data.hash was" in program("sweep", "--resume", "--trials", 4, exit_code=2).stderr


def test_hyperband_goes_on_with_promoted_trials(program, scans) -> None:
    """A promoted trial keeps its run and its epochs: nothing is trained twice, and the curve is one."""
    file = program.folder / "bands.toml"
    file.write_text(
        SWEEP.replace('"bayesian"', '"hyperband"')
        .replace("trials = 4", "trials = 5")
        .replace('[stop]\nrule = "none"\n', "")
    )
    report = program.json("sweep", file, "--data", scans)
    client = program.client()
    lengths = sorted(len(one["curve"]) for one in report["trials"])
    assert len(report["trials"]) == len(program.children(report["run_id"])) == 5
    assert lengths == [1, 1, 3, 3, 3]  # three begin with an epoch and one is promoted, two are trained at once
    for one in report["trials"]:
        assert one["status"] == ("finished" if len(one["curve"]) == 3 else "stopped")
        steps = [point.step for point in client.get_metric_history(one["run_id"], "epoch/val_auc")]
        assert steps == list(range(1, len(one["curve"]) + 1))
    assert len(report["best"]["curve"]) == 3


def test_folds_are_grandchildren(program, scans, sweep_file) -> None:
    """With folds each trial has a run a fold, its score is their mean, and the chosen settings are trained again."""
    report = program.json("sweep", sweep_file, "--data", scans, "--folds", 2, "--trials", 2, "--epochs", 1)
    client = program.client()
    for one in report["trials"]:
        folds = [run for run in program.runs() if run.data.tags.get("mlflow.parentRunId") == one["run_id"]]
        scores = [run.data.metrics["val_auc"] for run in folds]
        assert len(scores) == 2
        assert one["score"] == pytest.approx(sum(scores) / 2)
        assert one["error"] > 0 or scores[0] == scores[1]
        for run in folds:
            left = program.folder / "mlruns" / "ctexp" / run.info.run_id / "artifacts" / "checkpoints"
            assert [file.suffix for file in left.iterdir()] == [".keras"]
    (version,) = client.search_model_versions("name = 'ctexp'")
    assert client.get_run(version.run_id).data.tags["ctexp.again"] == str(report["best"]["number"])


def test_workers_beside_each_other_share_the_cores(program, scans, sweep_file) -> None:
    """Two workers on two cores run two trials at a time and end with as many trials, none twice."""
    report = program.json("sweep", sweep_file, "--data", scans, "--workers", 2, "--algorithm", "random")
    assert [one["number"] for one in report["trials"]] == [0, 1, 2, 3]
    spans = sorted((one["began"], one["began"] + one["seconds"]) for one in report["trials"])
    assert spans[1][0] < spans[0][1]
    assert len({json.dumps(one["hyperparameters"]) for one in report["trials"]}) == 4
