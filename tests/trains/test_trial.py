"""What a trial makes of misfortune: whose fault it is decides whether it is tried again, and how."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from ctexp.config import Experiment
from ctexp.experiments.data import Prepared, prepare_data
from ctexp.experiments.request import TrainingRequest
from ctexp.experiments.training import checkpoints
from ctexp.experiments.watch import Silent
from ctexp.learning.backend import start_backend
from ctexp.learning.training import Standing
from ctexp.overrides import override
from ctexp.presets import get_preset
from ctexp.project import Project
from ctexp.searching.orders import Order, Outcome, Progress, Workplace
from ctexp.searching.trial import run_order
from ctexp.searching.workers import LocalCrew, Slot
from ctexp.tracking.run import MlflowRun
from ctexp.tracking.store import Store, open_store

EXPERIMENT = override(get_preset("smoke"), {"training.epochs": 2})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a store."""
    project = Project(tmp_path_factory.mktemp("misfortune"))
    open_store(project)
    return project


@pytest.fixture
def store(project: Project) -> Store:
    """The project's store, also after another test's."""
    return open_store(project)


@pytest.fixture(scope="module")
def data(project: Project, scans: Path) -> Prepared:
    """The tiny scans, prepared and split."""
    return prepare_data(TrainingRequest(EXPERIMENT, str(scans)), project, Silent())


@pytest.fixture
def workplace(project: Project, store: Store, data: Prepared) -> Workplace:
    """What a worker needs to train on these scans."""
    sides = dataclasses.replace(data.split, test=())
    request = TrainingRequest(EXPERIMENT, str(data.source.place))
    return Workplace(
        project.root, project.tracking_uri, store.experiment_id, project.cache, (sides,), data.collection.hash, request,
        (EXPERIMENT.scan,),
    )  # fmt: skip


def order(store: Store, place: int = 0, experiment: Experiment = EXPERIMENT) -> Order:
    """A whole trial, in a run of its own."""
    run = MlflowRun.start(store, f"trial {place}", {})
    return Order(place, place, run.id, (), experiment, experiment.training.epochs, (), maximise=True)


def train(workplace: Workplace, order: Order) -> Outcome:
    """Run an order in this process."""
    return run_order(workplace, order, lambda progress: None, lambda: False)


def test_a_trial_that_ends_well(workplace: Workplace, store: Store) -> None:
    """Its outcome has a score, an error and a point of the curve an epoch, and is kept with its run."""
    mine = order(store, 3)
    outcome = train(workplace, mine)
    assert (outcome.place, outcome.trial, outcome.ending, outcome.fault, outcome.reason) == (3, 3, "finished", "", "")
    assert outcome.score == max(outcome.curve)
    assert len(outcome.curve) == 2
    assert outcome.error is not None
    assert Outcome.from_tags(store.run(mine.run_id).data.tags) == {3: outcome}


def test_numbers_that_are_none_are_not_tried_again(workplace: Workplace, store: Store) -> None:
    """A trial whose network has come to NaN fails for its numbers, with the epoch and a remedy."""
    from ctexp.learning.network import build_network
    from ctexp.learning.training import compile_network

    mine = order(store)
    start_backend(0)
    network = build_network(EXPERIMENT.network, EXPERIMENT.scan.shape)
    compile_network(network, EXPERIMENT.training, 26)
    network.optimizer.build(network.trainable_variables)
    kernel = network.get_layer("logit").kernel
    kernel.assign(np.full(kernel.shape, np.nan, np.float32))
    run = MlflowRun(store, mine.run_id)
    checkpoints.save_checkpoint(run, network, 1)
    run.log(metrics={"epoch/val_auc": 0.5}, tags=checkpoints.mark_standing(Standing(1, 1, (0.5, -1.0))), step=1)
    outcome = train(workplace, mine)
    assert (outcome.ending, outcome.fault) == ("failed", "numbers")
    assert outcome.reason.startswith("training: epoch 2: loss and outputs must stay finite, the loss is nan; lower")


def test_scans_that_went_away_are_the_users_fault(workplace: Workplace, store: Store, tmp_path: Path) -> None:
    """A cache that was emptied in mid-sweep fails every trial: no use in trying again, and the reason says so."""
    outcome = train(dataclasses.replace(workplace, cache=tmp_path / "emptied"), order(store))
    assert (outcome.ending, outcome.fault) == ("failed", "user")
    assert "emptied: the prepared scans must stay there while a sweep runs, some are gone" in outcome.reason


def test_what_cannot_be_kept_is_a_crash(workplace: Workplace, store: Store) -> None:
    """Whatever else is raised, by a disk that takes no checkpoint say, is a crash with its reason."""
    mine = order(store)
    artifacts = store.project.artifacts / "ctexp" / mine.run_id
    artifacts.parent.mkdir(parents=True, exist_ok=True)
    artifacts.write_text("a file where a folder must be")
    outcome = train(workplace, mine)
    assert (outcome.ending, outcome.fault) == ("failed", "crash")
    assert mine.run_id in outcome.reason


@pytest.fixture
def hire(workplace: Workplace) -> Iterator[Callable[..., LocalCrew]]:
    """A function that starts a crew of one on all cores."""
    crews: list[LocalCrew] = []

    def start(**options: int) -> LocalCrew:
        crews.append(LocalCrew(workplace, [Slot(())], **options))
        return crews[-1]

    yield start
    for crew in crews:
        crew.close()


def work(crew: LocalCrew, order: Order) -> tuple[list[Progress], Outcome]:
    """Give an order and hear all there is to it."""
    crew.submit(order)
    heard: list[Progress] = []
    while True:
        for news in crew.listen(0.5):
            if isinstance(news, Outcome):
                return heard, news
            heard.append(news)


def test_a_worker_that_has_grown_is_replaced_between_trials(hire: Callable[..., LocalCrew], store: Store) -> None:
    """The trial after which a worker is larger than allowed counts, and the next one has another worker."""
    crew = hire(growth=2**20)
    unknown = dataclasses.replace(order(store), run_id="0" * 32)
    _, first = work(crew, unknown)  # ends before TensorFlow computes anything
    (before,) = crew.pids
    heard, second = work(crew, order(store, 1))
    assert second.ending == "finished", second.reason
    assert [one.epoch for one in heard] == [1, 2]
    assert second.rss > first.rss + 2**20
    assert crew.replaced == 1
    assert crew.pids != [before]
    assert not psutil.pid_exists(before)
    _, third = work(crew, order(store, 2))
    assert (third.score, third.curve) == (second.score, second.curve)


@pytest.mark.skipif(not hasattr(psutil.Process, "rlimit"), reason="only Linux limits the memory of another process")
def test_memory_that_runs_out_is_told_apart(hire: Callable[..., LocalCrew], store: Store) -> None:
    """A network for which there is no memory fails as such, and its worker goes on with a smaller one."""
    crew = hire()
    work(crew, order(store))
    (pid,) = crew.pids
    worker = psutil.Process(pid)
    room = worker.memory_info().vms + 512 * 2**20
    worker.rlimit(psutil.RLIMIT_AS, (room, room))
    large = override(EXPERIMENT, {"network.filters": [256, 2048], "network.kernel": 11})  # 2.8 GB of weights
    _, outcome = work(crew, order(store, 1, large))
    assert (outcome.ending, outcome.fault) == ("failed", "memory")
    _, after = work(crew, order(store, 2))
    assert after.ending == "finished"
    assert crew.pids == [pid]
