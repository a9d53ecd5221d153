"""One training, read from top to bottom: an iterator of epochs that the caller watches, records and may stop."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np

from ctexp.config import AugmentSettings, TrainingSettings
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import LabelledScan
from ctexp.errors import WorkError
from ctexp.learning.backend import use_xla
from ctexp.learning.evaluation import Outputs
from ctexp.learning.feed import TrainingFeed, count_steps, predict_logits
from ctexp.learning.intervals import auc
from ctexp.learning.recalibration import recalibrate


@dataclass(frozen=True)
class TrainingData:
    """The scans of one training and where their prepared arrays are."""

    cache: ScanCache
    train: tuple[LabelledScan, ...]
    validation: tuple[LabelledScan, ...]


@dataclass(frozen=True)
class Standing:
    """How far a training is: all that a restart needs besides weights and optimiser.

    Attributes:
        epoch: last finished epoch; 0 before the first.
        best_epoch: the epoch whose weights count so far.
        best_score: its (monitored metric, minus validation loss), higher is better.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_score: tuple[float, float] = (-math.inf, -math.inf)

    def after(self, score: tuple[float, float]) -> "Standing":
        """Give the standing after one more epoch with this score."""
        if score > self.best_score:
            return Standing(self.epoch + 1, self.epoch + 1, score)
        return Standing(self.epoch + 1, self.best_epoch, self.best_score)


@dataclass(frozen=True, eq=False)
class Epoch:
    """One finished epoch.

    Attributes:
        metrics: loss, accuracy (of the augmented training scans, dropout on), val_loss, val_accuracy, val_auc,
            learning_rate.
        standing: after this epoch.
        seconds: duration, validation included.
        waited: seconds of it in which the next batch was not ready.
        outputs: what the network said of the validation scans.
    """

    number: int
    metrics: dict[str, float]
    standing: Standing
    seconds: float
    waited: float
    outputs: Outputs

    @property
    def is_best(self) -> bool:
        """Whether this epoch's weights are the best so far."""
        return self.standing.best_epoch == self.number


def train(
    network: keras.Model,
    data: TrainingData,
    settings: TrainingSettings,
    augment: AugmentSettings,
    *,
    seed: int,
    standing: Standing | None = None,
    on_step: Callable[[int, int, int], None] | None = None,
) -> Iterator[Epoch]:
    """Train a compiled network epoch by epoch.

    Args:
        network: compiled by `compile_network`; holds the weights of the last yielded epoch at each yield.
        data: training and validation scans.
        settings: epochs, batch size, monitored metric, patience.
        augment: ranges of the random changes.
        seed: with the epoch's number it fixes order, changes and dropout.
        standing: where to go on; default from the start.
        on_step: told (epoch, step, steps) after each step.

    Yields:
        Each finished epoch, until the last or until patience has run out.

    Raises:
        WorkError: the loss or an output is no longer a number.
    """
    standing = standing or Standing()
    while not is_over(standing, settings):
        number = standing.epoch + 1
        began = time.monotonic()
        _reseed_dropout(network, seed, number)
        feed = TrainingFeed(data.cache, data.train, settings.batch_size, augment, seed=seed, epoch=number)
        weights = class_weights(data.train) if settings.class_weights else None
        seen, waited = _run_steps(network, feed, weights, on_step and partial(on_step, number))
        recalibrate(
            network,
            data.cache,
            data.train,
            count=settings.recalibration_scans,
            batch_size=settings.batch_size,
            seed=seed,
        )
        outputs = ask(network, data, settings.batch_size)
        if not (outputs.finite and math.isfinite(seen["loss"])):
            raise WorkError(
                f"training: epoch {number}: loss and outputs must stay finite, the loss is {seen['loss']}; "
                "lower training.learning_rate"
            )
        metrics = {
            "loss": seen["loss"],
            "accuracy": seen["accuracy"],
            "val_loss": outputs.loss,
            "val_accuracy": float(np.mean((outputs.logits >= 0) == (outputs.labels == 1))),
            "val_auc": auc(outputs.labels, outputs.logits).value,
            "learning_rate": float(keras.ops.convert_to_numpy(network.optimizer.learning_rate)),
        }
        sign = -1.0 if settings.monitor == "val_loss" else 1.0
        standing = standing.after((sign * metrics[settings.monitor], -metrics["val_loss"]))
        yield Epoch(number, metrics, standing, time.monotonic() - began, waited, outputs)


