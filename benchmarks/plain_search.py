"""What a user would do without ctexp: the published recipe in memory, and KerasTuner's RandomSearch over it.

Written after the keras.io example "3D image classification from CT scans" (Zunair 2020): volumes are zoomed to
128x128x64 and kept in memory, rotated by a random angle out of six while training, batches of 2, Adam at 1e-4 with
exponential decay. The search varies what ctexp's default sweep varies: the filters of each block, dropout and learning
rate, around the published values. KerasTuner's own trial runner needs tensorboard, which TensorFlow no longer brings,
so a trial is built and fitted here; nothing else is changed. The printed line of every epoch is all that it keeps.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_tuner
import nibabel as nib
import numpy as np
import tensorflow as tf
from scipy import ndimage

SHAPE = (128, 128, 64)


def load(path: str) -> np.ndarray:
    """Read and prepare a scan as the example does."""
    volume = nib.load(path).get_fdata()
    volume = ((np.clip(volume, -1000, 400) + 1000) / 1400).astype("float32")
    turned = ndimage.rotate(volume, 90, reshape=False)
    return ndimage.zoom(turned, [wish / have for wish, have in zip(SHAPE, turned.shape, strict=True)], order=1)


def load_sides(scans: dict[str, list]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Load both sides into memory: volumes and labels of each."""
    sides = {}
    for side in ("train", "validation"):
        volumes = np.array([load(path) for path, _ in scans[side]])
        sides[side] = (volumes, np.array([label for _, label in scans[side]], dtype="float32"))
    return sides


def rotate(volume: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn in plane by one of six angles, as the example does."""
    turned = ndimage.rotate(volume, rng.choice([-20, -10, -5, 5, 10, 20]), reshape=False)
    return np.clip(turned, 0, 1).astype("float32")


def dataset(volumes: np.ndarray, labels: np.ndarray, *, augment: bool) -> tf.data.Dataset:
    """Batches of 2, shuffled and turned for training."""
    rng = np.random.default_rng(0)
    data = tf.data.Dataset.from_tensor_slices((volumes, labels))
    if augment:
        data = data.shuffle(len(volumes)).map(
            lambda x, y: (tf.numpy_function(lambda one: rotate(one, rng), [x], tf.float32), y)
        )
    data = data.map(lambda x, y: (tf.ensure_shape(tf.expand_dims(x, 3), (*SHAPE, 1)), y))
    return data.batch(2).prefetch(2)


def build(hp: keras_tuner.HyperParameters) -> keras.Model:
    """The published network, with what the search varies."""
    inputs = keras.Input((*SHAPE, 1))
    x = inputs
    for block, filters in enumerate((64, 64, 128, 256), start=1):
        x = keras.layers.Conv3D(
            hp.Choice(f"filters_{block}", [filters // 2, filters, filters * 3 // 2], default=filters),
            3,
            activation="relu",
        )(x)
        x = keras.layers.MaxPool3D(2)(x)
        x = keras.layers.BatchNormalization()(x)
    x = keras.layers.GlobalAveragePooling3D()(x)
    x = keras.layers.Dense(512, activation="relu")(x)
    x = keras.layers.Dropout(hp.Float("dropout", 0.0, 0.6, step=0.1, default=0.3))(x)
    outputs = keras.layers.Dense(1, activation="sigmoid")(x)
    model = keras.Model(inputs, outputs)
    rate = keras.optimizers.schedules.ExponentialDecay(
        hp.Float("learning_rate", 1.5e-5, 5e-4, sampling="log", default=1e-4), 100_000, 0.96, staircase=True
    )
    model.compile(loss="binary_crossentropy", optimizer=keras.optimizers.Adam(rate),
                  metrics=["acc", keras.metrics.AUC(name="auc", num_thresholds=1000)])  # fmt: skip
    return model


class Search(keras_tuner.RandomSearch):
    """RandomSearch that fits by itself."""

    def run_trial(self, trial: object, *args: object, **kwargs: object) -> dict[str, float]:
        """Fit one network."""
        return self.hypermodel.build(trial.hyperparameters).fit(*args, **kwargs).history


class Tell(keras.callbacks.Callback):
    """Prints each epoch as JSON."""

    def __init__(self, began: float) -> None:
        super().__init__()
        self._began, self._trial = began, -1

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Count trials."""
        self._trial += 1

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Tell."""
        facts = {"trial": self._trial, "epoch": epoch + 1, "seconds": time.monotonic() - self._began,
                 "val_auc": float(logs["val_auc"]), "val_acc": float(logs["val_acc"])}  # fmt: skip
        print(json.dumps(facts), flush=True)

    def __deepcopy__(self, memo: dict) -> "Tell":
        return self


def main() -> None:
    """Search; the scans come as JSON on standard input: {"train": [[path, label], ...], "validation": ...}."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=15)
    wished = parser.parse_args()
    began = time.monotonic()
    scans = json.load(sys.stdin)
    sides = load_sides(scans)
    print(json.dumps({"prepared": time.monotonic() - began}), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        tuner = Search(build, keras_tuner.Objective("val_auc", "max"), max_trials=wished.trials, seed=1,
                       directory=Path(folder), project_name="plain")  # fmt: skip
        tuner.oracle.verbose = 0
        train, validation = dataset(*sides["train"], augment=True), dataset(*sides["validation"], augment=False)
        tuner.search(train, validation_data=validation,
                     epochs=wished.epochs, verbose=0, callbacks=[Tell(began)])  # fmt: skip
    print(json.dumps({"ended": time.monotonic() - began}), flush=True)


if __name__ == "__main__":
    main()
