"""What `ctexp sweep --resume` looks at before it touches the sweep that it goes on with."""

import dataclasses
import json
from types import SimpleNamespace

import pytest
from helpers.players import Ears

from ctexp.errors import ConfigError, InputError
from ctexp.experiments.watch import Silent
from ctexp.project import Project
from ctexp.searching import sweep
from ctexp.searching.definition import SweepOptions, read_definition
from ctexp.searching.journal import Journal
from ctexp.searching.request import SweepRequest
from ctexp.searching.staff import Staff
from ctexp.searching.sweep import BUDGETS_TAG, NAME_TAG, resume_sweep
from ctexp.tracking.store import OWNER_TAG, Store, open_store


@pytest.fixture
def store(tmp_path) -> Store:
    """A store of its own: `--resume` takes the latest sweep."""
    return open_store(Project(tmp_path))


def begun(store: Store, status: str = "FINISHED", **changed: object) -> Journal:
    """The parent run of a sweep as `ctexp sweep` leaves it."""
    definition = dataclasses.replace(read_definition("default", store.project, SweepOptions()), **changed)
    tags = {NAME_TAG: definition.name, BUDGETS_TAG: json.dumps([definition.trials])}
    request = SweepRequest(definition, 2, "phantom", None, False, False)
    journal = Journal.begin(store, "sweep", request.to_json(), tags)
    if status != "RUNNING":
        store.client.set_terminated(journal.run.id, status)
    return journal


def go_on(store: Store, trials: int | None = None, wished: SweepRequest | None = None, **more: object) -> object:
    """Go on with it."""
    return resume_sweep(wished, trials, store.project, Ears(), Staff(1), lambda: False, **more)


def test_a_number_of_trials_that_does_not_fit_changes_nothing(store: Store) -> None:
    """Hyperband's brackets have sizes: an extension that none fits into is refused while the sweep is as it was."""
    journal = begun(store, algorithm="hyperband", trials=20)
    before = store.run(journal.run.id)
    with pytest.raises(ConfigError, match=r"^trials: must be at least 22 for hyperband with 15 epochs, got 21$"):
        go_on(store, 21)
    after = store.run(journal.run.id)
    assert (after.info.status, after.data.tags) == ("FINISHED", before.data.tags)


def test_a_sweep_that_runs_is_left_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another machine it may run: --force is asked for, and goes on; of this one it does run."""
    journal = begun(store, "RUNNING")
    with pytest.raises(InputError, match="must be a sweep that was interrupted, its process is still running"):
        go_on(store)
    elsewhere = json.dumps({"host": "another", "pid": 1, "started": 1.0})
    store.client.set_tag(journal.run.id, OWNER_TAG, elsewhere)
    with pytest.raises(InputError, match="must be a sweep that was interrupted, it was begun on another machine"):
        go_on(store)
    assert store.run(journal.run.id).data.tags[OWNER_TAG] == elsewhere
    monkeypatch.setattr(sweep, "gather_material", lambda *_: SimpleNamespace(hashes={}))
    monkeypatch.setattr(sweep, "_work", lambda request, *_: request)
    assert go_on(store, force=True).data == "phantom"
    assert store.run(journal.run.id).data.tags[OWNER_TAG] != elsewhere


def test_what_is_not_typed_is_as_the_sweep_was_begun(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule of choice and the checkpoints to keep are the sweep's own, or from when its file was named again."""
    journal = begun(store, "KILLED", choose="best", keep=10)
    monkeypatch.setattr(sweep, "gather_material", lambda *_: SimpleNamespace(hashes={}))
    monkeypatch.setattr(sweep, "_work", lambda request, *_: request.definition)
    wished = SweepRequest(read_definition("default", store.project, SweepOptions()), 2, "phantom", None, False, False)
    kept = go_on(store, wished=wished, typed=["data"])
    assert (kept.choose, kept.keep) == ("best", 10)
    store.client.set_terminated(journal.run.id, "KILLED")
    named = go_on(store, wished=wished, typed=["file", "data"])
    assert (named.choose, named.keep) == (wished.definition.choose, wished.definition.keep)
    assert named.choose != "best"
    store.client.set_terminated(journal.run.id, "KILLED")
    assert go_on(store) == named  # as the hint of an interrupted sweep says


def test_stopping_while_the_chosen_network_is_trained_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The training that follows a sweep with folds ends after its epoch, too, and its run is KILLED."""
    from ctexp.experiments.data import Prepared
    from ctexp.searching import finish

    journal = begun(store, "RUNNING", folds=2)
    seen = []

    def run_epochs(*_, halt) -> None:
        seen.append(halt(None))

    monkeypatch.setattr(finish, "run_epochs", run_epochs)
    monkeypatch.setattr(Journal, "children", lambda self: {0: SimpleNamespace(settings=lambda one: one)})
    request = SweepRequest.from_json(Journal.read_request(store.run(journal.run.id)), "test")
    material = SimpleNamespace(data=Prepared(None, None, None, None), hashes={})
    choice = SimpleNamespace(trial=SimpleNamespace(number=0, configuration={}, run_id="", training_seconds=1.0))
    with pytest.raises(KeyboardInterrupt):
        finish._register(request, store, journal, material, choice, Silent(), lambda: True)
    assert seen == [True]
    (again,) = store.client.search_runs([store.experiment_id], "tags.`ctexp.again` = '0'")
    assert again.info.status == "KILLED"
