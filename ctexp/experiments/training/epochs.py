"""The epochs of one run: from where it stands to where it is to stop, each kept before the next begins."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ctexp.config import Experiment
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.splits import Split
from ctexp.experiments.watch import Watch

if TYPE_CHECKING:
    import keras

    from ctexp.learning.evaluation import Outputs
    from ctexp.learning.training import Epoch, Standing
    from ctexp.tracking.run import Run
    from ctexp.tracking.store import Store


@dataclass(frozen=True, eq=False)
class Learned:
    """What the epochs of a run came to.

    Attributes:
        standing: last and best epoch.
        history: the metrics of every epoch, first to last.
        outputs: of the best epoch's network on the validation scans.
        network: with the best epoch's weights.
    """

    standing: "Standing"
    history: list[dict[str, float]]
    outputs: "Outputs"
    network: "keras.Model"

    @property
    def weights(self) -> int:
        """How many weights the network has."""
        return int(self.network.count_params())


def run_epochs(
    experiment: Experiment,
    store: "Store",
    run: "Run",
    cache: ScanCache,
    split: Split,
    watch: Watch,
    *,
    until: int | None = None,
    halt: "Callable[[Epoch], bool] | None" = None,
) -> Learned:
    """Train a run from its last finished epoch on.

    Args:
        experiment: all settings.
        store: where the run is kept.
        run: the run.
        cache: the prepared scans.
        split: training and validation scans; the locked test is not looked at.
        watch: somebody who looks on.
        until: stop after this epoch, the schedule's length unchanged; None for the last.
        halt: asked after each epoch that was kept; True stops there.

    Raises:
        WorkError: the training diverged, or the store does not take an epoch.
    """
    from ctexp.learning.backend import resolve_precision, start_backend

    settings = experiment.training
    start_backend(experiment.seed)  # before anything else imports Keras

    from ctexp.experiments.training import checkpoints
    from ctexp.experiments.training.record import read_history
    from ctexp.learning.network import build_network
    from ctexp.learning.training import TrainingData, ask, compile_network, is_over, train

    sides = TrainingData(cache, split.train, split.validation)
    standing = checkpoints.read_standing(store, run.id)
    last = min(until or settings.epochs, settings.epochs)
    over = is_over(standing, settings) or standing.epoch >= last
    precision = resolve_precision(settings.precision)
    if settings.precision == "auto":  # as it began, though this machine would choose otherwise
        precision = store.run(run.id).data.params.get("training.precision_used", precision)
    network = build_network(experiment.network, experiment.scan.shape, precision)
    compile_network(network, settings, len(sides.train))
    if standing.epoch and not over:
        checkpoints.load_checkpoint(store, run.id, standing.epoch, network)
    elif not standing.epoch:
        run.log(params={"network.weights": network.count_params(), "training.precision_used": precision})

    history = read_history(store, run.id)
    outputs, best = None, None
    epochs = train(
        network, sides, settings, experiment.augment, seed=experiment.seed, standing=standing, on_step=watch.step
    )
    while not over:
        epoch = next(epochs, None)
        if epoch is None:
            break
        standing = epoch.standing
        checkpoints.save_checkpoint(run, network, epoch.number)
        # An epoch killed after its numbers but before its standing is trained again, to the same numbers.
        numbers = epoch.metrics if epoch.number > len(history) else {}
        run.log(
            metrics={f"epoch/{key}": value for key, value in numbers.items()},
            tags=checkpoints.mark_standing(standing),
            step=epoch.number,
        )
        history = [*history[: epoch.number - 1], epoch.metrics]
        checkpoints.drop_checkpoints(store, run.id, keep={epoch.number, standing.best_epoch})
        watch.epoch(epoch, settings.epochs)
        if epoch.is_best:
            outputs, best = epoch.outputs, [np.array(one) for one in network.get_weights()]
        over = (halt is not None and halt(epoch)) or epoch.number >= last
    if outputs is None or best is None:  # the best epoch is an earlier process's
        checkpoints.load_checkpoint(store, run.id, standing.best_epoch, network)
        outputs = ask(network, sides, settings.batch_size)
    elif standing.epoch != standing.best_epoch:
        network.set_weights(best)
    return Learned(standing, history, outputs, network)
