"""`ctexp train` end to end: what it answers, what the store holds, what it refuses."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient


@pytest.fixture
def client(trained) -> MlflowClient:
    """The store of the trained project."""
    return MlflowClient(f"sqlite:///{trained.program.folder / 'mlflow.db'}")


def test_json_answer_has_what_a_script_needs(trained) -> None:
    """`train --json` prints one object with run, version, metrics with intervals, weights and data."""
    report = trained.report
    assert report["model"] == {"name": "ctexp", "version": "1", "alias": "champion"}
    assert report["parameters"] > 1000
    assert report["data"]["scans"] == 40
    assert report["data"]["synthetic"] is True
    assert report["data"]["patients"] == {side: sum(n.values()) for side, n in report["data"]["split"].items()}
    assert len(report["data"]["hash"]) == 64
    for name in ("auc", "accuracy", "sensitivity", "specificity"):
        low, value, high = (report["metrics"][f"val_{name}{end}"] for end in ("_low", "", "_high"))
        assert 0 <= low <= value <= high <= 1
        assert low < high


def test_run_is_finished_and_says_where_it_comes_from(trained, client) -> None:
    """Settings, seed, data, split counts, packages, hardware and durations are on the run."""
    run = client.get_run(trained.report["run_id"])
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "first"
    params = run.data.params
    assert params["network.filters"] == "8,16"
    assert params["seed"] == "0"
    assert params["data.hash"] == trained.report["data"]["hash"]
    assert params["data.synthetic"] == "true"
    assert params["data.class.CT-0"] == "20"
    assert params["data.test.normal"] == "4"
    assert (params["data.patients"], params["data.test.patients"]) == ("40", "8")
    assert "synthetic" in run.data.tags["mlflow.note.content"]
    assert {"version.keras", "version.numpy", "hardware.cpu", "ctexp.version"} <= run.data.tags.keys()
    assert run.data.metrics["seconds"] > run.data.metrics["seconds_preparing"] > 0


def test_every_epoch_is_a_point_of_each_curve(trained, client) -> None:
    """Each per-epoch metric has one point an epoch, at steps 1, 2, ..."""
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "val_auc", "learning_rate"):
        history = client.get_metric_history(trained.report["run_id"], f"epoch/{name}")
        assert [point.step for point in history] == [1, 2]


def test_quoted_metrics_are_the_saved_networks(trained, client) -> None:
    """The quoted AUC is that of the validation table, which is that of the registered network."""
    run = client.get_run(trained.report["run_id"])
    assert run.data.metrics["val_auc"] == trained.report["metrics"]["val_auc"]
    rows = list(csv.DictReader((trained.artifacts / "validation.csv").open()))
    normal = [float(row["logit"]) for row in rows if row["label"] == "normal"]
    abnormal = [float(row["logit"]) for row in rows if row["label"] == "abnormal"]
    pairs = [(a > n) + 0.5 * (a == n) for a in abnormal for n in normal]
    assert sum(pairs) / len(pairs) == pytest.approx(run.data.metrics["val_auc"])


def test_pictures_are_kept(trained) -> None:
    """Curves, inputs, augmentation, ROC, confusion, reliability, nearest, farthest, explained: PNG of some size."""
    found = {file.stem: file.read_bytes() for file in (trained.artifacts / "pictures").iterdir()}
    assert found.keys() == {
        "curves", "inputs", "augmented", "roc", "confusion", "reliability", "nearest", "farthest", "explained",
    }  # fmt: skip
    assert all(data.startswith(b"\x89PNG") and len(data) > 8000 for data in found.values())


def test_only_the_best_checkpoint_is_left(trained, client) -> None:
    """After the end the run holds the checkpoint of the quoted epoch and no other."""
    names = [file.name for file in (trained.artifacts / "checkpoints").iterdir()]
    assert names == [f"epoch-{trained.report['best_epoch']:04d}.keras"]


def test_labels_of_the_locked_test_are_not_written(trained) -> None:
    """The logged split names the test scans without their labels."""
    rows = list(csv.DictReader((trained.artifacts / "split.csv").open()))
    assert {row["side"] for row in rows} == {"train", "validation", "test"}
    assert {row["label"] for row in rows if row["side"] == "test"} == {""}
    assert {row["label"] for row in rows if row["side"] != "test"} == {"normal", "abnormal"}


def test_registered_model_holds_no_pickle(trained) -> None:
    """The logged model is text, JSON, ONNX and Keras's archive; no file of it is a pickle or has a pickle's name."""
    files = [file for file in (trained.program.folder / "mlruns" / "ctexp" / "models").rglob("*") if file.is_file()]
    assert "network.onnx" in {file.name for file in files}
    for file in files:
        assert file.suffix not in {".pkl", ".pickle", ".joblib", ".pt"}, file
        assert not file.read_bytes().startswith((b"\x80\x04", b"\x80\x05")), file


def test_second_version_waits_as_challenger(program, scans) -> None:
    """A later training leaves the champion where it is and becomes the challenger."""
    assert program.json("train", "--data", scans, "--preset", "smoke", "--epochs", 1)["model"]["alias"] == "champion"
    report = program.json("train", "--data", scans, "--preset", "smoke", "--epochs", 1)
    assert report["model"] == {"name": "ctexp", "version": "2", "alias": "challenger"}


def test_same_seed_repeats_bit_for_bit(trained, scans, program) -> None:
    """The same command in another process and another folder gives the same metrics to the last bit."""
    again = json.loads(program.process("train", "--data", scans, "--preset", "smoke", "--json", fresh=True).stdout)
    assert again["metrics"] == trained.report["metrics"]
    other = program.json("train", "--data", scans, "--preset", "smoke", "--seed", 1)
    assert other["metrics"]["val_loss"] != trained.report["metrics"]["val_loss"]


def test_input_errors_are_one_line_and_leave_no_run(program, scans) -> None:
    """A wrong value or source ends with exit code 2, one `error:` line, and nothing in the store."""
    for words, part in (
        (("--preset", "defualt"), "did you mean default?"),
        (("--filters", "8,x"), "--filters"),
        (("--dropout", "1.5"), "--dropout: must be from 0 to below 1, got 1.5"),
        (("--data", "nowhere"), "nowhere"),
        (("--filters", "8,8,8,8,8,8,8,8"), "block"),
        (("--resume", "0" * 32), "there is no mlflow.db"),
    ):
        done = program("train", *words, exit_code=2)
        assert done.stdout == ""
        lines = [line for line in done.stderr.splitlines() if line]
        assert lines[-1].startswith("error: ")
        assert part in lines[-1]
        assert "Traceback" not in done.stderr
    assert not (program.folder / "mlruns").exists()


def test_failed_training_is_failed_with_its_reason(program, scans) -> None:
    """A store that does not take artifacts ends the run as FAILED with the reason, one line, and exit code 1."""
    (program.folder / "mlruns").write_text("a file where a folder must be")
    done = program("train", "--data", scans, "--preset", "smoke", exit_code=1)
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr
    client = MlflowClient(f"sqlite:///{program.folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("ctexp")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"
    assert "mlruns" in run.data.tags["ctexp.reason"]


def test_bad_scans_are_listed_or_skipped(program, scans, tmp_path) -> None:
    """Without --skip-bad every bad file is named and nothing is trained; with it they are left out and logged."""
    folder = tmp_path / "mixed"
    shutil.copytree(scans, folder, ignore=shutil.ignore_patterns("phantom.json"))
    (folder / "CT-0" / "broken.nii.gz").write_bytes(b"no scan")
    shutil.copy(next((folder / "CT-23").iterdir()), folder / "CT-23" / "copy.nii.gz")
    done = program("train", "--data", folder, "--preset", "smoke", exit_code=2)
    assert "broken.nii.gz" in done.stderr
    assert "2 of 42 files cannot be used" in done.stderr
    report = program.json("train", "--data", folder, "--preset", "smoke", "--epochs", 1, "--skip-bad")
    assert report["data"]["scans"] == 40
    skipped = program.folder / "mlruns" / "ctexp" / report["run_id"] / "artifacts" / "skipped.txt"
    assert len(skipped.read_text().splitlines()) == 2


def test_settings_file_lies_between_preset_and_options(program, scans) -> None:
    """A TOML file overrides the preset it names; an option overrides the file."""
    file = _write(program.folder / "mine.toml", 'preset = "smoke"\nseed = 3\n[network]\ndropout = 0.1\n')
    report = program.json("train", "--data", scans, "--config", file, "--seed", 4, "--epochs", 1)
    client = MlflowClient(f"sqlite:///{program.folder / 'mlflow.db'}")
    params = client.get_run(report["run_id"]).data.params
    assert (params["preset"], params["seed"], params["network.dropout"]) == ("smoke", "4", "0.1")


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_settings_json_rebuilds_the_request(trained) -> None:
    """What was asked for is kept as JSON from which the same request is read back."""
    from ctexp.experiments.request import TrainingRequest

    text = (trained.artifacts / "settings.json").read_text()
    request = TrainingRequest.from_json(text, "test")
    assert request.preset == "smoke"
    assert json.loads(request.to_json()) == json.loads(text)
