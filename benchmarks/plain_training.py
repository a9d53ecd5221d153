"""What a user would do without ctexp: the published recipe, trained once in memory.

    python -m benchmarks.plain_training [--epochs 15] < SCANS.json

Written after the keras.io example "3D image classification from CT scans" (Zunair 2020); how it reads, turns and builds
is in `benchmarks.plain_search`, at the published values. The scans come as JSON on standard input, see there. Prints a
line of JSON an epoch.
"""

import argparse
import json
import sys
import time

import keras
import keras_tuner

from benchmarks.plain_search import Tell, build, dataset, load_sides


def main() -> None:
    """Prepare and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=15)
    wished = parser.parse_args()
    began = time.monotonic()
    scans = json.load(sys.stdin)
    sides = load_sides(scans)
    print(json.dumps({"prepared": True}), flush=True)
    network = build(keras_tuner.HyperParameters())
    network.fit(
        dataset(*sides["train"], augment=True),
        validation_data=dataset(*sides["validation"], augment=False),
        epochs=wished.epochs,
        verbose=0,
        callbacks=[Tell(began), keras.callbacks.ModelCheckpoint("plain.keras", monitor="val_acc", save_best_only=True)],
    )


if __name__ == "__main__":
    main()
