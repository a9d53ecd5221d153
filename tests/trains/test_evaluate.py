"""`ctexp evaluate`: a version asked again, the locked test under its ledger, another site's scans, the audit."""

import csv
import json
import math
import os
import shutil
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from mlflow import MlflowClient

from ctexp.datasets.phantom import PhantomSettings, write_phantoms
from ctexp.experiments.evaluating.evaluation_record import summary
from ctexp.learning.intervals import Estimate
from ctexp.registry.names import ModelVersion


@pytest.fixture(scope="module")
def project(scans, tmp_path_factory, program_in):
    """A project with one training whose scans nobody else changes."""
    folder = tmp_path_factory.mktemp("evaluated")
    shutil.copytree(scans, folder / "tiny")
    program = program_in(folder)
    program("train", "--data", "tiny", "--preset", "smoke", "--name", "first")
    return program


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Another site: 16 scans that no training has seen."""
    folder = tmp_path_factory.mktemp("site") / "other"
    write_phantoms(folder, PhantomSettings(scans=16, size=48, seed=77, masks=False), processes=1)
    return folder


def client_of(program) -> MlflowClient:
    """The project's store."""
    return MlflowClient(f"sqlite:///{program.folder / 'mlflow.db'}")


def files_of(program, run_id: str) -> set[str]:
    """The run's files."""
    folder = program.folder / "mlruns" / "ctexp" / run_id / "artifacts"
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_validation_gives_the_numbers_of_the_training(project) -> None:
    """The registered network says of the validation scans what was quoted, and the run keeps all of it."""
    found = project.json("evaluate")
    client = client_of(project)
    trained = client.get_run(found["model"]["run_id"]).data.metrics
    for name in ("auc", "accuracy", "sensitivity", "specificity"):
        assert found["metrics"][name]["value"] == pytest.approx(trained[f"val_{name}"])
        assert found["metrics"][name]["low"] == pytest.approx(trained[f"val_{name}_low"])
    assert {"ppv", "npv", "log_loss", "brier", "ece", "auc_mean_hu", "auc_lung_hu"} <= found["metrics"].keys()
    assert sum(found["confusion"].values()) == found["data"]["scans"] == found["metrics"]["accuracy"]["n"]
    assert (found["look"], found["site"], found["audit"]) == (None, None, None)
    run = client.get_run(found["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.tags["ctexp.kind"] == "evaluation"
    assert run.data.tags["ctexp.evaluated.run"] == found["model"]["run_id"]
    assert run.data.metrics["val_auc"] == found["metrics"]["auc"]["value"]
    assert {"pictures/roc.png", "pictures/confusion.png", "pictures/reliability.png", "validation.csv"} <= files_of(
        project, found["run_id"]
    )


def test_answers_are_predicts(project) -> None:
    """The probability in the table of answers is the one that `ctexp predict` gives for the file."""
    found = project.json("evaluate", "ctexp@champion")
    table = project.folder / "mlruns" / "ctexp" / found["run_id"] / "artifacts" / "validation.csv"
    row = next(csv.DictReader(table.open()))
    path = next((project.folder / "tiny").glob(f"CT-*/{row['file']}"))
    said = json.loads(project("predict", path, "--format", "json").stdout)[0]
    assert float(row["abnormal"]) == pytest.approx(said["abnormal"], abs=1e-6)


def test_test_is_looked_at_under_the_ledger(project) -> None:
    """Each look has the next number, says so, is in the registry, and keeps no answer of a single scan."""
    first = project.json("evaluate", "--on", "test")
    done = project("evaluate", "--on", "test")
    number = first["look"]["number"]
    assert f"This is look {number + 1} of this test set" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "Research software; not a medical device." in done.stdout
    said = " ".join(done.stdout.split())
    assert "PPV and NPV hold where 50 % of the scans are abnormal, as here." in said
    assert f"would have a calibration error of {first['ece_by_chance']:.3f} on so many scans." in said
    tags = client_of(project).get_registered_model("ctexp").tags
    facts = json.loads(tags[first["look"]["key"]])
    assert facts["evaluation"] == first["run_id"]
    assert facts["test_hash"] == first["data"]["scans_hash"]
    assert facts["scans"] == first["data"]["scans"] == 8
    files = files_of(project, first["run_id"])
    assert "pictures/roc.png" in files
    assert not any(name.endswith(".csv") for name in files)
    metrics = client_of(project).get_run(first["run_id"]).data.metrics
    assert metrics["test_auc"] == first["metrics"]["auc"]["value"]
    assert metrics["test_auc_n"] == first["metrics"]["auc"]["n"] == 8
    assert metrics["test_sensitivity_n"] == first["metrics"]["sensitivity"]["n"] == 4
    assert not any(name.startswith("val_") for name in metrics)


def test_card_is_kept_with_the_model_and_tells_of_the_looks(project) -> None:
    """Markdown and HTML lie among the logged model's files, and the latest look and its numbers stand in both."""
    look = project.json("evaluate", "--on", "test")
    version = client_of(project).get_model_version("ctexp", look["model"]["version"])
    model = version.source.removeprefix("models:/")
    folder = project.folder / "mlruns" / "ctexp" / "models" / model / "artifacts"
    said = f"Looks at the locked test, for any version: {look['look']['number']}, at 1 test set of this collection."
    value, low, high, n = (look["metrics"]["auc"][key] for key in ("value", "low", "high", "n"))
    for name in ("card.md", "card.html"):
        text = " ".join((folder / name).read_text().replace("</td><td>", " | ").split())
        assert said in text
        assert f"{value:.3f} ({low:.3f} to {high:.3f}) | {n} " in text.replace("</td>", " ")


def test_killed_look_counts(project) -> None:
    """A look that is written down and then killed before a number is shown is still a look."""

    def count() -> int:
        tags = client_of(project).get_registered_model("ctexp").tags
        return sum(key.startswith("ctexp.look.") for key in tags)

    before = count()
    process = project.start("evaluate", "--on", "test", "--json", "--audit")
    end = time.monotonic() + 120
    while count() == before and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    out, _ = process.communicate()
    assert out == ""
    assert project.json("evaluate", "--on", "test")["look"]["number"] == before + 2


def test_other_site_is_described(project, site) -> None:
    """New scans of another site are answered, with how far they are from the training scans and their answers."""
    found = project.json("evaluate", "--on", site)
    assert found["on"] == "site"
    assert found["data"]["counts"] == {"normal": 8, "abnormal": 8}
    assert found["data"]["patients"] == 16
    assert found["site"]["known"] == 0
    assert found["site"]["scans"] == 16
    assert "answers.csv" in files_of(project, found["run_id"])
    assert "site_auc" in client_of(project).get_run(found["run_id"]).data.metrics


def test_site_with_other_slices_is_called_unlike(project, site, tmp_path) -> None:
    """A site whose slices lie three times as close is unlike the training scans, and the slices are named first."""
    for path in site.glob("CT-*/*.nii.gz"):
        image = nib.load(path)
        thin = np.repeat(np.asarray(image.dataobj), 3, axis=2)
        out = tmp_path / "thin" / path.parent.name / path.name
        out.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(thin, image.affine @ np.diag([1, 1, 1 / 3, 1])), out)
    found = project.json("evaluate", "--on", tmp_path / "thin")
    assert found["site"]["unlike"] == 16
    assert found["site"]["farthest"][0]["name"] == "slice_mm"
    text = project("evaluate", "--on", tmp_path / "thin").stdout
    assert "16 of 16 scans are unlike those this version was trained on" in text
    assert "slices 2.7 mm apart (median), training scans 8" in text


def test_scans_that_the_version_knows_are_refused_or_left_out(project, site, tmp_path) -> None:
    """By content, in whatever form: refused with counts by side; --skip-bad leaves them out and says how many."""
    mixed = tmp_path / "mixed"
    shutil.copytree(site, mixed)
    rows = list(csv.DictReader(next(project.folder.glob("mlruns/ctexp/*/artifacts/split.csv")).open()))
    for side in ("train", "validation", "test"):
        name = next(row["file"] for row in rows if row["side"] == side)
        source = next((project.folder / "tiny").glob(f"CT-*/{name}"))
        shutil.copy(source, mixed / source.parent.name / f"renamed_{side}.nii.gz")
    name = [row["file"] for row in rows if row["side"] == "train"][1]
    source = next((project.folder / "tiny").glob(f"CT-*/{name}"))
    image = nib.load(source)
    nib.save(nib.Nifti1Image(image.get_fdata(dtype=np.float32), image.affine), mixed / source.parent.name / "again.nii")
    done = project("evaluate", "--on", mixed, exit_code=2)
    assert "4 of 20 are its own (2 in train, 1 in validation, 1 in test; 1 saved in another form)" in done.stderr
    assert "the locked test is looked at by --on test" in done.stderr
    found = project.json("evaluate", "--on", mixed, "--skip-bad")
    assert found["site"]["known"] == 4
    assert found["data"]["scans"] == 16


def test_planted_padding_is_found_and_a_clean_site_is_not_accused(project, site, tmp_path) -> None:
    """Abnormal scans padded with -3024 round the field, normal ones with air there: the audit names the padding,
    and so does the model card from then on.
    """
    rng = np.random.default_rng(5)
    for path in site.glob("CT-*/*.nii.gz"):
        image = nib.load(path)
        hu = np.asarray(image.dataobj).copy()
        x, y = (np.arange(count) - (count - 1) / 2 for count in hu.shape[:2])
        outside = np.hypot(x[:, None], y[None]) > hu.shape[0] / 2
        air = rng.normal(-1000, 10, (int(outside.sum()), hu.shape[2]))
        hu[outside] = -3024 if path.parent.name == "CT-23" else air
        out = tmp_path / "planted" / path.parent.name / path.name
        out.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(hu.astype(np.int16), image.affine), out)
    found = project.json("evaluate", "--on", tmp_path / "planted", "--audit")
    header = next(one for one in found["audit"] if one["name"] == "header")
    assert header["found"]
    assert header["sentence"].startswith("The share of padding")
    card = " ".join(project("models", "card").stdout.split())
    assert f"planted): {header['sentence']}" in card
    clean = project.json("evaluate", "--on", site, "--audit")
    assert [one["name"] for one in clean["audit"]] == ["lungs_blanked", "border_only", "header", "mean_hu", "lung_hu"]
    for one in clean["audit"][:3]:
        assert not one["found"], one
    metrics = client_of(project).get_run(clean["run_id"]).data.metrics
    assert metrics["audit_lungs_blanked"] == clean["audit"][0]["auc"]["value"]


