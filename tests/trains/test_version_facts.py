"""What is read of a version whose runs were deleted, and of a store that fails in the middle of reading."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from helpers.players import Ears
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, RESOURCE_DOES_NOT_EXIST

from ctexp.errors import StoreUnreachableError, UnknownReferenceError
from ctexp.experiments.alone import note_circumstances
from ctexp.project import Project
from ctexp.registry.card.facts import gather_facts
from ctexp.registry.catalogue import list_versions
from ctexp.registry.names import ModelVersion
from ctexp.tracking.provenance import circumstances
from ctexp.tracking.run import MlflowRun
from ctexp.tracking.store import Store, open_store
from ctexp.tracking.tags import KIND_TAG, PARENT_TAG, RESUMED_TAG


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with one version, whose run names a parent that is not there any more."""
    store = open_store(Project(tmp_path_factory.mktemp("facts")))
    run = store.client.create_run(store.experiment_id, tags={PARENT_TAG: "f" * 32, "git.commit": "abc"})
    store.client.log_param(run.info.run_id, "data.synthetic", "true")
    for key, value in (("val_auc", 0.9), ("val_auc_low", 0.8), ("val_auc_high", 0.95), ("val_auc_n", 32)):
        store.client.log_metric(run.info.run_id, key, value)
    store.client.create_registered_model("ctexp")
    store.client.create_model_version("ctexp", run.info.artifact_uri, run.info.run_id)
    return store


class Odd:
    """A client whose `get_run` fails; all else is the store's own."""

    def __init__(self, client: MlflowClient, code: int) -> None:
        self._client, self._code = client, code

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_run(self, run_id: str) -> None:
        """Fail."""
        raise MlflowException(f"no answer about {run_id}", error_code=self._code)


def odd(store: Store, code: int) -> Store:
    """The store behind such a client."""
    return dataclasses.replace(store, client=Odd(store.client, code))


def test_a_deleted_run_leaves_its_version(store: Store) -> None:
    """The version is listed without numbers, and its card has what the registry knows."""
    (one,) = list_versions(odd(store, RESOURCE_DOES_NOT_EXIST))
    assert (one.version, one.auc, one.synthetic) == ("1", None, None)
    (whole,) = list_versions(store)
    assert (whole.auc, whole.scans, whole.synthetic) == ((0.9, 0.8, 0.95), 32, True)


def test_a_store_that_fails_is_no_deleted_run(store: Store) -> None:
    """Numbers that could not be read are not said to be missing: the list ends in one line."""
    with pytest.raises(StoreUnreachableError, match=r"must be reachable and writable: no answer about [0-9a-f]{32}$"):
        list_versions(odd(store, INTERNAL_ERROR))


def test_a_deleted_sweep_leaves_what_its_trial_logged(store: Store) -> None:
    """Parameters, metrics and tags of the run itself stand in the card, though its parent is gone."""
    (one,) = store.client.search_model_versions("name = 'ctexp'")
    facts = gather_facts(store, ModelVersion("ctexp", "1", one.run_id))
    assert facts.params == {"data.synthetic": "true"}
    assert facts.metrics["val_auc"] == 0.9
    assert facts.tags["git.commit"] == "abc"
    assert facts.sweep is None


def test_a_version_that_is_not_registered_is_named(store: Store) -> None:
    """A card of version 7 of a model that has one ends with the name, not with the store's own words."""
    with pytest.raises(UnknownReferenceError, match=r"^models:/ctexp/7: must be registered, it is not"):
        gather_facts(store, ModelVersion("ctexp", "7", "0" * 32))


def test_a_run_that_is_gone_on_with_elsewhere_keeps_what_changed(store: Store, tmp_path: Path) -> None:
    """Packages, code and machine of the second process are said and kept beside those of the first; again, both."""
    run = MlflowRun.start(store, "twice", {**circumstances(tmp_path), "version.numpy": "0.1"})
    watch = Ears()
    note_circumstances(store.run(run.id).data.tags, run, Project(tmp_path), watch)
    (said,) = watch.said
    now = circumstances(tmp_path)
    assert said == f"made by others than it began with: version.numpy was 0.1, is {now['version.numpy']}"
    run.log(tags={"version.numpy": now["version.numpy"], "hardware.cores": "99"})
    note_circumstances(store.run(run.id).data.tags, run, Project(tmp_path), watch)
    kept = json.loads(store.run(run.id).data.tags[RESUMED_TAG])
    assert kept == {key: [now[key]] for key in ("version.numpy", "hardware.cores")}
    other = {**kept, "version.numpy": [now["version.numpy"], "0.3"]}
    for before in (other, {**other, "hardware.cores": now["hardware.cores"]}):  # a text: as an earlier version kept it
        run.log(tags={RESUMED_TAG: json.dumps(before), "version.numpy": "0.1"})
        note_circumstances(store.run(run.id).data.tags, run, Project(tmp_path), Ears())
        after = json.loads(store.run(run.id).data.tags[RESUMED_TAG])
        assert after == other  # what came between stays, and nothing is there twice
    run.log(tags={key: now[key] for key in kept} | {"hardware.gpu": "one that is gone"})
    note_circumstances(store.run(run.id).data.tags, run, Project(tmp_path), watch)
    assert watch.said[2] == "made by others than it began with: hardware.gpu was one that is gone, is none"
    store.client.delete_tag(run.id, "hardware.gpu")
    note_circumstances(store.run(run.id).data.tags, run, Project(tmp_path), watch)
    assert len(watch.said) == 3


def test_evaluations_are_of_this_very_version(store: Store) -> None:
    """Numbers of a version 1 that was deleted with its model are not shown as those of the one that is 1 now."""
    (one,) = store.client.search_model_versions("name = 'ctexp'")
    for run_id, value in ((one.run_id, 0.7), ("0" * 32, 0.99)):
        tags = {KIND_TAG: "evaluation", "ctexp.evaluated.model": "ctexp", "ctexp.evaluated.version": "1",
                "ctexp.evaluated.run": run_id}  # fmt: skip
        run = store.client.create_run(store.experiment_id, tags=tags)
        store.client.log_metric(run.info.run_id, "test_auc", value)
        store.client.set_terminated(run.info.run_id)
    facts = gather_facts(store, ModelVersion("ctexp", "1", one.run_id))
    assert [found.metrics for found in facts.evaluations] == [{"test_auc": 0.7}]
