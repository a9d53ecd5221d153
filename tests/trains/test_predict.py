"""`ctexp predict`: sentences, table, JSON, CSV; the same numbers by every door; errors beside answers."""

import contextlib
import csv
import io
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from helpers.pages import CHECKOUT
from typer.testing import CliRunner

from ctexp.cli.main import app
from ctexp.registry.network import OnnxNetwork


@pytest.fixture(scope="module")
def answers(trained, scans) -> list:
    """What the champion says of two scans, as JSON."""
    paths = sorted((scans / "CT-23").iterdir())[:2]
    return json.loads(trained.program("predict", *paths, "--format", "json").stdout)


def test_one_scan_is_answered_in_two_sentences(trained, scans, answers) -> None:
    """For one scan the two sentences of the published example are printed, and what kind of model it is."""
    path = sorted((scans / "CT-23").iterdir())[0]
    lines = trained.program("predict", path).stdout.splitlines()
    normal, abnormal = (100 * answers[0][word] for word in ("normal", "abnormal"))
    assert lines[0] == f"This model is {normal:.2f} percent confident that CT scan is normal"
    assert lines[1] == f"This model is {abnormal:.2f} percent confident that CT scan is abnormal"
    assert "synthetic scans" in lines[-1]
    assert "Not a medical device" in lines[-1]


def test_json_has_one_object_a_scan(answers, scans) -> None:
    """Each object has path, probabilities that sum to 1, label, quality and model."""
    assert [answer["path"] for answer in answers] == [str(path) for path in sorted((scans / "CT-23").iterdir())[:2]]
    for answer in answers:
        assert answer["normal"] + answer["abnormal"] == pytest.approx(1, abs=1e-12)
        assert answer["label"] == ("abnormal" if answer["abnormal"] >= 0.5 else "normal")
        assert answer["quality"]["verdict"] in ("ok", "warn")
        assert answer["model"] == {"name": "ctexp", "version": "1", "synthetic": True}


def test_several_scans_are_a_table_or_csv(trained, scans) -> None:
    """Without a format several scans are a table of one line each; CSV has the same numbers."""
    paths = sorted((scans / "CT-0").iterdir())[:3]
    table = trained.program("predict", *paths).stdout.splitlines()
    rows = list(csv.DictReader(io.StringIO(trained.program("predict", *paths, "--format", "csv").stdout)))
    assert len(table) == 1 + 3 + 1
    for line, row in zip(table[1:4], rows, strict=True):
        assert line.split()[0] == row["path"]
        assert line.split()[1] == f"{float(row['normal']):.4f}"


def test_broken_scan_does_not_stop_the_others(trained, scans, tmp_path) -> None:
    """An unreadable scan has its error at its place, the others are answered, and the exit code is 1."""
    good = sorted((scans / "CT-0").iterdir())[0]
    broken = tmp_path / "broken scan ü.nii.gz"
    broken.write_bytes(good.read_bytes()[:5000])
    done = trained.program("predict", broken, good, "--format", "json", exit_code=1)
    first, second = json.loads(done.stdout)
    assert first.keys() == {"path", "error"}
    assert str(broken) in first["error"]
    assert second["normal"] > 0


@pytest.fixture
def windowed(scans, tmp_path) -> Path:
    """A scan that was saved in a soft-tissue window: no lung is in it."""
    image = nib.load(sorted((scans / "CT-0").iterdir())[0])
    path = tmp_path / "soft window.nii.gz"
    nib.save(nib.Nifti1Image(np.clip(np.asarray(image.dataobj), -160, 240), image.affine), path)
    return path


