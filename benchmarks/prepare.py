"""Preparing a scan: ctexp against the published steps with nibabel and scipy, on the same files in the same run.

    python -m benchmarks.prepare [--scans 16] [--rounds 3]

Synthetic scans of 512x512 are drawn into a temporary folder first. Each round prepares all of them once with either
program, in turn; the medians of the rounds are printed. ctexp's time includes hashing the files, the gate and writing
the cache; `default` is the default preset's preparation, the lungs and beside them the whole scan. `inflating` only
decompresses the files on all cores, by the library that ctexp uses: no preparation can take less. `one` is `default` in
one thread; beside it stands what all cores gain over one core where nothing but memory is asked, and nothing but the
core. Last, the steps of `default` one by one in one thread, which says where the time goes that is not decompressing.
"""

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import nibabel as nib
import numpy as np
from isal import igzip
from scipy import ndimage
from threadpoolctl import threadpool_limits

from benchmarks.figures import keep
from ctexp.config import ScanSettings
from ctexp.datasets.cache import WHOLE, ScanCache, restore
from ctexp.datasets.ingest import ingest
from ctexp.datasets.parallel import cores, ordered_map
from ctexp.datasets.phantom import PhantomSettings, write_phantoms
from ctexp.presets import get_preset
from ctexp.scans.lungs import find_lungs
from ctexp.scans.prepare import prepare
from ctexp.scans.quality import examine
from ctexp.scans.read import OpenedScan, open_scan

T = TypeVar("T")
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


def steps(paths: list[Path], cache: ScanCache) -> dict[str, float]:
    """Take the steps of preparing one by one in this thread; give the median seconds of each."""
    seconds: dict[str, list[float]] = {}

    def timed(name: str, work: Callable[[], T]) -> T:
        began = time.perf_counter()
        done = work()
        seconds.setdefault(name, []).append(time.perf_counter() - began)
        return done

    settings = SETTINGS["default"]
    with threadpool_limits(1, user_api="blas"):
        for path in paths:
            scan = timed("reading and hashing", lambda path=path: _hashed(open_scan(path)))
            timed("decompressing", lambda path=path: len(igzip.decompress(path.read_bytes())))
            volume = timed("decoding, decompressing included", scan.decode)
            examination = timed("the gate", lambda volume=volume: examine(volume))
            lungs = timed("finding the lungs", lambda volume=volume: find_lungs(volume))
            array = timed("averaging, the lungs found again", lambda volume=volume: prepare(volume, settings))
            timed("averaging the whole scan", lambda volume=volume: prepare(volume, WHOLE))
            timed("storing", lambda scan=scan, array=array: cache.store(scan.sha256, array))
            assert examination.quality.verdict != "refuse"
            assert lungs is not None
    return {name: statistics.median(values) for name, values in seconds.items()}


def gain(work: Callable[[], object], rounds: int = 5) -> float:
    """Say how many times as often all cores do something in the time that one core does it in, at best."""
    one = min(_seconds(work, 1) for _ in range(rounds))
    return cores() * one / min(_seconds(work, cores()) for _ in range(rounds))


def _seconds(work: Callable[[], object], threads: int) -> float:
    began = time.perf_counter()
    for _ in ordered_map(lambda _: work(), range(8 * threads), threads):
        pass
    return time.perf_counter() - began


def _hashed(scan: OpenedScan) -> OpenedScan:
    assert scan.sha256
    return scan


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
        seconds: dict[str, list[float]] = {name: [] for name in ("published", *SETTINGS, "one", "inflating")}
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
            ingest(paths, ScanCache(folder / f"cache-{number}-one", SETTINGS["default"]), threads=1)
            seconds["one"].append(time.perf_counter() - began)
            began = time.perf_counter()
            for _ in ordered_map(lambda path: len(igzip.decompress(path.read_bytes())), paths, cores()):
                pass
            seconds["inflating"].append(time.perf_counter() - began)
        parts = steps(paths, ScanCache(folder / "cache-steps", SETTINGS["default"]))
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
    numbers, matrix = np.ones(30_000_000, dtype=np.int16), np.ones((512, 512), dtype=np.float32)
    gains = {
        "`default`": statistics.median(seconds["one"]) / statistics.median(seconds["default"]),
        "products of small matrices": gain(lambda: [matrix @ matrix for _ in range(8)]),
        "copying memory": gain(numbers.copy),
    }
    print("all cores against one, times as fast: " + ", ".join(f"{name} {value:.2f}" for name, value in gains.items()))
    print("one thread, ms a scan: " + ", ".join(f"{name} {1000 * value:.0f}" for name, value in parts.items()))


if __name__ == "__main__":
    main()
