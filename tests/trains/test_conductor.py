"""What a sweep does with bad news: a crew that plays them, and a real store."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.players import Ears, Players
from mlflow import MlflowClient

from ctexp.errors import DataError, WorkError
from ctexp.overrides import override
from ctexp.presets import get_preset
from ctexp.project import Project
from ctexp.searching.conductor import RETRIES, Conductor
from ctexp.searching.definition import SweepDefinition
from ctexp.searching.journal import Journal
from ctexp.searching.keeping import Keeper
from ctexp.searching.oracle import Oracle
from ctexp.searching.orders import Order, Outcome
from ctexp.searching.space import Hyperparameter
from ctexp.searching.study import Study
from ctexp.tracking.run import MlflowRun
from ctexp.tracking.store import Store, open_store

RATE = Hyperparameter("training.learning_rate", "float", 1e-4, 1e-1, log=True)
DEFINITION = SweepDefinition(
    name="x", base=get_preset("smoke"), algorithm="random", trials=3, stop="none", stop_epochs=1, space=(RATE,)
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A real store; every test has a sweep of its own in it."""
    return open_store(Project(tmp_path_factory.mktemp("project")))


def good(order: Order) -> Outcome:
    """A trial that ends well; as the worker does, it writes its outcome down itself."""
    return Outcome(order.place, order.trial, "finished", 0.9, 0.01, (0.5, 0.9), weights=100)


def bad(order: Order, fault: str) -> Outcome:
    """A trial that ends badly."""
    return Outcome(order.place, order.trial, "failed", reason=f"the {fault} reason", fault=fault)  # type: ignore[arg-type]


def conduct(store: Store, play: Callable[[Order], Outcome], journal: Journal | None = None):
    """Run a sweep with a crew that plays; give conductor, crew, watch and journal."""
    journal = journal or Journal.begin(store, "sweep x", "{}", {})
    crew, ears = Players(play), Ears()
    study = Study(DEFINITION, (3,), 2, Oracle(DEFINITION, (3,)))
    keeper = Keeper(store, 3, maximise=True, rule="best")
    conductor = Conductor(study, journal, crew, keeper, ears, {}, folds=0, maximise=True)
    return conductor, crew, ears, journal


def children(store: Store, journal: Journal) -> list:
    """All runs of a sweep's trials, replaced ones too, the first first."""
    query = f"tags.`mlflow.parentRunId` = '{journal.run.id}'"
    runs = MlflowClient(store.project.local_uri).search_runs([store.experiment_id], query)
    return sorted(runs, key=lambda run: run.info.start_time)


def test_a_crash_is_tried_again_in_the_same_run(store: Store) -> None:
    """A trial that lost its worker gets the same order again, and its run ends FINISHED."""
    deaths = iter([True])
    conductor, crew, ears, journal = conduct(
        store, lambda order: bad(order, "crash") if order.trial == 1 and next(deaths, False) else good(order)
    )
    conductor.run(lambda: False)
    assert [order.trial for order in crew.orders] == [0, 1, 1, 2]
    assert crew.orders[1] == crew.orders[2]
    assert any("the crash reason" in line for line in ears.said)
    assert {run.info.status for run in children(store, journal)} == {"FINISHED"}


def test_a_trial_that_always_crashes_fails_with_its_reason(store: Store) -> None:
    """After the bounded number of attempts the trial is FAILED with the reason, and the others go on."""
    conductor, crew, _, journal = conduct(store, lambda order: bad(order, "crash") if order.trial == 1 else good(order))
    conductor.run(lambda: False)
    assert [order.trial for order in crew.orders] == [0, *[1] * (RETRIES + 1), 2]
    failed = [run for run in children(store, journal) if run.info.status == "FAILED"]
    assert [run.data.tags["ctexp.reason"] for run in failed] == ["the crash reason"]
    assert [one.status for one in conductor.records] == ["finished", "failed", "finished"]


def test_out_of_memory_halves_the_batch_in_a_run_of_its_own(store: Store) -> None:
    """Memory that runs out fails the attempt; the trial begins anew, in a run of its own, with half the batch."""
    conductor, crew, _, journal = conduct(
        store, lambda order: bad(order, "memory") if order.experiment.training.batch_size > 4 else good(order)
    )
    conductor.run(lambda: False)
    assert [order.experiment.training.batch_size for order in crew.orders] == [8, 4] * 3
    assert crew.orders[0].run_id != crew.orders[1].run_id
    assert [one.status for one in conductor.records] == ["finished"] * 3
    runs = children(store, journal)
    assert len(runs) == 6
    assert [run.data.params["training.batch_size"] for run in runs] == ["8", "4"] * 3
    assert [run.info.status for run in runs] == ["FAILED", "FINISHED"] * 3
    again, _, _, _ = conduct(store, good, journal)
    assert [one.run_id for one in again.records] == [order.run_id for order in crew.orders[1::2]]


