"""`ctexp train --folds K`: child runs, what is quoted, the ensemble, and going on after a kill."""

import csv
import json
import os
import re
import signal
import statistics

import numpy as np
import pytest
from mlflow import MlflowClient

from ctexp.learning.calibration import fit_temperature
from ctexp.learning.evaluation import Outputs, evaluate
from ctexp.project import Project
from ctexp.registry.catalogue import list_versions
from ctexp.tracking.store import open_store

WORDS = ("--preset", "smoke", "--epochs", 4, "--folds", 3)


def _client(program) -> MlflowClient:
    return MlflowClient(f"sqlite:///{program.folder / 'mlflow.db'}")


def _artifacts(program, run_id: str):
    return program.folder / "mlruns" / "ctexp" / run_id / "artifacts"


def _rows(file) -> list[dict[str, str]]:
    return list(csv.DictReader(file.open()))


def _outputs(rows) -> Outputs:
    return Outputs(np.array([int(row["label"] == "abnormal") for row in rows]),
                   np.array([float(row["logit"]) for row in rows]))  # fmt: skip


@pytest.fixture(scope="module")
def crossed(scans, program_in, tmp_path_factory):
    """A project with a finished cross-validation that nobody interrupted, and its answer."""
    program = program_in(tmp_path_factory.mktemp("crossed"))
    return program, program.json("train", "--data", scans, *WORDS, "--sensitivity", 0.9)


def test_each_fold_is_a_finished_child_of_the_run(crossed) -> None:
    """Parent and folds are FINISHED, the folds tagged and numbered, with curves, settings, table and metrics."""
    program, report = crossed
    client = _client(program)
    parent = client.get_run(report["run_id"])
    assert (parent.info.status, parent.data.tags["ctexp.kind"]) == ("FINISHED", "training")
    assert (parent.data.params["folds"], parent.data.params["final"]) == ("3", "ensemble")
    assert len(report["folds"]) == 3
    for number, fold in enumerate(report["folds"], start=1):
        run = client.get_run(fold["run_id"])
        tags = run.data.tags
        assert (run.info.status, tags["ctexp.kind"], tags["ctexp.fold"]) == ("FINISHED", "fold", str(number))
        assert tags["mlflow.parentRunId"] == report["run_id"]
        assert [point.step for point in client.get_metric_history(run.info.run_id, "epoch/val_auc")] == [1, 2, 3, 4]
        assert run.data.params["network.filters"] == "8,16"
        assert {key: run.data.metrics[key] for key in fold["metrics"]} == fold["metrics"]
        estimates = evaluate(_outputs(_rows(_artifacts(program, run.info.run_id) / "validation.csv")))
        assert fold["metrics"]["val_auc"] == estimates["auc"].value


def test_every_scan_outside_the_locked_test_is_answered_once(crossed) -> None:
    """The folds' validation sides part the train and validation scans; no test scan is among them or is labelled."""
    program, report = crossed
    sides = _rows(_artifacts(program, report["run_id"]) / "split.csv")
    assert {row["side"] for row in sides} == {"train", "test"}  # all of these taught the ensemble
    taught = sorted(row["sha256"] for row in sides if row["side"] == "train")
    held = [row["sha256"] for fold in report["folds"]
            for row in _rows(_artifacts(program, fold["run_id"]) / "validation.csv")]  # fmt: skip
    assert sorted(held) == taught
    assert len(taught) == report["answer"]["scans"] == report["data"]["trained_on"] == 32
    for fold in report["folds"]:
        rows = _rows(_artifacts(program, fold["run_id"]) / "split.csv")
        assert {row["label"] for row in rows if row["side"] == "test"} == {""}


def test_mean_and_error_are_those_of_the_folds(crossed) -> None:
    """The parent's cv metrics are mean and Nadeau-Bengio error of the folds' own metrics."""
    program, report = crossed
    logged = _client(program).get_run(report["run_id"]).data.metrics
    for name in ("auc", "accuracy", "loss"):
        values = [fold["metrics"][f"val_{name}"] for fold in report["folds"]]
        error = (statistics.variance(values) * (1 / 3 + 1 / 2)) ** 0.5
        assert logged[f"cv_{name}"] == pytest.approx(statistics.fmean(values))
        assert logged[f"cv_{name}_error"] == pytest.approx(error)
        assert report["cross_validation"]["mean"][name] == {
            "value": logged[f"cv_{name}"], "error": logged[f"cv_{name}_error"]}  # fmt: skip


