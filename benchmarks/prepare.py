"""Preparing a scan: ctexp against the published steps with nibabel and scipy, on the same files in the same run.

    python -m benchmarks.prepare [--scans 16] [--rounds 3]

Synthetic scans of 512x512 are drawn into a temporary folder first. Each round prepares all of them once with either
program, in turn; the medians of the rounds are printed. ctexp's time includes hashing the files, the gate and writing
the cache; `default` is the default preset's preparation, the lungs and beside them the whole scan. `inflating` only
decompresses the files on all cores, by the library that ctexp uses: no preparation can take less.
"""

import argparse
import platform
import statistics
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
from isal import igzip
from scipy import ndimage

from benchmarks.figures import keep
from ctexp.config import ScanSettings
from ctexp.datasets.cache import ScanCache, restore
from ctexp.datasets.ingest import ingest
from ctexp.datasets.parallel import cores, ordered_map
from ctexp.datasets.phantom import PhantomSettings, write_phantoms
from ctexp.presets import get_preset

WINDOW_HU = (-1000.0, 400.0)
SHAPE = (128, 128, 64)
SETTINGS = {
    "linear": ScanSettings(shape=SHAPE, window_hu=WINDOW_HU, resampling="linear"),
    "area": ScanSettings(shape=SHAPE, window_hu=WINDOW_HU, resampling="area"),
    "default": get_preset("default").scan,
}


def published_steps(path: Path) -> np.ndarray:
    """Do what the published recipe does: window, scale, rotate by 90 degrees, zoom; one scan at a time."""
    low, high = WINDOW_HU
    volume = nib.load(path).get_fdata()
    volume = ((np.clip(volume, low, high) - low) / (high - low)).astype("float32")
    turned = ndimage.rotate(volume, 90, reshape=False)
    factors = [wanted / given for wanted, given in zip(SHAPE, turned.shape, strict=True)]
    return ndimage.zoom(turned, factors, order=1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    wished = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_phantoms(folder / "scans", PhantomSettings(scans=wished.scans, size=512))
        paths = sorted((folder / "scans").glob("CT-*/*.nii.gz"))
        seconds: dict[str, list[float]] = {name: [] for name in ("published", *SETTINGS, "inflating")}
        worst = 0.0
        for number in range(wished.rounds):
            began = time.perf_counter()
            expected = [published_steps(path) for path in paths]
            seconds["published"].append(time.perf_counter() - began)
            for label, settings in SETTINGS.items():
                cache = ScanCache(folder / f"cache-{number}-{label}", settings)
                began = time.perf_counter()
                done = ingest(paths, cache)
                seconds[label].append(time.perf_counter() - began)
                if label == "linear":
                    for one, array in zip(done, expected, strict=True):
                        worst = max(worst, float(np.abs(restore(cache.load(one.sha256)) - array).max()))
            began = time.perf_counter()
            for _ in ordered_map(lambda path: len(igzip.decompress(path.read_bytes())), paths, cores()):
                pass
            seconds["inflating"].append(time.perf_counter() - began)
    print(f"{platform.machine()}, {cores()} cores, Python {platform.python_version()}, {len(paths)} scans of 512x512")
    reference = statistics.median(seconds["published"]) / len(paths)
    for label, values in seconds.items():
        each = statistics.median(values) / len(paths)
        if label in SETTINGS:
            keep(f"preparing, `{label}`", reference / each, "times the published rate", "at least 12")
            limit = each / (statistics.median(seconds["inflating"]) / len(paths))
            keep(f"preparing, `{label}`", limit, "times as long as decompressing alone", "at most 1.5")
        print(f"{label:<10} {each:6.3f} s a scan   {reference / each:5.1f} times the published rate")
    print(f"largest difference of `linear` to the published arrays: {worst:.1e} of the 0..1 scale")


if __name__ == "__main__":
    main()