def test_numbers_that_blow_up_are_not_tried_again(store: Store) -> None:
    """A diverged trial would diverge again: it fails at once, with its reason."""
    conductor, crew, _, journal = conduct(
        store, lambda order: bad(order, "numbers") if order.trial == 0 else good(order)
    )
    conductor.run(lambda: False)
    assert [order.trial for order in crew.orders] == [0, 1, 2]
    assert children(store, journal)[0].data.tags["ctexp.reason"] == "the numbers reason"


def test_the_users_fault_stops_the_sweep_at_once(store: Store) -> None:
    """A trial that fails for the user's fault ends everything, with the reason and as an input error."""
    conductor, crew, _, journal = conduct(store, lambda order: bad(order, "user"))
    with pytest.raises(DataError, match="trial 0: the user reason"):
        conductor.run(lambda: False)
    assert len(crew.orders) == 1
    assert [run.info.status for run in children(store, journal)] == ["FAILED"]


def test_a_machine_on_which_nothing_works_is_given_up(store: Store) -> None:
    """When the first trials crash one after the other, the sweep says so instead of crashing through all of them."""
    conductor, _, _, _ = conduct(store, lambda order: bad(order, "crash"))
    with pytest.raises(WorkError, match="3 crashed: the crash reason"):
        conductor.run(lambda: False)


def test_failed_trials_are_not_tried_again_on_resume(store: Store) -> None:
    """A sweep that goes on knows of trials that failed for good, and leaves them alone."""
    first, _, _, journal = conduct(store, lambda order: bad(order, "numbers"))
    first.run(lambda: False)
    again, crew, _, _ = conduct(store, good, journal)
    again.run(lambda: False)
    assert crew.orders == []
    assert again.ended
    assert [one.status for one in again.records] == ["failed"] * 3


@pytest.mark.parametrize("word", ["", "finished"], ids=["before its end", "in the middle of its end"])
@pytest.mark.parametrize(("ending", "status"), [("finished", "FINISHED"), ("failed", "FAILED")])
def test_an_end_that_a_kill_kept_from_the_store_is_written_on_resume(
    store: Store, ending: str, status: str, word: str
) -> None:
    """A trial whose outcome is there, but whose run counts as killed, gets its end without another training."""
    first, _, _, journal = conduct(store, good)
    first.run(lambda: False)
    for one in journal.children().values():
        done = good(Order(one.trial, one.trial, one.run_id, (), DEFINITION.base, 2, (), True))
        if one.trial == 1:
            done = dataclasses.replace(done, ending=ending)
        journal.log_outcome(one, done)
    run_id = journal.children()[1].run_id
    client = MlflowClient(store.project.local_uri)
    client.set_tag(run_id, "ctexp.status", word)
    client.set_tag(run_id, "ctexp.reason", "the process ended without a word (kill -9, power)")
    client.set_terminated(run_id, "KILLED")
    again, crew, _, _ = conduct(store, good, journal)
    again.run(lambda: False)
    assert crew.orders == []
    run = store.run(run_id)
    assert (run.info.status, run.data.tags["ctexp.status"]) == (status, ending)
    assert "ctexp.reason" not in run.data.tags


