"""The search as a pure function: definition, budgets and results in, the next piece of work out.

What is proposed, and which trials are stopped early, may depend only on results that are known for certain at that
point, whatever the workers' pace: proposal number n sees the results of the proposals up to n minus `lag`, told in the
order of proposal. So the same definition, seed and lag give the same trials, with one worker or with many, in one go
or after a kill: a sweep is gone on with by asking again from the start and looking the answers up.
"""

from dataclasses import dataclass
from typing import Literal

from ctexp.config import Experiment
from ctexp.overrides import signature
from ctexp.searching.definition import SweepDefinition
from ctexp.searching.draws import ENDLESS, why_impossible
from ctexp.searching.halting import Curve, floors
from ctexp.searching.proposal import Proposer
from ctexp.searching.records import Configuration
from ctexp.searching.space import apply


@dataclass(frozen=True)
class Leg:
    """One piece of work: a trial's training, or with hyperband a part of it.

    Attributes:
        place: from 0, in the order in which legs were proposed.
        trial: the trial's number; a promoted trial has several legs.
        configuration: its values.
        experiment: its settings.
        until: the epoch after which the leg ends.
        floors: for each epoch (or fold), the score below which the trial is stopped; empty for never.
    """

    place: int
    trial: int
    configuration: Configuration
    experiment: Experiment
    until: int
    floors: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class LegResult:
    """How a leg ended.

    Attributes:
        score: the objective so far; None for a failed one.
        curve: the monitored metric after each epoch of the whole trial, or the score of each fold.
    """

    score: float | None
    curve: Curve = ()


def default_lag(workers: int) -> int:
    """Give a lag at which workers hardly ever wait: one proposal is always ready, and a slow trial holds up no other.

    One worker: the next is proposed while a trial runs, from all trials before that one.
    """
    return max(workers + 1, 2 * workers - 1)


class Study:
    """Asks an oracle for trials, within a budget and never twice for the same.

    Args:
        definition: the sweep.
        budgets: how many trials were asked for, first and by each extension.
        lag: see above.
        oracle: made for the same definition and budgets, and not asked yet.
    """

    def __init__(self, definition: SweepDefinition, budgets: tuple[int, ...], lag: int, oracle: Proposer) -> None:
        self._definition, self._budget, self._lag, self._oracle = definition, budgets[-1], lag, oracle
        self._blind = definition.algorithm in ("random", "grid")
        self._legs: list[Leg] = []
        self._at: list[int] = []  # of each leg, its place among the oracle's proposals
        self._trial_of: dict[int, int] = {}
        self._results: dict[int, LegResult] = {}
        self._told = 0
        self._must_tell = False
        self._seen: set[str] = set()
        self.unbuildable = 0
        """Proposals that no network can be built from; they cost no trial."""

    @property
    def legs(self) -> tuple[Leg, ...]:
        """Everything proposed so far."""
        return tuple(self._legs)

    def tell(self, place: int, result: LegResult) -> None:
        """Hear how a leg ended; the oracle is told when its turn comes."""
        self._results[place] = result

    def next(self) -> Leg | Literal["wait", "end"]:
        """Give the next leg, or `wait` for a result, or `end`."""
        # Where nothing depends on results, nothing waits for them.
        needed = 0 if self._blind and self._definition.stop == "none" else len(self._legs) - self._lag + 1
        while self._told < needed or self._must_tell:
            if not self._tell_next():
                return "wait"
            self._must_tell = False
        if len(self._trial_of) >= self._budget and self._definition.algorithm != "hyperband":
            return "end"
        for _ in range(ENDLESS):
            proposal = self._oracle.propose()
            if proposal == "wait":
                # Asked again only after one more score: how often an oracle is asked must not depend on the pace.
                self._must_tell = True
                return self.next()
            if proposal == "end":
                return "end"
            if proposal.continues is not None:
                return self._add(proposal.place, self._trial_of[proposal.continues], proposal.configuration,
                                 proposal.epochs)  # fmt: skip
            if self._is_new(proposal.configuration):
                return self._add(proposal.place, len(set(self._trial_of.values())), proposal.configuration,
                                 proposal.epochs)  # fmt: skip
            self._oracle.tell(proposal.place, None)
        return "end"

    def _is_new(self, configuration: Configuration) -> bool:
        """Tell whether a configuration can be built and was not tried."""
        if why_impossible(self._definition, configuration) is not None:
            self.unbuildable += 1
            return False
        name = signature(apply(self._definition.base, configuration))
        new = name not in self._seen
        self._seen.add(name)
        return new

    def _add(self, at: int, trial: int, configuration: Configuration, epochs: int | None) -> Leg:
        experiment = apply(self._definition.base, configuration)
        until = epochs or experiment.training.epochs
        leg = Leg(len(self._legs), trial, configuration, experiment, until, self._floors())
        self._legs.append(leg)
        self._at.append(at)
        self._trial_of[at] = trial
        if self._blind:  # such an oracle does not look at scores, and grid waits for the end of each proposal
            self._oracle.tell(at, 0.0)
        return leg

    def _floors(self) -> tuple[float | None, ...]:
        definition = self._definition
        if definition.stop == "none":
            return ()
        curves = [self._results[place].curve for place in range(self._told) if self._results[place].score is not None]
        return floors(
            curves,
            length=definition.folds or definition.base.training.epochs,
            trials=definition.stop_trials,
            begin=definition.stop_epochs,
        )

    def _tell_next(self) -> bool:
        """Tell the oracle the next score in the order of proposal; False when it is not there yet."""
        result = self._results.get(self._told)
        if result is None or self._told >= len(self._legs):
            return False
        if not self._blind:
            self._oracle.tell(self._at[self._told], result.score)
        self._told += 1
        return True