def test_changed_scans_are_refused(project, tmp_path, program_in) -> None:
    """When the scans of the run are gone or changed nothing is evaluated, and no look is taken."""
    gone = sorted((project.folder / "tiny" / "CT-0").iterdir())[0]
    kept = gone.read_bytes()
    before = len(client_of(project).get_registered_model("ctexp").tags)
    gone.unlink()
    try:
        done = project("evaluate", "--on", "test", exit_code=2)
    finally:
        gone.write_bytes(kept)
    assert "its scans must be those it was trained with: data.hash was" in done.stderr
    assert len(client_of(project).get_registered_model("ctexp").tags) == before


def test_wrong_words_are_one_line(project, tmp_path, program_in) -> None:
    """Unknown REF or SOURCE, options that only a SOURCE has, and a folder without a store: one line and exit code 2."""
    for words in (("ctexp@nobody",), ("--on", "nowhere"), ("--on", "test", "--skip-bad"), ("--positive", "covid")):
        done = project("evaluate", *words, exit_code=2)
        assert len([line for line in done.stderr.splitlines() if line.startswith("error: ")]) == 1
    program_in(tmp_path)("evaluate", exit_code=2)
    assert not (tmp_path / "mlflow.db").exists()


def test_what_is_undefined_is_left_out_of_the_notes() -> None:
    """Where nothing was called abnormal the run's description has no PPV, rather than one of nan."""
    chosen = SimpleNamespace(kind="validation", scans=range(32), collection=SimpleNamespace(source="ward 7"), site=None)
    estimates = {"auc": Estimate(0.9, 0.8, 0.95, 32), "ppv": Estimate(math.nan, math.nan, math.nan, 0)}
    report = SimpleNamespace(
        model=ModelVersion("ctexp", "1", "0" * 32), chosen=chosen, synthetic=False, standing=None, estimates=estimates,
        without_network={}, controls=None,
    )  # fmt: skip
    text = summary(report)
    assert "| auc | 0.900 | 0.800 to 0.950 | 32 |" in text
    assert "nan" not in text