def test_what_is_no_chest_ct_is_refused(trained, scans, windowed) -> None:
    """A refused scan has its reason and what was found in every format, no number, and exit code 1."""
    good = sorted((scans / "CT-0").iterdir())[0]
    done = trained.program("predict", windowed, good, "--format", "json", exit_code=1)
    first, second = json.loads(done.stdout)
    assert first.keys() == {"path", "error", "quality"}
    assert first["quality"]["codes"][0] == "windowed"
    assert first["error"].startswith(f"{windowed}: must be a readable chest CT in HU: lungs must be in the numbers")
    assert second["label"] in ("normal", "abnormal")
    assert second["forced"] is False
    row = next(csv.DictReader(io.StringIO(trained.program("predict", windowed, "--format", "csv", exit_code=1).stdout)))
    assert (row["quality"], row["abnormal"], row["forced"]) == ("refuse", "", "")
    done = trained.program("predict", windowed, exit_code=1)
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1] == f"error: {first['error']}"


def test_force_answers_with_a_warning(trained, scans, windowed) -> None:
    """`--force` answers on a refused scan, says so in every format, and changes nothing for a good one."""
    good = sorted((scans / "CT-0").iterdir())[0]
    first, second = json.loads(trained.program("predict", windowed, good, "--force", "--format", "json").stdout)
    assert (first["forced"], first["quality"]["verdict"]) == (True, "refuse")
    assert first["normal"] + first["abnormal"] == pytest.approx(1)
    assert (second["forced"], second["quality"]["verdict"]) == (False, "ok")
    lines = trained.program("predict", windowed, "--force").stdout.splitlines()
    assert lines[2].startswith("Warning: this is no readable chest CT")
    assert lines[3].startswith("Warning: lungs must be in the numbers")
    table = trained.program("predict", windowed, good, "--force").stdout
    assert "forced" in table
    assert "this is no readable chest CT" in table
    row = next(csv.DictReader(io.StringIO(trained.program("predict", windowed, "--force", "--format", "csv").stdout)))
    assert (row["forced"], row["quality"], float(row["normal"])) == ("true", "refuse", first["normal"])


def test_scan_unlike_the_training_scans_is_answered_with_a_warning(trained, scans, tmp_path) -> None:
    """A proper chest with other slices than the training scans has its number, exit code 0, and what differs."""
    source = sorted((scans / "CT-0").iterdir())[0]
    image = nib.load(source)
    thin = np.repeat(np.asarray(image.dataobj), 3, axis=2)
    path = tmp_path / "thin.nii.gz"
    nib.save(nib.Nifti1Image(thin, image.affine @ np.diag([1, 1, 1 / 3, 1])), path)
    usual, other = json.loads(trained.program("predict", source, path, "--format", "json").stdout)
    assert usual["quality"] == {"verdict": "ok", "findings": [], "codes": []}
    assert other["quality"]["verdict"] == "warn"
    assert other["quality"]["codes"] == ["unlike-training"]
    assert "slices 2.7 mm apart, training scans 8" in other["quality"]["findings"][0]
    assert "Warning: unlike the training scans" in trained.program("predict", path).stdout


def test_every_reference_finds_the_same_version(trained, scans, monkeypatch) -> None:
    """Alias, version and run id give the same answer; what names nothing is one error line and exit code 2."""
    path = sorted((scans / "CT-0").iterdir())[0]
    said = {
        trained.program("predict", path, "--model", reference).stdout
        for reference in ("ctexp@champion", "models:/ctexp/1", "models:/ctexp@champion", trained.report["run_id"])
    }
    assert len(said) == 1
    monkeypatch.chdir(trained.program.folder)
    for reference in ("ctexp@nobody", "models:/ctexp/9", "other@champion", "nonsense", "f" * 32):
        done = CliRunner().invoke(app, ["predict", str(path), "--model", reference])
        assert done.exit_code == 2
        assert done.stderr.startswith("error: --model")
        assert len(done.stderr.splitlines()) == 1


def test_works_from_a_sub_folder(trained, scans, program_in) -> None:
    """In a sub-folder of the project the same store answers, and no second one is made."""
    below = trained.program.folder / "deep" / "er"
    below.mkdir(parents=True, exist_ok=True)
    program_in(below)("predict", sorted((scans / "CT-0").iterdir())[0])
    assert not list(below.iterdir())


