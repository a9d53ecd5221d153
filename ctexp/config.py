"""The settings of one experiment: frozen values with their defaults and rules in one place.

`Experiment` is the whole; a preset (`ctexp.presets`) names one, a settings file or a command-line option overrides
single fields (`ctexp.overrides`), and what was used is logged with the run and travels with the model.
"""

from dataclasses import dataclass, field
from typing import Literal

from ctexp.errors import ConfigError

Geometry = Literal["stretch", "physical", "lungs"]
Resampling = Literal["linear", "area"]
Normalisation = Literal["batch", "none"]
Pooling = Literal["max", "average"]
Schedule = Literal["constant", "exponential", "cosine"]
Monitor = Literal["val_auc", "val_loss", "val_accuracy"]
Precision = Literal["float32", "bfloat16", "auto"]
SplitScheme = Literal["auto", "random", "published", "manifest"]


def check(rule_holds: bool, place: str, rule: str, value: object, remedy: str = "") -> None:
    """Raise `ConfigError` naming place, rule, value and a remedy, if there is one, unless the rule holds."""
    if not rule_holds:
        raise ConfigError(f"{place}: must be {rule}, got {value!r}{remedy}")


@dataclass(frozen=True)
class ScanSettings:
    """How a scan becomes the network's input; these settings travel with the model.

    Attributes:
        shape: (rows, columns, slices) of the prepared array.
        window_hu: (low, high) in HU, mapped linearly to 0..1 and clipped.
        geometry: `stretch` maps each axis of the scan to the target size whatever its spacing (the published recipe);
            `physical` keeps millimetres: the field `extent_mm` round the body's centre, cropped or padded with air;
            `lungs` maps the box round the lungs, counts HU from their level (their median, -750 at most), and puts
            that level in place of all that is no lung.
        lungs_hu: (low, high) in HU from the lungs' level, in place of `window_hu` with `lungs`.
        extent_mm: (rows, columns, slices) in mm that `physical` covers.
        resampling: `linear` samples between the two nearest voxels (the published recipe); `area` averages over the
            voxels that an output voxel covers, which keeps less of the noise where an axis shrinks.
    """

    shape: tuple[int, int, int] = (128, 128, 64)
    window_hu: tuple[float, float] = (-1000.0, 400.0)
    geometry: Geometry = "stretch"
    lungs_hu: tuple[float, float] = (-150.0, 250.0)
    extent_mm: tuple[float, float, float] = (384.0, 384.0, 320.0)
    resampling: Resampling = "linear"

    @property
    def scale_hu(self) -> tuple[float, float]:
        """The HU that become 0 and 1; with `lungs` counted from their level."""
        return self.lungs_hu if self.geometry == "lungs" else self.window_hu

    @property
    def empty(self) -> float:
        """What a prepared voxel holds where there is nothing of the scan: air, or with `lungs` their level."""
        low, high = self.lungs_hu
        return -low / (high - low) if self.geometry == "lungs" else 0.0

    def __post_init__(self) -> None:
        check(
            len(self.shape) == 3 and all(8 <= n <= 512 for n in self.shape),
            "scan.shape",
            "three whole numbers from 8 to 512",
            self.shape,
        )
        check(self.window_hu[0] < self.window_hu[1], "scan.window_hu", "low < high", self.window_hu)
        check(self.lungs_hu[0] < 0 < self.lungs_hu[1], "scan.lungs_hu", "low < 0 < high", self.lungs_hu)
        check(all(n > 0 for n in self.extent_mm), "scan.extent_mm", "three lengths > 0 mm", self.extent_mm)


@dataclass(frozen=True)
class AugmentSettings:
    """Ranges of the random changes of a training scan; 0 switches one off.

    Attributes:
        rotation_degrees: in-plane rotation, uniform in -r..r.
        scale: in-plane zoom, uniform in 1-s..1+s.
        shift: in-plane shift as a share of the image's side, uniform in -t..t for each axis.
        flip: left and right exchanged with probability 1/2.
        intensity: factor uniform in 1-i..1+i and an offset uniform in -i/2..i/2, on the 0..1 scale.
    """

    rotation_degrees: float = 20.0
    scale: float = 0.0
    shift: float = 0.0
    flip: bool = False
    intensity: float = 0.0

    def __post_init__(self) -> None:
        check(0 <= self.rotation_degrees <= 180, "augment.rotation_degrees", "from 0 to 180", self.rotation_degrees)
        check(0 <= self.scale < 0.9, "augment.scale", "from 0 to below 0.9", self.scale)
        check(0 <= self.shift < 0.5, "augment.shift", "from 0 to below 0.5", self.shift)
        check(0 <= self.intensity < 0.9, "augment.intensity", "from 0 to below 0.9", self.intensity)


