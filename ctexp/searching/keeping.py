"""Which checkpoints stay on disk: those of the trials that may still be wanted."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from ctexp.config import Experiment
from ctexp.searching.journal import Child
from ctexp.searching.records import TrialRecord, choose
from ctexp.searching.space import apply

if TYPE_CHECKING:
    from ctexp.tracking.store import Store


class Keeper:
    """Drops the checkpoints of all trials but the best.

    The trial that would be chosen now stays, then the best by score until there are `keep`. Trials that hyperband may
    promote stay too, until the sweep ends.

    Args:
        store: where the runs are.
        keep: how many trials keep theirs.
        maximise: whether higher scores are better.
        rule: how the trial to register is chosen.
    """

    def __init__(
        self, store: "Store", keep: int, *, maximise: bool, rule: Literal["one-standard-error", "best"]
    ) -> None:
        self._store, self._keep, self._maximise, self._rule = store, keep, maximise, rule
        self._dropped: set[str] = set()

    def kept(self, trials: Iterable[TrialRecord]) -> set[int]:
        """Give the numbers of the trials whose checkpoints stay."""
        counted = [one for one in trials if one.counts]
        finished = [one for one in counted if one.status == "finished"]
        first = [choose(finished, maximise=self._maximise, rule=self._rule).trial] if finished else []
        sign = -1.0 if self._maximise else 1.0
        ranked = sorted(counted, key=lambda one: (sign * (one.score or 0.0), one.number))
        order = [*first, *(one for one in ranked if one not in first)]
        return {one.number for one in order[: self._keep]}

    def tidy(self, children: Iterable[Child], *, last: bool = False) -> None:
        """Drop what is not kept.

        Args:
            children: the trials.
            last: whether no trial will go on any more.
        """
        children = list(children)
        kept = self.kept(child.record for child in children)
        for child in children:
            waits = child.last is None or (child.last.ending == "paused" and not last)
            if waits or child.trial in kept or child.run_id in self._dropped:
                continue
            self.drop(child)

    def drop(self, child: Child) -> None:
        """Drop the checkpoints of a trial, and of its folds."""
        from ctexp.experiments.training.checkpoints import drop_checkpoints

        for run_id in (child.run_id, *child.fold_runs):
            drop_checkpoints(self._store, run_id, keep=set())
        self._dropped.add(child.run_id)

    def leave_networks(self, children: Iterable[Child], base: Experiment) -> None:
        """Write the networks of the trials that stay as `.keras` files, which load anywhere.

        Until then they are plain numbers: Keras's own format costs a tenth of a second a trial, and most are dropped.

        Args:
            children: the trials, none of which will go on.
            base: the settings that the sweep varies.
        """
        from ctexp.experiments.training import checkpoints
        from ctexp.learning.backend import resolve_precision
        from ctexp.learning.network import build_network
        from ctexp.tracking.run import MlflowRun

        children = list(children)
        kept = self.kept(child.record for child in children)
        for child in (one for one in children if one.trial in kept):
            experiment = child.settings(apply(base, child.configuration))
            precision = resolve_precision(experiment.training.precision)
            for run_id in child.fold_runs or (child.run_id,):
                epoch = checkpoints.read_standing(self._store, run_id).best_epoch
                if not checkpoints.has_state(self._store, run_id, epoch):
                    continue  # left before, dropped before the sweep was extended, or a fold that was not begun
                network = build_network(experiment.network, experiment.scan.shape, precision)
                checkpoints.load_checkpoint(self._store, run_id, epoch, network)
                checkpoints.leave_network(self._store, MlflowRun(self._store, run_id), network, epoch)
