"""Local copies of versions: fetched once, checked at each use, found again when the store is not there."""

import dataclasses
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ctexp.cli.main import app
from ctexp.config import ScanSettings
from ctexp.errors import StoreUnreachableError, UnknownReferenceError, WorkError
from ctexp.experiments.answering.predict import load_model
from ctexp.project import Project
from ctexp.registry.local import find_version
from ctexp.registry.lookup import StoredVersion
from ctexp.registry.manifest import PredictorManifest, hash_networks
from ctexp.registry.shelf import Shelf

VERSION = StoredVersion("ctexp", "1", "0" * 32, "models:/m-1", 1700000000001)


def write_predictor(folder: Path, network: bytes = b"weights") -> Path:
    """Write a folder of the form of a registered predictor."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "network.onnx").write_bytes(network)
    (folder / "network.keras").write_bytes(b"for people")
    PredictorManifest(ScanSettings(), hash_networks(folder, ["network.onnx"]), True, "0" * 32).write(folder)
    return folder


class Fetching:
    """Puts a predictor into a folder, and counts how often."""

    def __init__(self, network: bytes = b"weights") -> None:
        self.network = network
        self.times = 0

    def __call__(self, place: Path) -> Path:
        """Fetch."""
        self.times += 1
        return write_predictor(place / "predictor", self.network)


@pytest.fixture
def shelf(tmp_path) -> Shelf:
    """An empty shelf."""
    return Shelf(tmp_path / "models", "sqlite:///a.db")


def test_version_is_fetched_once(shelf) -> None:
    """The second time the copy answers; it has the networks and the manifest, without what is for people only."""
    fetch = Fetching()
    first = shelf.copy_of(VERSION, fetch)
    assert shelf.copy_of(VERSION, fetch) == first
    assert fetch.times == 1
    assert sorted(file.name for file in shelf.place(first).iterdir()) == ["network.onnx", "predictor.json"]
    assert [path.name for path in shelf.folder.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("field", ["version", "run_id", "source", "created"])
def test_other_version_is_another_copy(shelf, field) -> None:
    """A model that was deleted and made anew under the same name and number is not answered from the old copy."""
    shelf.copy_of(VERSION, Fetching())
    other = dataclasses.replace(VERSION, **{field: 7 if field == "created" else "7"})
    fetch = Fetching(b"other weights")
    copy = shelf.copy_of(other, fetch)
    assert fetch.times == 1
    assert (shelf.place(copy) / "network.onnx").read_bytes() == b"other weights"


def test_other_store_is_another_copy(shelf) -> None:
    """What one store calls version 1 is not what another does."""
    shelf.copy_of(VERSION, Fetching())
    fetch = Fetching(b"other weights")
    Shelf(shelf.folder, "sqlite:///b.db").copy_of(VERSION, fetch)
    assert fetch.times == 1


@pytest.mark.parametrize("harm", ["changed", "cut", "gone", "manifest", "note"])
def test_damaged_copy_is_fetched_anew(shelf, harm) -> None:
    """A copy with a changed, short or missing file is never asked, nor one whose note means nothing."""
    place = shelf.place(shelf.copy_of(VERSION, Fetching()))
    network = place / "network.onnx"
    if harm == "gone":
        network.unlink()
    elif harm == "manifest":
        (place / "predictor.json").write_text((place / "predictor.json").read_text().replace("true", "false"))
    elif harm == "note":
        next((shelf.folder / "versions").iterdir()).write_text('{"hash": "../../etc"}')
    else:
        network.write_bytes(b"weighty" if harm == "changed" else b"weigh")
    fetch = Fetching()
    assert shelf.place(shelf.copy_of(VERSION, fetch)) == place
    assert fetch.times == 1
    assert network.read_bytes() == b"weights"


def test_damaged_original_is_refused(shelf, tmp_path) -> None:
    """Files of the store that are not those that were registered do not get on the shelf."""

    def fetch(place: Path) -> Path:
        folder = write_predictor(place / "predictor")
        (folder / "network.onnx").write_bytes(b"something else")
        return folder

    with pytest.raises(WorkError, match="checksum differs"):
        shelf.copy_of(VERSION, fetch)
    assert list(shelf.folder.iterdir()) == []


def test_store_that_is_gone_is_answered_offline_only(tmp_path, monkeypatch) -> None:
    """Without the store the last known version answers with `--offline`, which says so; else the remedy is named."""
    uri = "http://127.0.0.1:9"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    project = Project(tmp_path)
    with pytest.raises(StoreUnreachableError, match="no copy of ctexp@champion is kept"):
        find_version(project, offline=True)
    shelf = Shelf(project.models, uri)
    copy = shelf.copy_of(VERSION, Fetching())
    shelf.note("ctexp@champion", VERSION, copy)
    with pytest.raises(StoreUnreachableError, match=r"must be reachable: .*; --offline answers with the version"):
        load_model(project=project)
    with pytest.raises(StoreUnreachableError) as told:  # for others, such as the service, there is no such option
        find_version(project)
    assert "--offline" not in str(told.value)
    found = find_version(project, offline=True)
    assert (found.version, found.hash, found.folder) == ("1", copy, shelf.place(copy))
    assert found.note is not None
    assert found.note.startswith("offline: ctexp@champion was version 1 on 20")
    with pytest.raises(StoreUnreachableError, match=r"no copy of ctexp@challenger is kept in .*; ask it once while"):
        find_version(project, "ctexp@challenger", offline=True)
    (shelf.place(copy) / "network.onnx").write_bytes(b"damaged")
    with pytest.raises(StoreUnreachableError, match="no copy"):
        find_version(project, offline=True)


def test_folder_without_a_store_is_said(tmp_path) -> None:
    """Offline helps nothing in a folder that was never a project."""
    with pytest.raises(UnknownReferenceError, match="no copy of ctexp@champion"):
        find_version(Project(tmp_path), offline=True)


def test_predict_offline_where_the_stores_file_is_away(tmp_path, monkeypatch) -> None:
    """On a share that is not mounted, `ctexp predict --offline` comes to the copy; without it the store is missed."""
    uri = f"sqlite:///{tmp_path}/share/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    shelf = Shelf(Project(tmp_path).models, uri)
    copy = shelf.copy_of(VERSION, Fetching())
    shelf.note("ctexp@champion", VERSION, copy)
    (tmp_path / "scan.nii").write_bytes(b"no scan")
    without = CliRunner().invoke(app, ["predict", "scan.nii"])
    assert (without.exit_code, "share/mlflow.db" in without.stderr) == (2, True)
    (shelf.place(copy) / "network.onnx").write_bytes(b"damaged")  # which only who comes so far can tell
    done = CliRunner().invoke(app, ["predict", "scan.nii", "--offline"])
    assert done.exit_code == 2
    assert "no copy of ctexp@champion" in done.stderr