def test_quoted_metrics_are_out_of_fold_at_the_threshold(crossed) -> None:
    """Temperature, threshold and metrics follow from the folds' tables, of networks that had not seen the scans."""
    program, report = crossed
    rows = sorted((row for fold in report["folds"]
                   for row in _rows(_artifacts(program, fold["run_id"]) / "validation.csv")),
                  key=lambda row: row["sha256"])  # fmt: skip
    raw, answer = _outputs(rows), report["answer"]
    assert answer["temperature"] == fit_temperature(raw)
    estimates = evaluate(Outputs(raw.labels, raw.logits / answer["temperature"]), answer["threshold"])
    for name, estimate in estimates.items():
        for end, value in (("", estimate.value), ("_low", estimate.low), ("_high", estimate.high), ("_n", estimate.n)):
            assert report["metrics"][f"val_{name}{end}"] == report["metrics"][f"oof_{name}{end}"] == value
    assert estimates["sensitivity"].value >= 0.9
    assert answer["side"] == "out-of-fold"
    pooled = _rows(_artifacts(program, report["run_id"]) / "validation.csv")
    assert [row["logit"] for row in pooled] == [row["logit"] for row in rows]


def test_versions_are_listed_with_the_scans_that_they_are_quoted_of(crossed) -> None:
    """An ensemble's AUC rests on every scan outside the locked test, not on the split's validation side."""
    program, _ = crossed
    (listed,) = list_versions(open_store(Project(program.folder), create=False))
    assert (listed.scans, listed.as_json()["validation_scans"]) == (32, 32)
    (run,) = [one for one in program.json("runs", "list")["runs"] if one["version"] == listed.version]
    assert run["on"] == "out-of-fold"


def test_pictures_of_the_parent(crossed) -> None:
    """The parent keeps the folds' curves and out-of-fold pictures."""
    program, report = crossed
    found = {file.stem for file in (_artifacts(program, report["run_id"]) / "pictures").iterdir()}
    assert found >= {"folds", "roc", "confusion", "reliability", "nearest", "farthest", "explained", "inputs"}


def test_ensemble_answers_with_mean_and_spread_of_the_folds(crossed, scans) -> None:
    """What predict says is the mean of the folds' calibrated networks, with their spread; each has its Keras twin."""
    from ctexp.registry.network import OnnxNetwork

    program, report = crossed
    files = sorted((program.folder / "mlruns").rglob("network-*.onnx"))
    assert [file.name for file in files] == ["network-01.onnx", "network-02.onnx", "network-03.onnx"]
    paths = sorted((scans / "CT-23").iterdir())[:2]
    said = json.loads(program("predict", *paths, "--format", "json").stdout)
    assert {one["networks"] for one in said} == {3}
    text = program("predict", paths[0]).stdout
    spread = f"{100 * said[0]['spread']:.2f}"
    assert f"Mean of 3 networks, which differ by {spread} percent (standard deviation)" in text
    assert "out-of-fold scans)" in text
    # A validation scan of fold 1 was answered by network 1, and its table has what that one says.
    row = _rows(_artifacts(program, report["folds"][0]["run_id"]) / "validation.csv")[0]
    path = next(scans.glob(f"CT-*/{row['file']}"))
    from ctexp.config import ScanSettings
    from ctexp.datasets.cache import quantise, restore
    from ctexp.scans.prepare import prepare
    from ctexp.scans.read import read_scan

    prepared = restore(quantise(prepare(read_scan(path), ScanSettings(shape=(32, 32, 16)))))[None, ..., None]
    logits = np.array([OnnxNetwork(file).logits(prepared)[0] for file in files])
    assert logits[0] == pytest.approx(float(row["logit"]), abs=1e-6)
    import keras

    twins = [keras.saving.load_model(file.with_suffix(".keras"), compile=False) for file in files]
    assert [float(one.predict(prepared, verbose=0)[0, 0]) for one in twins] == pytest.approx(logits, abs=1e-4)
    each = 1 / (1 + np.exp(-logits / report["answer"]["temperature"]))
    (one,) = json.loads(program("predict", path, "--format", "json").stdout)
    assert one["abnormal"] == pytest.approx(each.mean(), abs=1e-9)
    assert one["spread"] == pytest.approx(each.std(ddof=1), abs=1e-9)


