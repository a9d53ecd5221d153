"""The search as a pure function of definition, seed and lag, whatever the workers' pace."""

import dataclasses
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.presets import get_preset
from ctexp.searching.definition import SweepDefinition
from ctexp.searching.proposal import Proposal
from ctexp.searching.space import Hyperparameter
from ctexp.searching.study import Leg, LegResult, Study, default_lag

BASE = get_preset("smoke")
RATE = Hyperparameter("training.learning_rate", "float", 1e-4, 1e-1, log=True)


def definition(**changes) -> SweepDefinition:
    """A sweep over the learning rate."""
    facts = {"name": "x", "base": BASE, "algorithm": "bayesian", "trials": 8, "stop": "none", "stop_epochs": 1}
    return SweepDefinition(**{**facts, "space": (RATE,), **changes})


class Hungry:
    """An oracle whose every proposal depends on all it was told, in the order it was told."""

    def __init__(self, values: Callable[[int, list], dict] | None = None) -> None:
        self.told: list[tuple[int, float | None]] = []
        self.made = 0
        self._values = values or (lambda place, told: {"training.learning_rate": _rate(place, told)})

    def propose(self) -> Proposal:
        """Propose."""
        self.made += 1
        return Proposal(self.made - 1, self._values(self.made - 1, self.told))

    def tell(self, place: int, score: float | None) -> None:
        """Remember."""
        self.told.append((place, score))


def _rate(place: int, told: list) -> float:
    return random.Random(repr((place, told))).uniform(1e-4, 1e-1)


def result(leg: Leg) -> LegResult:
    """A score that follows from the configuration alone, as a training's does."""
    score = leg.experiment.training.learning_rate * 5
    return LegResult(score, (score / 2, score))


def search(study: Study, pace: random.Random, workers: int) -> list[Leg]:
    """Run a study with workers that take random times."""
    running: list[Leg] = []
    while True:
        while len(running) < workers:
            leg = study.next()
            if not isinstance(leg, Leg):
                break
            running.append(leg)
        if not running:
            return list(study.legs)
        done = running.pop(pace.randrange(len(running)))
        study.tell(done.place, result(done))


@given(seed=st.integers(0, 10**6), lag=st.integers(1, 6), workers=st.integers(1, 6), stop=st.booleans())
def test_the_pace_of_the_workers_changes_nothing(seed: int, lag: int, workers: int, stop: bool) -> None:
    """With one lag, any number of workers in any order of completion gets the same legs, floors included."""
    what = definition(stop="median" if stop else "none", stop_trials=2)
    calm = search(Study(what, (8,), lag, Hungry()), random.Random(0), 1)
    wild = search(Study(what, (8,), lag, Hungry()), random.Random(seed), workers)
    assert wild == calm
    assert len(calm) == 8


@given(cut=st.integers(0, 8), seed=st.integers(0, 100))
def test_going_on_after_a_kill_ends_with_the_same_list(cut: int, seed: int) -> None:
    """A study that is asked again from the start, with the results so far looked up, goes on as if never killed."""
    whole = search(Study(definition(), (8,), 3, Hungry()), random.Random(0), 2)
    known = {leg.place: result(leg) for leg in whole[:cut]}
    again = Study(definition(), (8,), 3, Hungry())
    pending: list[Leg] = []
    while True:
        leg = again.next()
        if isinstance(leg, Leg):
            if leg.place in known:
                again.tell(leg.place, known[leg.place])
            else:
                pending.append(leg)
        elif not pending:
            break
        else:
            done = pending.pop(random.Random(seed).randrange(len(pending)))
            again.tell(done.place, result(done))
    assert list(again.legs) == whole


def test_extending_keeps_the_first_trials() -> None:
    """A larger budget begins with the same trials."""
    short = search(Study(definition(), (4,), 2, Hungry()), random.Random(0), 1)
    long = search(Study(definition(), (4, 9), 2, Hungry()), random.Random(0), 1)
    assert long[:4] == short
    assert len(long) == 9


def test_a_proposal_sees_exactly_the_results_up_to_the_lag() -> None:
    """Proposal n was told the results of 0 to n - lag, in order, and no other."""
    seen = []
    oracle = Hungry(lambda place, told: seen.append(list(told)) or {"training.learning_rate": 0.001 * (place + 1)})
    search(Study(definition(), (6,), 3, oracle), random.Random(1), 3)
    assert [[place for place, _ in told] for told in seen] == [[], [], [], [0], [0, 1], [0, 1, 2]]


def test_what_cannot_be_built_costs_no_trial() -> None:
    """A network that pools away to nothing is told to the oracle as failed and no trial is spent on it."""
    depth = Hyperparameter("network.filters", "choice", choices=((8, 8), (8,) * 9))

    def values(place: int, told: list) -> dict:
        return {"network.filters": (8,) * 9 if place % 2 else (8, 8), "training.learning_rate": 0.001 * (place + 1)}

    oracle = Hungry(values)
    study = Study(definition(space=(depth, RATE), trials=4), (4,), 1, oracle)
    legs = search(study, random.Random(0), 1)
    assert [leg.experiment.network.filters for leg in legs] == [(8, 8)] * 4
    assert study.unbuildable == 3
    assert [place for place, score in oracle.told if score is None] == [1, 3, 5]


@pytest.mark.slow
def test_no_configuration_is_tried_twice() -> None:
    """A configuration that was tried is not tried again, and an oracle that knows no other ends the search."""
    oracle = Hungry(lambda place, told: {"training.learning_rate": 0.001 * (1 + place % 3)})
    legs = search(Study(definition(), (8,), 1, oracle), random.Random(0), 1)
    assert [leg.configuration["training.learning_rate"] for leg in legs] == [0.001, 0.002, 0.003]


def test_a_failed_trial_is_told_as_failed() -> None:
    """The oracle hears no score for a trial that failed."""
    oracle = Hungry()
    study = Study(definition(trials=2), (2,), 1, oracle)
    first = study.next()
    assert isinstance(first, Leg)
    study.tell(first.place, LegResult(None))
    assert isinstance(study.next(), Leg)
    assert oracle.told == [(0, None)]


def test_the_median_rule_knows_only_told_trials() -> None:
    """Floors come from the trials that the oracle was told of, once there are enough, and not for the last epoch."""
    what = definition(stop="median", stop_trials=2, base=dataclasses.replace(BASE))
    legs = search(Study(what, (5,), 2, Hungry()), random.Random(0), 1)
    assert [leg.floors for leg in legs[:3]] == [(), (), ()]
    first, second = (result(leg).curve[0] for leg in legs[:2])
    assert legs[3].floors == (pytest.approx((first + second) / 2), None)


def test_default_lag_keeps_every_worker_busy() -> None:
    """There is always a proposal ready for a worker whose trial ended while the others' still run."""
    assert [default_lag(workers) for workers in (1, 2, 3, 4)] == [2, 3, 5, 7]
    for workers in (1, 2, 3, 4, 8):
        study = Study(definition(trials=50), (50,), default_lag(workers), Hungry())
        legs = [study.next() for _ in range(workers)]
        assert all(isinstance(leg, Leg) for leg in legs)
        assert isinstance(study.next(), Leg)  # asked while they run
