"""What tracking costs who adds `mlflow.keras.autolog()` to Keras's `fit`: the baseline of `benchmarks.tracking`.

    python -m benchmarks.autolog [--scans 128] [--epochs 15]

The network of the `default` preset is trained by `fit` on random arrays of its size, in this process: once to have
everything loaded, once plainly, and once with autolog into a fresh SQLite store, with its own defaults. What the third
takes longer than the second is autolog's.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.figures import keep
from ctexp.presets import get_preset


def main() -> None:
    """Train three times and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=15)
    wished = parser.parse_args()
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    preset = get_preset("default")
    rng = np.random.default_rng(0)
    scans = rng.random((wished.scans, *preset.scan.shape, 1), dtype=np.float32)
    labels = rng.integers(0, 2, (wished.scans, 1)).astype(np.float32)
    held = max(1, wished.scans // 4)

    from ctexp.learning.backend import start_backend

    start_backend(0)  # quietly, before anything else imports Keras

    import mlflow

    from ctexp.learning.network import build_network
    from ctexp.learning.training import compile_network

    def fit(epochs: int) -> float:
        network = build_network(preset.network, preset.scan.shape)
        compile_network(network, preset.training, wished.scans)
        began = time.perf_counter()
        network.fit(scans, labels, validation_data=(scans[:held], labels[:held]), batch_size=preset.training.batch_size,
                    epochs=epochs, verbose=0)  # fmt: skip
        return time.perf_counter() - began

    fit(1)
    plain = fit(wished.epochs)
    with tempfile.TemporaryDirectory(prefix="ctexp-benchmark-") as name:
        mlflow.set_tracking_uri(f"sqlite:///{Path(name) / 'mlflow.db'}")
        mlflow.set_experiment(experiment_id=mlflow.create_experiment("plain", artifact_location=f"{name}/artifacts"))
        mlflow.keras.autolog()
        logged = fit(wished.epochs)
        run = mlflow.last_active_run()
        assert run is not None
        metrics = len(run.data.metrics)
        kept = sum(path.stat().st_size for path in (Path(name) / "artifacts").rglob("*") if path.is_file())
    spent = logged - plain
    print(f"{wished.scans} arrays, {wished.epochs} epochs of `default`: {plain:.1f} s, with autolog {logged:.1f} s")
    print(f"autolog: {spent:.2f} s, {spent / logged:.2%}, for {metrics} metrics and {kept / 1e6:.1f} MB of files")
    keep("autolog, share of a default training", 100 * spent / logged, "%", "a baseline")


if __name__ == "__main__":
    main()
