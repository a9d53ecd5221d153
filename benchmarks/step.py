"""Where a training's step stands beside what the machine can do.

    python -m benchmarks.step [--presets default,published] [--steps 6] [--train-scans 128]

Of each preset, on the processor and in float32: the seconds of a step on numbers that are at hand already, with the
network and optimiser of `ctexp train`. Beside them the multiplications of its convolutions (forward, and twice as many
backward, the first block's inputs needing none) as a rate, and the rate at which the same processor multiplies large
square matrices, the least that can be asked of memory. What an epoch takes more than its steps is feeding,
recalibration and asking; what a step takes more than its share of that rate is moving numbers: activations, pooling,
normalisation, the optimiser.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

import numpy as np

from benchmarks.figures import keep
from ctexp.learning.backend import start_backend
from ctexp.presets import get_preset

SIDE = 4096


def seconds_of(work: Callable[[], object], times: int) -> float:
    """Give the median seconds of a piece of work that was done once before."""
    work()
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return statistics.median(spent)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", default="default,published")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--train-scans", type=int, default=128)
    wished = parser.parse_args()
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    start_backend(0)

    import keras

    from ctexp.learning.network import build_network
    from ctexp.learning.training import compile_network

    rng = np.random.default_rng(0)
    square = rng.random((SIDE, SIDE), dtype=np.float32)
    fastest = 2 * SIDE**3 / seconds_of(lambda: square @ square, 3)
    print(f"large matrices: {fastest / 1e9:.0f} billion operations a second\n")
    print("| preset | a step, s | asking alone, s | billion operations | their rate | steps of an epoch, s |\n"
          "|---|---|---|---|---|---|")  # fmt: skip
    for name in wished.presets.split(","):
        preset = get_preset(name)
        batch, shape = preset.training.batch_size, preset.scan.shape
        network = build_network(preset.network, shape, "float32")
        compile_network(network, preset.training, wished.train_scans)
        inputs = rng.random((batch, *shape, 1), dtype=np.float32)
        labels = (np.arange(batch) % 2).reshape(-1, 1)
        forward = seconds_of(lambda n=network, i=inputs: n.predict_on_batch(i), wished.steps)
        step = seconds_of(lambda n=network, i=inputs, t=labels: n.train_on_batch(i, t), wished.steps)
        operations = 0
        for layer in (one for one in network.layers if isinstance(one, keras.layers.Conv3D)):
            products = int(np.prod(layer.output.shape[1:]) * np.prod(layer.kernel.shape[:-1]))
            passes = 2 if layer.kernel.shape[3] == 1 else 3  # nobody wants the derivative by a scan's voxels
            operations += 2 * batch * products * passes
        steps = wished.train_scans // batch
        print(f"| {name} | {step:.2f} | {forward:.2f} | {operations / 1e9:.0f} | {operations / step / 1e9:.0f} | "
              f"{steps * step:.0f} |", flush=True)  # fmt: skip
        keep(f"`{name}`: rate of a step's convolutions, of that of large matrices", operations / step / fastest, "")


if __name__ == "__main__":
    main()