@dataclass(frozen=True)
class NetworkSettings:
    """A 3D CNN: one convolution block a filter count, global pooling, one dense layer, one logit.

    Attributes:
        filters: output channels of each block, first to last; their number is that of the blocks.
        kernel: edge of the cubic kernels, in voxels.
        stem_stride: step of the first convolution in every axis; 2 reduces early, at an eighth of the cost.
        padding: `valid` as published, or `same`.
        normalisation: after each block's pooling (`batch`), or `none`.
        momentum: share of the old running statistics that batch normalisation keeps each step.
        pooling: how a block halves its axes.
        head: how the last block becomes one vector.
        dense: width of the dense layer before the logit; 0 leaves it out.
        dropout: share of the dense layer's outputs dropped while training.
    """

    filters: tuple[int, ...] = (64, 64, 128, 256)
    kernel: int = 3
    stem_stride: int = 1
    padding: Literal["valid", "same"] = "valid"
    normalisation: Normalisation = "batch"
    momentum: float = 0.99
    pooling: Pooling = "max"
    head: Pooling = "average"
    dense: int = 512
    dropout: float = 0.3

    def __post_init__(self) -> None:
        check(
            len(self.filters) > 0 and all(1 <= n <= 4096 for n in self.filters),
            "network.filters",
            "one or more whole numbers from 1 to 4096",
            self.filters,
        )
        check(1 <= self.kernel <= 11, "network.kernel", "from 1 to 11", self.kernel)
        check(1 <= self.stem_stride <= 8, "network.stem_stride", "from 1 to 8", self.stem_stride)
        check(0 < self.momentum < 1, "network.momentum", "between 0 and 1", self.momentum)
        check(0 <= self.dense <= 65536, "network.dense", "from 0 to 65536", self.dense)
        check(0 <= self.dropout < 1, "network.dropout", "from 0 to below 1", self.dropout)


@dataclass(frozen=True)
class TrainingSettings:
    """How the network learns.

    Attributes:
        epochs: at most so many passes over the training scans.
        batch_size: scans a step.
        learning_rate: Adam's, at its highest.
        schedule: `constant`; `exponential` (in stairs); `cosine` (a linear warm-up, then half a cosine down to zero at
            the last epoch).
        decay_rate: what `exponential` multiplies the learning rate with at each stair.
        decay_steps: steps (batches) from one stair of `exponential` to the next.
        warmup_epochs: epochs of `cosine`'s warm-up; a part of one will do.
        monitor: the one validation metric that decides which epoch's weights are saved and quoted, and when to stop.
            Ties go to the lower validation loss.
        patience: stop after so many epochs without a better one; 0 never stops early.
        precision: of the arithmetic between float32 weights. `auto` takes bfloat16 where the hardware has it.
        class_weights: weigh each class by the inverse of its share in the training scans.
        recalibration_scans: after each epoch measure batch normalisation's statistics afresh on so many training
            scans; 0 leaves the running ones, as published.
    """

    epochs: int = 15
    batch_size: int = 2
    learning_rate: float = 1e-4
    schedule: Schedule = "exponential"
    decay_rate: float = 0.96
    decay_steps: int = 100_000
    warmup_epochs: float = 1.0
    monitor: Monitor = "val_auc"
    patience: int = 0
    precision: Precision = "float32"
    class_weights: bool = True
    recalibration_scans: int = 0

    def __post_init__(self) -> None:
        check(self.recalibration_scans >= 0, "training.recalibration_scans", ">= 0", self.recalibration_scans)
        check(1 <= self.epochs <= 100_000, "training.epochs", "from 1 to 100000", self.epochs)
        check(1 <= self.batch_size <= 1024, "training.batch_size", "from 1 to 1024", self.batch_size)
        check(0 < self.learning_rate <= 10, "training.learning_rate", "above 0 and at most 10", self.learning_rate)
        check(0 < self.decay_rate <= 1, "training.decay_rate", "above 0 and at most 1", self.decay_rate)
        check(self.decay_steps >= 1, "training.decay_steps", ">= 1", self.decay_steps)
        check(self.warmup_epochs >= 0, "training.warmup_epochs", ">= 0", self.warmup_epochs)
        check(self.patience >= 0, "training.patience", ">= 0", self.patience)


@dataclass(frozen=True)
class SplitSettings:
    """Which scans train, which validate, and which are locked away for the test.

    Attributes:
        scheme: `random` (stratified by class, grouped by patient), `published` (MosMedData's table), `manifest` (the
            manifest's own column), or `auto`: the manifest's column where it has one, else `random`.
        validation: share of the scans of each class for validation.
        test: share of the scans of each class for the locked test.
    """

    scheme: SplitScheme = "auto"
    validation: float = 0.16
    test: float = 0.2

    def __post_init__(self) -> None:
        check(0 < self.validation < 1, "split.validation", "between 0 and 1", self.validation)
        check(0 <= self.test < 1, "split.test", "from 0 to below 1", self.test)
        check(self.validation + self.test < 1, "split.validation + split.test", "< 1", self.validation + self.test)


@dataclass(frozen=True)
class AnswerSettings:
    """How the trained network's probability becomes a label; it changes no training.

    Attributes:
        sensitivity: the label's threshold is chosen, on scans that were not trained on, so that at least this share of
            the abnormal ones is called so; 0 leaves it at a probability of 0.5.
    """

    sensitivity: float = 0.0

    def __post_init__(self) -> None:
        share = self.sensitivity
        percent = f"; did you mean {share / 100:g}?" if 1 < share <= 100 else ""
        check(0 <= share <= 1, "answer.sensitivity", "from 0 to 1", share, percent)


@dataclass(frozen=True)
class Experiment:
    """All settings of one training.

    Attributes:
        scan: how a scan becomes the network's input.
        augment: how training scans are varied.
        network: what is trained.
        training: how it learns.
        split: which scans teach, choose and test.
        answer: how a probability becomes a label.
        seed: decides split, weights, augmentation and order; the same seed gives the same numbers.
    """

    scan: ScanSettings = field(default_factory=ScanSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    split: SplitSettings = field(default_factory=SplitSettings)
    answer: AnswerSettings = field(default_factory=AnswerSettings)
    seed: int = 0

    def __post_init__(self) -> None:
        check(0 <= self.seed < 2**32, "seed", "from 0 to 4294967295", self.seed)