def test_validation_table_and_prediction_agree(trained, scans, program) -> None:
    """The probability that was quoted for a validation scan is the one that predict gives for its file."""
    rows = list(csv.DictReader((trained.artifacts / "validation.csv").open()))[:3]
    paths = [next(scans.glob(f"CT-*/{row['file']}")) for row in rows]
    said = json.loads(trained.program("predict", *paths, "--format", "json").stdout)
    for row, answer in zip(rows, said, strict=True):
        assert answer["abnormal"] == pytest.approx(float(row["abnormal"]), abs=1e-6)


def test_mlflow_loads_the_same_predictor_from_the_code_it_carries(trained, scans, answers) -> None:
    """`mlflow.pyfunc.load_model` gives predict's numbers, with the code that the version carries and nothing else.

    Everything that the version does not list, or that its packages do not bring, cannot be imported there.
    """
    program = """
import json, sys
barred = {"tensorflow", "keras", "keras_tuner", "onnx", "optuna", "ray", "typer", "pydicom"}
for name in barred:
    sys.modules[name] = None
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/ctexp@champion")
import pandas
table = model.predict(pandas.DataFrame({"path": sys.argv[2:]}))
import ctexp
print(json.dumps({"rows": table.to_dict("records"), "code": ctexp.__file__}))
"""
    paths = [answer["path"] for answer in answers]
    uri = f"sqlite:///{trained.program.folder / 'mlflow.db'}"
    done = subprocess.run(
        [sys.executable, "-c", program, uri, *paths],
        capture_output=True, text=True, check=True, cwd=trained.program.folder, env=trained.program.environment,
    )  # fmt: skip
    said = json.loads(done.stdout.splitlines()[-1])
    assert str(trained.program.folder) in said["code"]
    for row, answer in zip(said["rows"], answers, strict=True):
        assert row["abnormal"] == pytest.approx(answer["abnormal"], abs=1e-9)
        assert row["label"] == answer["label"]


def test_predict_loads_no_library_of_training_or_tracking(trained, scans, answers) -> None:
    """Answering imports neither TensorFlow nor, once the version was fetched, MLflow; `ctexp.load` answers the same."""
    program = """
import sys
from ctexp.cli.main import app
try:
    app(["predict", *sys.argv[1:]])
except SystemExit as end:
    assert end.code == 0, end
heavy = {"tensorflow", "keras", "keras_tuner", "mlflow", "pandas", "onnx", "matplotlib", "sklearn"} & set(sys.modules)
assert not heavy, heavy
import ctexp
model = ctexp.load("ctexp@champion")
print(*(repr(model(path).abnormal) for path in sys.argv[1:]))
try:
    model("nowhere.nii.gz")
except ctexp.errors.ScanError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, *(answer["path"] for answer in answers)],
        check=True, capture_output=True, text=True, cwd=trained.program.folder, env=trained.program.environment,
    )  # fmt: skip
    numbers, error = done.stdout.splitlines()[-2:]
    assert [float(number) for number in numbers.split()] == pytest.approx(
        [answer["abnormal"] for answer in answers], abs=1e-6
    )
    assert error == "nowhere.nii.gz: a scan must be a file or a folder, there is none"


def test_explanation_lies_on_the_scan(trained, scans, tmp_path, monkeypatch) -> None:
    """`--explain` writes a map with the scan's shape and affine and a picture, and the answer names both."""
    path = sorted((scans / "CT-23").iterdir())[0]
    monkeypatch.chdir(trained.program.folder)
    done = CliRunner().invoke(app, ["predict", str(path), "--explain", str(tmp_path / "why"), "--format", "json"])
    (answer,) = json.loads(done.stdout)
    stem = path.name.removesuffix(".nii.gz")
    files = {"heat_map": str(tmp_path / "why" / f"{stem}_heat.nii.gz"),
             "picture": str(tmp_path / "why" / f"{stem}_heat.png")}  # fmt: skip
    assert answer["explanation"] == {"method": "contrast", **files}
    heat, scan = nib.load(files["heat_map"]), nib.load(path)
    assert heat.shape == scan.shape
    np.testing.assert_allclose(heat.affine, scan.affine, atol=1e-4)
    assert Path(files["picture"]).read_bytes().startswith(b"\x89PNG")


