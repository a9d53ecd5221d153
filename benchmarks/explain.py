"""Where heat maps lie: the share of their mass inside the lesions of synthetic scans, against chance.

    python -m benchmarks.explain PROJECT [--scans 20] [--occlusion 6]

PROJECT is a folder in which `ctexp train --data phantom` has run: its champion is explained on abnormal scans of its
locked test, which neither trained it nor chose its weights. Chance is the share that lesions have of the whole scan,
or of the lungs; a map that knows nothing of lesions has a ratio of 1. Under `lungs` only heat within the lungs counts.
The last rows are the sanity check of Adebayo et al. 2018: the same network with its weights drawn afresh.
"""

import argparse
import csv
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from ctexp.config import ScanSettings
from ctexp.datasets.cache import quantise, restore
from ctexp.datasets.load import DEFAULT_PHANTOMS
from ctexp.datasets.phantom import PhantomSettings
from ctexp.datasets.phantom.organs import make_organs
from ctexp.datasets.phantom.patient import draw_patient, make_grid
from ctexp.datasets.phantom.settings import stream
from ctexp.registry.explain import METHODS, Method, explain_prepared
from ctexp.registry.network import OnnxNetwork
from ctexp.registry.predictor import Predictor
from ctexp.scans.prepare import prepare
from ctexp.scans.read import read_scan
from ctexp.scans.unprepare import unprepare
from ctexp.scans.volume import Volume

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Case:
    """An abnormal scan and, on its voxels, where its lesions and its lungs are."""

    volume: Volume
    lesions: Mask
    lungs: Mask


def lungs_of(index: int, settings: PhantomSettings) -> Mask:
    """Draw the lungs of a synthetic scan, healthy: (x, y, z) in the order of `Volume`."""
    patient = draw_patient(stream(settings, index, "anatomy"))
    grid = make_grid(patient, settings.size)
    organs = make_organs(patient, grid)
    share = np.zeros((grid.slices, grid.size, grid.size), dtype=np.float32)
    grid.paint(share, grid.coverage_field(organs.lung), 1.0)
    grid.paint(share, grid.coverage_field(organs.heart - 4), 0.0)
    return (share > 0.5).transpose(2, 1, 0)[::-1]  # stored LAS


def cases(project: Path, side: str, count: int) -> Iterator[Case]:
    """Give abnormal scans of one side of the split of a project's run."""
    table = next(iter(sorted((project / "mlruns").rglob("split.csv"))))
    folder = project / "data" / "phantom"
    rows = [row for row in csv.DictReader(table.open()) if row["side"] == side]
    ill = [row["file"] for row in rows if (folder / "CT-23" / row["file"]).exists()]
    for name in ill[:count]:
        volume = read_scan(folder / "CT-23" / name)
        lesions = read_scan(folder / "masks" / "CT-23" / name).stored > 0
        index = int(name.removeprefix("study_").removesuffix(".nii.gz")) - 1
        yield Case(volume, lesions, lungs_of(index, DEFAULT_PHANTOMS) | lesions)


def redrawn(content: bytes, folder: Path) -> OnnxNetwork:
    """Give a network with each weight drawn anew: the same spread, no knowledge."""
    rng = np.random.default_rng(0)
    model = onnx.load_model_from_string(content)
    for one in model.graph.initializer:
        value = numpy_helper.to_array(one)
        if value.dtype == np.float32:
            new = rng.normal(value.mean(), value.std(), value.shape).astype(np.float32)
            one.CopyFrom(numpy_helper.from_array(new, one.name))
    file = folder / "redrawn.onnx"
    file.write_bytes(model.SerializeToString())
    return OnnxNetwork(file)


def measure(networks: list[OnnxNetwork], case: Case, settings: ScanSettings, method: Method) -> tuple[float, ...]:
    """Give share and chance in the scan, share and chance in the lungs, the hottest voxel's luck, and seconds."""
    prepared = restore(quantise(prepare(case.volume, settings)))
    began = time.perf_counter()
    evidence = explain_prepared(networks, prepared, settings, method=method)
    seconds = time.perf_counter() - began
    heat = np.maximum(unprepare(np.maximum(evidence.values, 0), case.volume, settings), 0)
    inside, in_lungs, whole = heat[case.lesions].sum(), heat[case.lungs].sum(), heat.sum()
    hit = float(case.lesions[np.unravel_index(heat.argmax(), heat.shape)])
    # A map without heat points nowhere: it is given chance.
    return (inside / whole if whole else case.lesions.mean(), case.lesions.mean(),
            inside / in_lungs if in_lungs else case.lesions.sum() / case.lungs.sum(),
            case.lesions.sum() / case.lungs.sum(), hit, seconds)  # fmt: skip


def row(name: str, found: list[tuple[float, ...]]) -> str:
    """Write one method's line; a ratio is of the means, its range that of the middle half of the scans."""
    share, chance, lung_share, lung_chance, hit, seconds = np.array(found).T

    def ratio(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> str:
        low, high = np.quantile(one / other, [0.25, 0.75])
        return f"{one.mean() / other.mean():.2f} ({low:.2f} to {high:.2f})"

    return (
        f"| {name} | {len(found)} | {100 * share.mean():.1f} % | {100 * chance.mean():.1f} % "
        f"| {ratio(share, chance)} | "
        f"{100 * lung_share.mean():.1f} % | {100 * lung_chance.mean():.1f} % | {ratio(lung_share, lung_chance)} | "
        f"{100 * hit.mean():.0f} % | {np.median(seconds):.2f} |"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("--predictor", type=Path, help="folder of predictor.json; default the project's newest")
    parser.add_argument("--side", choices=("validation", "test"), default="test")
    parser.add_argument("--scans", type=int, default=20)
    parser.add_argument("--occlusion", type=int, default=6, help="scans for occlusion, which is slow")
    wished = parser.parse_args()
    folder = wished.predictor
    if folder is None:
        found = sorted((wished.project / "mlruns").rglob("predictor.json"), key=lambda file: file.stat().st_mtime)
        folder = found[-1].parent
    predictor = Predictor(folder)
    settings, trained = predictor.manifest.scan, predictor.networks.members
    scans = list(cases(wished.project, wished.side, wished.scans))
    columns = "mass in lesions | chance | ratio | in lungs: mass | chance | ratio | hottest voxel hits | s"
    print(f"| method | scans | {columns} |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        first = folder / next(iter(predictor.manifest.networks))
        random = [redrawn(first.read_bytes(), Path(name))]
        for title, networks in (("", trained), (", weights redrawn", random)):
            for method in METHODS:
                taken = scans[: wished.occlusion] if method == "occlusion" else scans
                values = [measure(networks, case, settings, method) for case in taken]
                print(row(method + title, values), flush=True)


if __name__ == "__main__":
    main()
