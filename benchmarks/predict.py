"""What an answer costs: `ctexp predict` against the same network in Keras behind MLflow, and many scans.

    python -m benchmarks.predict [--preset default] [--runs 5] [--scans 200] [--epochs 1]

Synthetic scans of 512x512x42 are drawn and a network is trained on some of them, in a temporary folder; then:

- whole processes, in turn: `ctexp predict` on one scan, and a program that loads the champion's Keras file, logged with
  MLflow's own Keras flavour, by `mlflow.pyfunc.load_model`, prepares the same scan with ctexp and asks it. Medians, and
  the largest peak of resident memory;
- all scans by one `ctexp predict`: scans a second; and, one after another in one thread, the shares of reading, judging
  and preparing, and the network;
- all scans to both networks: the largest difference of a logit.

Prints Markdown.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.figures import keep
from benchmarks.process import measure
from ctexp.datasets.parallel import cores
from ctexp.datasets.phantom import PhantomSettings, write_phantoms
from ctexp.experiments.answering.predict import load_model
from ctexp.project import Project
from ctexp.scans.read import open_scan

BASELINE = """
import sys
import mlflow, numpy as np
from pathlib import Path
from ctexp.datasets.cache import quantise, restore
from ctexp.registry.manifest import PredictorManifest
from ctexp.scans.prepare import prepare
from ctexp.scans.quality import examine
from ctexp.scans.read import read_scan
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
volume = read_scan(Path(sys.argv[4]))
examine(volume)
manifest = PredictorManifest.read(Path(sys.argv[3]))
inputs = restore(quantise(prepare(volume, manifest.scan)))[None, ..., None]
logit = float(np.ravel(model.predict(inputs))[0]) / manifest.temperature
print(1 / (1 + np.exp(-logit)))
"""


def log_keras(project: Project, keras_file: Path, shape: tuple[int, int, int]) -> str:
    """Log the champion's Keras file as MLflow's users would, and give its URI."""
    import keras
    import mlflow
    from mlflow.models.signature import ModelSignature
    from mlflow.types.schema import Schema, TensorSpec

    mlflow.set_tracking_uri(project.local_uri)
    mlflow.set_experiment("ctexp")
    network = keras.saving.load_model(keras_file, compile=False)
    signature = ModelSignature(Schema([TensorSpec(np.dtype(np.float32), (-1, *shape, 1))]))
    with mlflow.start_run():
        info = mlflow.tensorflow.log_model(network, name="keras", signature=signature, pip_requirements=["tensorflow"])
    return str(info.model_uri)


def one_scan(project: Project, uri: str, predictor: Path, scan: Path, runs: int) -> None:
    """Measure whole processes in turn and print their table."""
    mine = [sys.executable, "-m", "ctexp", "predict", str(scan), "--format", "json"]
    theirs = [sys.executable, "-c", BASELINE, project.local_uri, uri, str(predictor), str(scan)]
    measure(mine, project.root)  # fetches the version
    results: dict[str, list[tuple[float, float]]] = {"ctexp predict": [], "pyfunc with TensorFlow": []}
    for _ in range(runs):
        for name, words in zip(results, (mine, theirs), strict=True):
            seconds, memory, said = measure(words, project.root)
            results[name].append((seconds, memory))
            answer = json.loads(said)[0]["abnormal"] if name == "ctexp predict" else float(said.splitlines()[-1])
            print(f"<!-- {name}: {seconds:.2f} s, {memory:.0f} MB, {answer:.6f} -->", flush=True)
    print(f"\nOne scan of 512x512x42, whole process, {runs} runs in turn:\n")
    print("| program | median | fastest | peak memory |\n|---|---|---|---|")
    medians = {}
    for name, values in results.items():
        times = [seconds for seconds, _ in values]
        medians[name] = statistics.median(times)
        print(f"| {name} | {medians[name]:.2f} s | {min(times):.2f} s | {max(mb for _, mb in values):.0f} MB |")
    mine_median, their_median = medians.values()
    print(f"\n{their_median / mine_median:.1f} times faster.\n")
    keep("predict, one scan, against pyfunc with TensorFlow", their_median / mine_median, "times faster", "at least 3")
    keep("predict, one scan, peak memory", max(mb for _, mb in results["ctexp predict"]), "MB", "under 350")


def many_scans(project: Project, scans: list[Path], keras_file: Path) -> None:
    """Measure all scans by one process, then the shares of the work, then both networks."""
    import keras

    seconds, memory, said = measure(
        [sys.executable, "-m", "ctexp", "predict", *map(str, scans), "--format", "csv"], project.root
    )
    assert len(said.splitlines()) == len(scans) + 1
    print(f"{len(scans)} scans by one `ctexp predict`: {seconds:.1f} s, {len(scans) / seconds:.2f} scans a second, ")
    print(f"peak memory {memory:.0f} MB.\n")
    keep(f"predict, {len(scans)} scans", len(scans) / seconds, "scans a second")
    model = load_model(project=project)
    network = keras.saving.load_model(keras_file, compile=False)
    parts = {"reading": 0.0, "judging and preparing": 0.0, "network": 0.0}
    worst = 0.0
    for path in scans:
        marks = [time.perf_counter()]
        volume = open_scan(path).decode()
        marks.append(time.perf_counter())
        ready = model.predictor.ready(volume, force=True)
        marks.append(time.perf_counter())
        model.predictor.finish(ready)
        marks.append(time.perf_counter())
        for name, begin, end in zip(parts, marks, marks[1:], strict=False):
            parts[name] += end - begin
        assert ready.inputs is not None
        inputs = ready.inputs[None, ..., None]
        onnx = float(model.predictor.networks.logits(inputs)[0, 0])
        worst = max(worst, abs(onnx - float(keras.ops.convert_to_numpy(network(inputs, training=False))[0, 0])))
    whole = sum(parts.values())
    print("| part, one scan after another | ms a scan | share |\n|---|---|---|")
    for name, value in parts.items():
        print(f"| {name} | {1000 * value / len(scans):.0f} | {100 * value / whole:.0f} % |")
    keep(f"ONNX and Keras over {len(scans)} scans, largest difference of a logit", worst, "", "at most 1e-4")
    print(f"\nLargest difference of a logit, ONNX and Keras, over {len(scans)} scans: {worst:.1e}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="default")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--scans", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=1)
    wished = parser.parse_args()
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    with tempfile.TemporaryDirectory(prefix="ctexp-benchmark-") as name:
        project = Project(Path(name))
        write_phantoms(project.root / "scans", PhantomSettings(scans=wished.scans, size=512))
        scans = sorted((project.root / "scans").glob("CT-*/*.nii.gz"))
        words = ["train", "--data", "scans", "--preset", wished.preset, "--epochs", str(wished.epochs)]
        subprocess.run([sys.executable, "-m", "ctexp", *words], cwd=project.root, check=True)
        predictor = load_model(project=project).version.folder
        keras_file = next((project.root / "mlruns").rglob("predictor/network.keras"))
        settings = load_model(project=project).predictor.manifest.scan
        print(f"{platform.machine()}, {cores()} cores, Python {platform.python_version()}, preset {wished.preset}")
        uri = log_keras(project, keras_file, settings.shape)
        one_scan(project, uri, predictor, scans[0], wished.runs)
        many_scans(project, scans, keras_file)


if __name__ == "__main__":
    main()
