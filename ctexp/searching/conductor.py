"""The loop of a sweep: legs to workers, outcomes to study and journal, until there is nothing left to try."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ctexp.config import Experiment
from ctexp.errors import DataError, WorkError
from ctexp.overrides import override
from ctexp.searching.journal import Child, Journal
from ctexp.searching.keeping import Keeper
from ctexp.searching.orders import Order, Outcome, Progress
from ctexp.searching.records import TrialRecord
from ctexp.searching.study import Leg, LegResult, Study
from ctexp.searching.watch import SweepWatch
from ctexp.searching.workers import Crew

RETRIES = 2
"""How often a trial that lost its worker is tried again."""
HOPELESS_START = 3
"""So many trials in a row that crash, with none that succeeded, end the sweep."""


class Conductor:
    """Runs the trials of one sweep.

    Args:
        study: proposes legs.
        journal: the runs in the store.
        crew: the workers.
        keeper: says which checkpoints stay.
        watch: somebody who looks on.
        facts: parameters that every trial's run gets, such as the data's hash.
        folds: runs a trial; 0 without folds.
        maximise: whether higher scores are better.
    """

    def __init__(
        self,
        study: Study,
        journal: Journal,
        crew: Crew,
        keeper: Keeper,
        watch: SweepWatch,
        facts: Mapping[str, Any],
        *,
        folds: int,
        maximise: bool,
    ) -> None:
        self._study, self._journal, self._crew, self._keeper, self._watch = study, journal, crew, keeper, watch
        self._facts, self._folds, self._maximise = facts, folds, maximise
        self._children: dict[int, Child] = journal.children(folds=bool(folds))
        self._legs: dict[int, Leg] = {}
        self._running: dict[int, Order] = {}
        self._again: list[Order] = []
        self._attempts: dict[int, int] = {}
        self._ahead: Leg | None = None
        self._later: list[Callable[[], None]] = []
        self._ended = self._given_up = False
        self._crashes = 0

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to try, and nothing was given up."""
        return self._ended and not (self._running or self._again or self._given_up)

    @property
    def children(self) -> list[Child]:
        """The trials' runs so far."""
        return list(self._children.values())

    @property
    def records(self) -> list[TrialRecord]:
        """All trials so far."""
        return [child.record for child in self._children.values()]

    def run(self, wished_to_stop: Callable[[], bool]) -> None:
        """Work until the study ends, or until it is wished to stop and every worker has finished its epoch.

        Raises:
            DataError: a trial failed for the user's fault.
            WorkError: nothing works here.
        """
        stopping = False
        try:
            while True:
                if wished_to_stop() and not stopping:
                    stopping = True
                    self._crew.stop()
                if not stopping:
                    self._dispatch()
                self._catch_up()
                if not self._running and (stopping or (self._ended and not self._again)):
                    for order in self._again:
                        self._journal.end([order.run_id, *order.fold_runs], "KILLED", word="interrupted")
                    return
                for news in self._crew.listen(0.5):
                    if isinstance(news, Progress):
                        self._watch.progress(news)
                    else:
                        self._take(news, stopping=stopping)
        finally:
            self._catch_up()

    def _catch_up(self) -> None:
        """Write down what no worker has to wait for; a kill before that costs nothing, all of it can be done again."""
        while self._later:
            self._later[0]()
            del self._later[0]

    def abandon(self, reason: str) -> None:
        """Mark what was running as interrupted; the workers are gone."""
        for order in [*self._running.values(), *self._again]:
            self._journal.end([order.run_id, *order.fold_runs], "KILLED", word="interrupted", reason=reason)

    def _dispatch(self) -> None:
        while self._crew.free:
            if self._again:
                self._submit(self._again.pop())
                continue
            leg = self._next()
            if leg is None:
                return
            self._submit(self._order(leg))
        if self._ahead is None and not self._ended:  # proposed while the workers train, not while they wait
            self._catch_up()
            self._ahead = self._next()

    def _next(self) -> Leg | None:
        """Give the next leg that is not done yet."""
        if self._ahead is not None:
            leg, self._ahead = self._ahead, None
            return leg
        while True:
            proposed = self._study.next()
            if not isinstance(proposed, Leg):
                self._ended = proposed == "end"
                return None
            leg = proposed
            self._legs[leg.place] = leg
            child = self._children.get(leg.trial)
            if child is None:
                return leg
            if child.configuration != leg.configuration:
                raise WorkError(
                    f"sweep {self._journal.run.id}: trial {leg.trial} must be proposed as before, it was "
                    f"{child.configuration}, now it is {leg.configuration}; go on with the versions of ctexp and "
                    "KerasTuner that began the sweep, or begin a new one"
                )
            done = _outcome_of(leg, child)
            if done is None:
                return leg
            if done is child.last and not child.has_ended:  # killed before its end was written
                runs = [child.run_id, *child.fold_runs]
                self._journal.log_settings(child, child.settings(leg.experiment), self._facts)
                self._journal.take_over(runs)
                self._close(runs, done)
            self._study.tell(leg.place, done.result)

    def _order(self, leg: Leg) -> Order:
        """Make a leg's run, or take it over, and write the order."""
        child = self._children.get(leg.trial)
        experiment = leg.experiment
        if child is None:
            child = self._add(leg, experiment)
        else:
            self._catch_up()  # an earlier leg's end is written before its run goes on
            experiment = child.settings(experiment)
            self._journal.log_settings(child, experiment, self._facts)  # a kill may have come between the two
            self._journal.take_over([child.run_id, *child.fold_runs])
        if self._folds:
            self._journal.add_folds(child, self._folds, experiment)
        return self._write(leg, child, experiment)

    def _add(self, leg: Leg, experiment: Experiment, *, halved: bool = False) -> Child:
        child = self._journal.add_trial(leg, experiment, halved=halved)
        self._children[leg.trial] = child
        self._later.append(partial(self._journal.log_settings, child, experiment, self._facts))
        return child

    def _write(self, leg: Leg, child: Child, experiment: Experiment) -> Order:
        return Order(
            leg.place, leg.trial, child.run_id, child.fold_runs, experiment, leg.until, leg.floors, self._maximise
        )

    def _submit(self, order: Order) -> None:
        self._running[order.place] = order
        self._watch.trial_began(order.trial, self._children[order.trial].configuration)
        self._crew.submit(order)

    def _take(self, outcome: Outcome, *, stopping: bool) -> None:
        order = self._running.pop(outcome.place)
        child = self._children[order.trial]
        runs = [order.run_id, *order.fold_runs]
        if outcome.ending == "interrupted" or (stopping and outcome.fault == "crash"):
            self._given_up = True
            self._journal.end(runs, "KILLED", word="interrupted", reason="interrupted by the user")
            return
        if outcome.fault == "user":
            self._journal.end(runs, "FAILED", word="failed", reason=outcome.reason)
            raise DataError(f"trial {order.trial}: {outcome.reason}")
        if outcome.ending == "failed" and self._try_again(order, child, outcome):
            return
        child.outcomes[outcome.place] = outcome
        self._later.append(partial(self._close, runs, outcome))
        if outcome.ending == "failed":  # the worker writes the others itself
            self._journal.log_outcome(child, outcome)
            self._crashes += outcome.fault in ("crash", "memory")
            if self._crashes >= HOPELESS_START and not any(one.counts for one in self.records):
                raise WorkError(f"sweep: trials must be able to run here, {self._crashes} crashed: {outcome.reason}")
        self._study.tell(outcome.place, LegResult(None) if outcome.ending == "failed" else outcome.result)
        self._watch.trial_ended(child.record, paused=outcome.ending == "paused")

    def _close(self, runs: list[str], outcome: Outcome) -> None:
        status = "FAILED" if outcome.ending == "failed" else "FINISHED"
        self._journal.end(runs, status, word=outcome.ending, reason=outcome.reason)
        self._keeper.tidy(self._children.values())

    def _try_again(self, order: Order, child: Child, outcome: Outcome) -> bool:
        """Put an order back where another attempt may help; with half the batch where memory ran out."""
        attempts = self._attempts.get(order.place, 0)
        if outcome.fault not in ("crash", "memory") or attempts >= RETRIES:
            return False
        batch = order.experiment.training.batch_size
        if outcome.fault == "memory" and batch == 1:
            return False
        self._attempts[order.place] = attempts + 1
        if outcome.fault == "crash":
            self._watch.say(f"trial {order.trial}: {outcome.reason}; it goes on from its last epoch")
            self._again.append(order)
            return True
        self._watch.say(f"trial {order.trial}: {outcome.reason}; tried again with batches of {batch // 2}")
        experiment = override(order.experiment, {"training.batch_size": batch // 2})
        self._journal.replace(child, f"{outcome.reason}; tried again with batches of {batch // 2}")
        self._keeper.drop(child)  # its run counts no more, and nobody else would
        leg = self._legs[order.place]
        fresh = self._add(leg, experiment, halved=True)
        if self._folds:
            self._journal.add_folds(fresh, self._folds, experiment)
        self._again.append(self._write(leg, fresh, experiment))
        return True


def _outcome_of(leg: Leg, child: Child) -> Outcome | None:
    """Give how a leg ended; None where it did not yet.

    With more trials to come hyperband proposes some promotions later than it did before: what a sweep had done when it
    was extended is known by its epochs.
    """
    if leg.place in child.outcomes:
        return child.outcomes[leg.place]
    found = [one for one in child.outcomes.values() if not one.fold_scores]
    same = [one for one in found if len(one.curve) == leg.until]
    over = [one for one in found if one.ending in ("finished", "stopped", "failed")]
    return next(iter([*same, *over]), None)
