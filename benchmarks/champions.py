"""What the history holds after several promotions of the same moment.

    python -m benchmarks.champions [--promotions 8]

One tiny network is trained in a temporary project and registered again and again; then that many `ctexp models promote`
processes are started at once, each for a version of its own and each with the whole comparison. Prints what every
process said and the history as everybody sees it afterwards.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import mlflow
from mlflow import MlflowClient

from ctexp.datasets.phantom import PhantomSettings, write_phantoms


def main() -> None:
    """Train, promote at once, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--promotions", type=int, default=8)
    wished = parser.parse_args()
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "CTEXP_"))}
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        write_phantoms(project / "scans", PhantomSettings(scans=40, size=48, masks=False))
        (project / "split.toml").write_text("[split]\nvalidation = 0.4\ntest = 0.1\n")

        def start(*words: str) -> "subprocess.Popen[str]":
            return subprocess.Popen([sys.executable, "-m", "ctexp", *words], cwd=project, env=kept, text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip

        trained = start("train", "--data", "scans", "--preset", "smoke", "--config", "split.toml")
        _, err = trained.communicate()
        if trained.returncode:
            raise SystemExit(err)
        store = f"sqlite:///{project / 'mlflow.db'}"
        mlflow.set_tracking_uri(store)  # a version is looked for by a client that MLflow makes itself
        client = MlflowClient(store)
        first = client.get_model_version("ctexp", "1")
        versions = [
            client.create_model_version("ctexp", first.source, first.run_id).version for _ in range(wished.promotions)
        ]
        began = time.perf_counter()
        started = [start("models", "promote", f"models:/ctexp/{version}") for version in versions]
        for version, process in zip(versions, started, strict=True):
            out, err = process.communicate()
            last = (out if process.returncode == 0 else err).strip().splitlines()[-1:]
            print(f"version {version}: exit {process.returncode}  {' '.join(last)}")
        print(f"{time.perf_counter() - began:.1f} s in all; then the history:")
        out, _ = start("models", "history", "--json").communicate()
        found = json.loads(out)
        for event in found["events"]:
            print(f"  {event['when']}  {event['what']}: {event['from']} -> {event['to']}")
        print(f"champion {found['champion']}, alias and last event {'agree' if found['agrees'] else 'DISAGREE'}")


if __name__ == "__main__":
    main()