def test_paths_come_from_standard_input(trained, scans, answers, monkeypatch) -> None:
    """`predict -` answers on each line in its order, a broken one at its place; no line at all is the user's error."""
    first, second = (answer["path"] for answer in answers)
    monkeypatch.chdir(trained.program.folder)
    lines = f"{second}\nnowhere.nii.gz\n\n{first}\n"
    done = CliRunner().invoke(app, ["predict", "-", "--format", "csv"], input=lines)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert done.exit_code == 1
    assert [row["path"] for row in rows] == [second, "nowhere.nii.gz", first]
    missing = "nowhere.nii.gz: a scan must be a file or a folder, there is none"
    assert [row["error"] for row in rows] == ["", missing, ""]
    assert float(rows[0]["abnormal"]) == pytest.approx(answers[1]["abnormal"], abs=1e-9)
    empty = CliRunner().invoke(app, ["predict", "-"], input="\n")
    assert (empty.exit_code, empty.stderr) == (2, "error: standard input: must name a scan a line, it is empty\n")


def test_version_is_whole(trained) -> None:
    """The registered files are the network as ONNX and as Keras, which Keras alone loads, its card and its example."""
    import keras
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{trained.program.folder / 'mlflow.db'}")
    info = mlflow.models.get_model_info("models:/ctexp/1")
    assert [column.name for column in info.signature.inputs] == ["path", "nifti", "array"]
    assert [column.name for column in info.signature.outputs] == ["normal", "abnormal", "label", "quality", "findings"]
    assert info.saved_input_example_info is not None
    folder = Path(mlflow.artifacts.download_artifacts("models:/ctexp/1"))
    predictor = folder / "artifacts" / "predictor"
    assert sorted(file.name for file in predictor.iterdir()) == ["network.keras", "network.onnx", "predictor.json"]
    assert (folder / "card.md").read_text().startswith("# Model card: ctexp version 1")
    assert not list(folder.rglob("*.pkl"))
    network = keras.saving.load_model(predictor / "network.keras", compile=False)
    inputs = np.random.default_rng(0).random((2, *network.input_shape[1:]), dtype=np.float32)
    expected = OnnxNetwork(predictor / "network.onnx").logits(inputs)
    assert keras.ops.convert_to_numpy(network(inputs)).ravel() == pytest.approx(expected, abs=1e-4)


def test_a_moved_project_answers_and_a_damaged_version_is_refused(trained, scans, tmp_path, program_in) -> None:
    """What the page on restoring tells a store that lies elsewhere now is true; a network file that is not the
    registered one is refused, not asked.
    """
    copy, scan = tmp_path / "copy", sorted((scans / "CT-0").iterdir())[0]
    shutil.copytree(trained.program.folder, copy)
    page = (CHECKOUT / "docs" / "how-to" / "backup.md").read_text(encoding="utf-8")
    statements = re.search(r'sqlite3 mlflow\.db "\n(.*?)"\n', page, re.DOTALL)
    assert statements is not None
    moved = statements[1].replace("/old/study/", f"{trained.program.folder}/").replace("/new/study/", f"{copy}/")
    with contextlib.closing(sqlite3.connect(copy / "mlflow.db")) as connection:
        connection.executescript(moved)
    models = copy / ".ctexp" / "cache" / "models"  # a copy of the version there would answer for it
    shutil.rmtree(models, ignore_errors=True)
    words = ("predict", scan, "--format", "json")
    assert json.loads(program_in(copy)(*words).stdout) == json.loads(trained.program(*words).stdout)
    shutil.rmtree(models)
    network = next((copy / "mlruns").rglob("network.onnx"))
    network.write_bytes(network.read_bytes()[:-1] + b"x")
    done = program_in(copy)("predict", scan, exit_code=1)
    assert "checksum differs" in done.stderr