def test_retrain_registers_the_network_of_the_split(scans, program, trained) -> None:
    """After repeated folds `--final retrain` registers what a training without folds does, and keeps both figures."""
    done = program("train", "--data", scans, "--preset", "smoke", "--folds", 2, "--repeats", 2, "--final", "retrain",
                   "--json")  # fmt: skip
    report = json.loads(done.stdout)
    alone = trained.report["metrics"]
    assert {key: report["metrics"][key] for key in alone} == alone
    assert report["best_epoch"] == trained.report["best_epoch"]
    assert len(report["folds"]) == 4
    assert report["cross_validation"]["out_of_fold"]["auc"]["n"] == 32  # a scan that was asked about twice is one scan
    assert "repeat 2 fold 1 of 2" in done.stderr
    client = _client(program)
    parent = client.get_run(report["run_id"])
    assert "Cross-validation, 2 folds, dealt 2 times" in parent.data.tags["mlflow.note.content"]
    assert [point.step for point in client.get_metric_history(report["run_id"], "epoch/val_auc")] == [1, 2]
    (one,) = json.loads(program("predict", next((scans / "CT-0").iterdir()), "--format", "json").stdout)
    assert one["networks"] == 1


def _wait_for(process, fold: int, epoch: int) -> str:
    """Read narration until an epoch of a fold is told, and give the parent's id."""
    run_id, at = "", 0
    for line in process.stderr:
        if found := re.match(r"run ([0-9a-f]{32})", line):
            run_id = found[1]
        if found := re.match(r"fold (\d+) of", line):
            at = int(found[1])
        if at == fold and re.match(rf"epoch +{epoch}/", line):
            return run_id
    raise AssertionError("the training ended before")


def test_kill_in_the_third_fold_and_resume(crossed, scans, program) -> None:
    """After SIGKILL in fold 3 finished folds are not trained again and the third goes on; all numbers are the same.

    That the scans were named by a relative path, which names nothing elsewhere, is no hindrance.
    """
    _, whole = crossed
    process = program.start("train", "--data", os.path.relpath(scans, program.folder), *WORDS, "--sensitivity", 0.9)
    run_id = _wait_for(process, 3, 2)
    process.kill()
    process.wait()
    client = _client(program)
    runs = client.search_runs([client.get_experiment_by_name("ctexp").experiment_id], "tags.`ctexp.kind` = 'fold'")
    before = {run.info.run_id: run.info.end_time for run in runs if run.info.status == "FINISHED"}
    assert len(runs) == 3
    assert len(before) == 2

    done = program("train", "--resume", run_id, "--json")
    report = json.loads(done.stdout)
    assert "fold 1" not in done.stderr
    assert "fold 2" not in done.stderr
    assert not re.search(r"^epoch +1/", done.stderr, re.MULTILINE)
    assert report["metrics"] == whole["metrics"]
    assert report["answer"] == whole["answer"]
    assert [fold["metrics"] for fold in report["folds"]] == [fold["metrics"] for fold in whole["folds"]]
    assert {run.info.run_id for run in runs} == {fold["run_id"] for fold in report["folds"]}
    assert all(client.get_run(one).info.end_time == ended for one, ended in before.items())
    assert {client.get_run(one).info.status for one in [run_id, *(run.info.run_id for run in runs)]} == {"FINISHED"}
    third = report["folds"][2]["run_id"]
    assert [point.step for point in client.get_metric_history(third, "epoch/val_auc")] == [1, 2, 3, 4]


def test_interrupt_ends_run_and_fold_killed(scans, program) -> None:
    """Ctrl-C leaves parent and running fold KILLED, says how to go on, and a fold alone is not resumed."""
    process = program.start("train", "--data", scans, "--preset", "smoke", "--epochs", 500, "--folds", 2)
    run_id = _wait_for(process, 1, 1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"ctexp train --resume {run_id}" in err
    client = _client(program)
    (fold,) = client.search_runs([client.get_experiment_by_name("ctexp").experiment_id], "tags.`ctexp.fold` = '1'")
    assert (client.get_run(run_id).info.status, fold.info.status) == ("KILLED", "KILLED")
    done = program("train", "--resume", fold.info.run_id, exit_code=2)
    assert f"resume {run_id}" in done.stderr.splitlines()[-1]


def test_folds_that_cannot_be_leave_no_run(scans, program) -> None:
    """Too many folds, one fold, and words that need folds end with one error line, exit code 2, and no run."""
    for words, part in (
        (("--folds", 40), "folds: each of 40 needs scans of both classes"),
        (("--folds", 1), "folds: must be 0 (none) or from 2 to 100, got 1"),
        (("--repeats", 2), "--repeats: must be given with --folds, got 2"),
        (("--final", "retrain"), "--final: must be given with --folds"),
        (("--folds", 2, "--final", "best"), "--final: must be ensemble or retrain, got 'best'"),
        (("--sensitivity", 1.5), "--sensitivity: must be from 0 to 1, got 1.5"),
    ):
        done = program("train", "--data", scans, "--preset", "smoke", *words, exit_code=2)
        assert part in done.stderr.splitlines()[-1]
    assert not (program.folder / "mlruns").exists()
