"""The data of a run that is over: found by what the run, or the sweep that it belongs to, keeps of it."""

import dataclasses
import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers.watches import Told
from mlflow.exceptions import MlflowException

from ctexp.config import Experiment, ScanSettings
from ctexp.datasets.cache import ScanCache
from ctexp.errors import ConfigError, InputError, StoreUnreachableError, WorkError
from ctexp.experiments import rebuild
from ctexp.experiments.data import Prepared
from ctexp.experiments.rebuild import data_of_run, read_text, request_of_run, sides_of_run
from ctexp.experiments.request import SETTINGS_FILE, TrainingRequest
from ctexp.project import Project
from ctexp.searching.definition import SweepOptions, read_definition
from ctexp.searching.journal import Journal
from ctexp.searching.request import SweepRequest, training_of_sweep
from ctexp.tracking.run import MlflowRun
from ctexp.tracking.store import open_store

PARENT = "mlflow.parentRunId"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store without runs."""
    return open_store(Project(tmp_path_factory.mktemp("rebuilt")))


def test_training_keeps_its_own_request(store) -> None:
    """A training's settings are read back as they were asked for."""
    asked = TrainingRequest(Experiment(seed=5), "/some/where", "covid", True, None, "published", True)
    with MlflowRun.start(store, "training", {"ctexp.kind": "training"}) as run:
        run.log_text(asked.to_json(), SETTINGS_FILE)
    assert request_of_run(store, run.id, training_of_sweep) == asked


def test_trial_has_its_data_from_the_sweep(store) -> None:
    """Source, class, and what was left out are the sweep's; so are seed and split."""
    definition = read_definition("smoke", store.project, SweepOptions())
    asked = SweepRequest(definition, 2, "/some/where", "covid", True, True)
    journal = Journal.begin(store, "sweep", asked.to_json(), {})
    with MlflowRun.start(store, "trial 000", {"ctexp.kind": "trial", PARENT: journal.run.id}) as trial:
        pass
    found = request_of_run(store, trial.id, training_of_sweep)
    assert (found.data, found.positive, found.skip_bad, found.allow_gaps) == ("/some/where", "covid", True, True)
    assert (found.experiment.seed, found.experiment.split) == (definition.base.seed, definition.base.split)


def test_run_of_something_else_is_said(store) -> None:
    """A run that keeps no request, and damaged settings, are one clear error each."""
    with MlflowRun.start(store, "stranger", {}) as run:
        pass
    with pytest.raises(InputError, match="it does not say which scans it had"):
        request_of_run(store, run.id, training_of_sweep)
    with MlflowRun.start(store, "damaged", {}) as run:
        run.log_text("{", SETTINGS_FILE)
    with pytest.raises(ConfigError, match=r"settings\.json: must be the settings of a ctexp run"):
        request_of_run(store, run.id, training_of_sweep)


def test_sides_come_from_the_table_of_the_run_or_its_parent(store) -> None:
    """The split's table is read by content hash; the data are only rebuilt where no run keeps one."""
    with MlflowRun.start(store, "parent", {}) as parent:
        parent.log_text("file,sha256,side,label\na.nii,aa,train,normal\nb.nii,bb,test,\n", "split.csv")
    with MlflowRun.start(store, "child", {PARENT: parent.id}) as child:
        pass
    for run in (parent, child):
        assert sides_of_run(store, run.id, lambda: pytest.fail("rebuilt")) == {"aa": "train", "bb": "test"}


def test_text_that_is_not_there_is_none(store) -> None:
    """A missing text is None, at the top and in a folder; one that is there is whole."""
    with MlflowRun.start(store, "texts", {}) as run:
        run.log_text("ü\n", "folder/text.txt")
    assert read_text(store, run.id, "folder/text.txt") == "ü\n"
    assert read_text(store, run.id, "folder/other.txt") is None
    assert read_text(store, run.id, "text.txt") is None


def test_a_store_that_does_not_say_is_not_a_text_that_is_not_there(store) -> None:
    """A verdict that rests on a table must not be given without it because a server stumbled."""
    with MlflowRun.start(store, "texts", {}) as run:
        run.log_file(Path(__file__).parent.parent.parent / "docs" / "pictures" / "run.png", "folder")

    class Stumbling:
        def list_artifacts(self, run_id: str, path: str | None = None) -> list[object]:
            raise MlflowException("502 Bad Gateway")

    with pytest.raises(StoreUnreachableError, match="502 Bad Gateway"):
        read_text(dataclasses.replace(store, client=Stumbling()), run.id, "validation.csv")
    with pytest.raises(WorkError, match=r"folder/run\.png"):
        read_text(store, run.id, "folder/run.png")


def test_a_run_is_split_as_it_was_split(store, write_scan, tmp_path, monkeypatch) -> None:
    """Copies decide a split and are found in the arrays that the run had: its version's own come afterwards."""
    path = write_scan(tmp_path / "scan.nii")
    asked = TrainingRequest(Experiment(scan=ScanSettings(shape=(8, 8, 8))), "/some/where")
    with MlflowRun.start(store, "training", {"ctexp.kind": "training"}) as run:
        run.log_text(asked.to_json(), SETTINGS_FILE)
        run.log(params={"data.hash": "d", "split.hash": "s"})
    seen = []

    def prepare_data(request, project, watch) -> Prepared:
        seen.append(request.experiment.scan.shape)
        collection = SimpleNamespace(hash="d", scans=[SimpleNamespace(path=path)])
        cache = ScanCache(project.cache, request.experiment.scan)
        return Prepared(None, cache, collection, SimpleNamespace(hash="s"))

    monkeypatch.setattr(rebuild, "prepare_data", prepare_data)
    wanted = ScanSettings(shape=(12, 12, 12))
    found = data_of_run(store, run.id, wanted, store.project, Told(), training_of_sweep)
    assert seen == [(8, 8, 8)]
    assert found.cache.settings == wanted
    assert found.cache.has(hashlib.sha256(path.read_bytes()).hexdigest())
    same = data_of_run(store, run.id, asked.experiment.scan, store.project, Told(), training_of_sweep)
    assert same.cache.settings == asked.experiment.scan