def ask(network: keras.Model, data: TrainingData, batch_size: int) -> Outputs:
    """Ask a network about the validation scans."""
    truth = np.array([scan.label for scan in data.validation], dtype=np.int64)
    return Outputs(truth, predict_logits(network, data.cache, data.validation, batch_size))


def is_over(standing: Standing, settings: TrainingSettings) -> bool:
    """Tell whether a training has had its last epoch: all of them, or patience without a better one."""
    waited = standing.epoch - standing.best_epoch
    return standing.epoch >= settings.epochs or 0 < settings.patience <= waited


def compile_network(network: keras.Model, settings: TrainingSettings, train_scans: int) -> None:
    """Give a network its loss and its optimiser (Adam; the schedule's length follows from the number of scans)."""
    network.compile(
        optimizer=keras.optimizers.Adam(_schedule(settings, count_steps(train_scans, settings.batch_size))),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)],
        jit_compile=use_xla(),
    )
    # Variables that are first made within a step are made slowly there, and TensorFlow then traces the step twice.
    network.optimizer.build(network.trainable_variables)


def class_weights(scans: tuple[LabelledScan, ...]) -> dict[int, float]:
    """Weigh each class by the inverse of its share, with a mean of 1 over the scans."""
    counts = np.bincount([scan.label for scan in scans], minlength=2)
    return {label: float(len(scans) / (2 * count)) for label, count in enumerate(counts) if count}


def _run_steps(
    network: keras.Model,
    feed: TrainingFeed,
    weights: dict[int, float] | None,
    on_step: Callable[[int, int], None] | None,
) -> tuple[dict[str, float], float]:
    """Take the steps of an epoch; give the means over them by name, and the seconds spent waiting for batches.

    Not by Keras's `fit`, whose way of handing over batches costs an eighth of an epoch of the default network.
    """
    sums: dict[str, float] = defaultdict(float)
    waited, ready = 0.0, time.monotonic()
    for step, (inputs, labels) in enumerate(feed, start=1):
        waited += time.monotonic() - ready
        network.reset_metrics()
        told = network.train_on_batch(inputs, labels, class_weight=weights, return_dict=True)
        for name, value in told.items():
            sums[name] += float(value) / len(feed)
        if on_step:
            on_step(step, len(feed))
        ready = time.monotonic()
    return sums, waited


def _schedule(settings: TrainingSettings, steps: int) -> "float | keras.optimizers.schedules.LearningRateSchedule":
    schedules = keras.optimizers.schedules
    if settings.schedule == "constant":
        return float(settings.learning_rate)
    if settings.schedule == "exponential":
        return schedules.ExponentialDecay(
            settings.learning_rate, decay_steps=settings.decay_steps, decay_rate=settings.decay_rate, staircase=True
        )
    warmup = min(round(settings.warmup_epochs * steps), settings.epochs * steps - 1)
    return schedules.CosineDecay(
        initial_learning_rate=settings.learning_rate / 10 if warmup else settings.learning_rate,
        decay_steps=settings.epochs * steps - warmup,
        warmup_target=settings.learning_rate if warmup else None,
        warmup_steps=warmup,
    )


def _reseed_dropout(network: keras.Model, seed: int, epoch: int) -> None:
    """Make each layer's random stream a function of seed and epoch: a restarted epoch drops what it would have."""
    generators = [layer.seed_generator for layer in network.layers if hasattr(layer, "seed_generator")]
    for position, generator in enumerate(generators):
        drawn = np.random.SeedSequence([seed, epoch, position]).generate_state(2, dtype=np.uint32)
        generator.state.assign(drawn)