class Seeing(Players):
    """A crew for hyperband that looks how each run stands while it is trained, and writes outcomes as a worker does.

    The trial that ended last is the best, and promoted.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(self._train)
        self._store = store
        self.seen: set[str] = set()

    def _train(self, order: Order) -> Outcome:
        ending, score = "finished" if order.until == 3 else "paused", 0.5 + 0.1 * order.trial
        outcome = Outcome(order.place, order.trial, ending, score, 0.01, (score,) * order.until, weights=100)
        for tags in outcome.as_tags():
            MlflowRun(self._store, order.run_id).log(tags=tags)
        return outcome

    def listen(self, seconds: float) -> list:
        """Look, then tell what happened."""
        self.seen |= {self._store.run(order.run_id).info.status for order in self.orders[-1:] if self._news}
        return super().listen(seconds)


def halve(store: Store, journal: Journal, budgets: tuple[int, ...]) -> Seeing:
    """Run hyperband over three epochs to its end."""
    base = override(DEFINITION.base, {"training.epochs": 3})
    definition = dataclasses.replace(DEFINITION, base=base, algorithm="hyperband")
    study = Study(definition, budgets, 2, Oracle(definition, budgets))
    keeper, crew = Keeper(store, 3, maximise=True, rule="best"), Seeing(store)
    conductor = Conductor(study, journal, crew, keeper, Ears(), {}, folds=0, maximise=True)
    conductor.run(lambda: False)
    assert conductor.ended
    return crew


def test_promoted_at_once_its_run_goes_on_as_running(store: Store) -> None:
    """An earlier leg's end is written late, but never over the next leg of the same run."""
    journal = Journal.begin(store, "sweep h", "{}", {})
    crew = halve(store, journal, (3,))
    before, last = crew.orders[-2:]
    assert (before.until, last.until) == (1, 3)
    assert before.run_id == last.run_id
    assert crew.seen == {"RUNNING"}
    assert {run.info.status for run in children(store, journal)} == {"FINISHED"}


def test_extended_hyperband_repeats_nothing(store: Store) -> None:
    """With more trials promotions are proposed at another place; what was trained before is not trained again."""
    journal = Journal.begin(store, "sweep h", "{}", {})
    first = halve(store, journal, (3,))
    more = halve(store, journal, (3, 8))
    assert len(more.orders) >= 5
    trained = [(order.trial, order.until) for order in (*first.orders, *more.orders)]
    assert len(set(trained)) == len(trained)


def test_interrupted_in_the_last_trial_a_sweep_has_not_ended(store: Store) -> None:
    """When all is proposed and the last trial is given up, there is something left to go on with."""

    def play(order: Order) -> Outcome:
        return good(order) if order.trial < 2 else Outcome(order.place, order.trial, "interrupted")

    conductor, crew, _, journal = conduct(store, play)
    conductor.run(lambda: len(crew.orders) == 3)
    assert not conductor.ended
    assert [run.info.status for run in children(store, journal)] == ["FINISHED", "FINISHED", "KILLED"]


def test_a_wish_to_stop_begins_nothing_new(store: Store) -> None:
    """Once it is wished to stop, what runs may end and nothing else begins."""
    conductor, crew, _, _ = conduct(store, good)
    conductor.run(lambda: len(crew.orders) == 1)
    assert len(crew.orders) == 1
    assert not conductor.ended


def test_another_proposal_than_recorded_is_refused(store: Store) -> None:
    """A trial whose recorded configuration is not the one proposed now, by another KerasTuner say, stops the sweep."""
    first, _, _, journal = conduct(store, good)
    first.run(lambda: False)
    client = MlflowClient(store.project.local_uri)
    child = children(store, journal)[0]
    client.set_tag(child.info.run_id, "ctexp.configuration", '{"training.learning_rate": 0.5}')
    again, _, _, _ = conduct(store, good, journal)
    with pytest.raises(WorkError, match="must be proposed as before"):
        again.run(lambda: False)


def test_requests_of_any_length_are_kept_whole(store: Store) -> None:
    """What was asked for is read back to the last character, also when it needs many tags."""
    text = "".join(chr(33 + number % 90) for number in range(12_345))
    journal = Journal.begin(store, "long", text, {})
    assert Journal.read_request(store.run(journal.run.id)) == text
    plain = MlflowClient(store.project.local_uri).create_run(store.experiment_id)
    assert Journal.read_request(plain) is None


def test_a_store_in_a_folder(tmp_path: Path) -> None:
    """The journal lists the sweeps of its own store only, the latest first."""
    store = open_store(Project(tmp_path))
    assert Journal.sweeps(store) == []
    first, second = (Journal.begin(store, name, "{}", {}) for name in ("one", "two"))
    assert {run.info.run_id for run in Journal.sweeps(store)} == {first.run.id, second.run.id}


def test_outcomes_of_any_length_are_kept_whole(store: Store) -> None:
    """A curve of two thousand epochs is read back to the last digit: MLflow cuts a tag of 8,000 characters."""
    curve = tuple(0.1 + epoch / 7 for epoch in range(2000))

    def play(order: Order) -> Outcome:
        outcome = Outcome(order.place, order.trial, "finished", curve[-1], 0.01, curve, weights=100)
        for tags in outcome.as_tags():
            MlflowRun(store, order.run_id).log(tags=tags)
        return outcome

    conductor, _, _, journal = conduct(store, play)
    conductor.run(lambda: False)
    assert [child.record.curve for child in journal.children().values()] == [curve] * 3
