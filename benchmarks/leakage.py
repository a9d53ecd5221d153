"""Finding scans that are there twice: planted copies found, different scans accused, and the seconds it takes.

    python -m benchmarks.leakage [--scans 60] [--copies 10] [--size 128] [--difficulty standard]

Synthetic scans are drawn into a temporary folder. For each manipulation some of them are changed by it and saved under
a new name as another patient; the collection with these copies is then searched. A last row searches scans among which
there is no copy, the built-in collection's number of them.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.orientations import axcodes2ornt, ornt_transform
from scipy import ndimage

from ctexp.config import ScanSettings
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import Collection
from ctexp.datasets.leakage import find_near_duplicates
from ctexp.datasets.load import load_collection
from ctexp.datasets.phantom import PhantomSettings, write_phantoms
from ctexp.datasets.sources import Source
from ctexp.presets import PRESETS

Image = nib.Nifti1Image
AIR_HU = -1024


def _with(image: Image, hu: np.ndarray, affine: np.ndarray | None = None, dtype: type = np.int16) -> Image:
    values = np.round(hu) if np.issubdtype(dtype, np.integer) else hu
    return Image(values.astype(dtype), image.affine if affine is None else affine)


def _resampled(image: Image, share: float) -> Image:
    hu = image.get_fdata()
    zoomed = ndimage.zoom(hu, (share, share, 1.0), order=1)
    scale = np.diag([hu.shape[0] / zoomed.shape[0], hu.shape[1] / zoomed.shape[1], 1.0, 1.0])
    return _with(image, zoomed, image.affine @ scale)


def _rotated(image: Image, degrees: float) -> Image:
    return _with(image, ndimage.rotate(image.get_fdata(), degrees, reshape=False, order=1, cval=AIR_HU))


def _reoriented(image: Image) -> Image:
    return image.as_reoriented(ornt_transform(nib.io_orientation(image.affine), axcodes2ornt("PIR")))


def _noisy(image: Image) -> Image:
    hu = image.get_fdata()
    return _with(image, hu + np.random.default_rng(0).normal(0, 30, hu.shape))


def _cropped(image: Image, share: float) -> Image:
    rows, columns = (round(size * share) for size in image.shape[:2])
    return image.slicer[rows : image.shape[0] - rows, columns : image.shape[1] - columns]


def _padded(image: Image, share: float) -> Image:
    rows, columns = (round(size * share) for size in image.shape[:2])
    return _with(image, np.pad(image.get_fdata(), ((rows,) * 2, (columns,) * 2, (0, 0)), constant_values=AIR_HU))


MANIPULATIONS: dict[str, Callable[[Image], Image]] = {
    "saved as float32": lambda image: _with(image, image.get_fdata(), dtype=np.float32),
    "axes in another order": _reoriented,
    "+20 HU": lambda image: _with(image, image.get_fdata() + 20),
    "HU x 0.95": lambda image: _with(image, image.get_fdata() * 0.95),
    "clipped to -1000..400": lambda image: _with(image, np.clip(image.get_fdata(), -1000, 400)),
    "noise of 30 HU": _noisy,
    "smoothed, sigma 1 voxel": lambda image: _with(image, ndimage.gaussian_filter(image.get_fdata(), (1, 1, 0))),
    "mirrored left to right": lambda image: _with(image, np.flip(image.get_fdata(), 0)),
    "resampled to 80 %": lambda image: _resampled(image, 0.8),
    "cropped by 3 % a side": lambda image: _cropped(image, 0.03),
    "padded by 10 % a side": lambda image: _padded(image, 0.1),
    "first slice gone": lambda image: image.slicer[:, :, 1:],
    "first and last 2 slices gone": lambda image: image.slicer[:, :, 2:-2],
    "rotated by 1 degree": lambda image: _rotated(image, 1.0),
    "rotated by 5 degrees": lambda image: _rotated(image, 5.0),
}


def _search(folder: Path, cache: ScanCache) -> tuple[Collection, set[frozenset[str]], float]:
    collection = load_collection(Source("planted", folder), cache)
    began = time.perf_counter()
    pairs = find_near_duplicates(collection.scans, cache)
    names = {frozenset((pair.first.path.name, pair.second.path.name)) for pair in pairs}
    return collection, names, time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=int, default=60)
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--difficulty", default="standard", choices=["standard", "hard"])
    parser.add_argument("--preset", default="default")
    parser.add_argument("--alone", type=int, default=200)
    wished = parser.parse_args()
    settings: ScanSettings = PRESETS[wished.preset].scan
    with tempfile.TemporaryDirectory() as name:
        folder, cache = Path(name) / "scans", ScanCache(Path(name) / "cache", settings)
        write_phantoms(
            folder, PhantomSettings(scans=wished.scans, size=wished.size, difficulty=wished.difficulty, masks=False)
        )
        originals = sorted(folder.glob("CT-*/*.nii.gz"))[:: max(1, wished.scans // wished.copies)][: wished.copies]
        print("| copy | found | different scans accused | seconds |\n| --- | --- | --- | --- |")
        for word, change in MANIPULATIONS.items():
            copies = []
            for path in originals:
                copy = path.with_name(f"copy-of-{path.name}")
                nib.save(change(nib.load(path)), copy)
                copies.append(copy)
            _, found, seconds = _search(folder, cache)
            planted = {frozenset((path.name, copy.name)) for path, copy in zip(originals, copies, strict=True)}
            print(f"| {word} | {len(found & planted)} of {len(planted)} | {len(found - planted)} | {seconds:.1f} |")
            for copy in copies:
                copy.unlink()
        alone = Path(name) / "alone"
        write_phantoms(
            alone,
            PhantomSettings(scans=wished.alone, size=wished.size, difficulty=wished.difficulty, masks=False, seed=1),
        )
        collection, found, seconds = _search(alone, cache)
        print(f"| none, {len(collection.scans)} scans | | {len(found)} | {seconds:.1f} |")


if __name__ == "__main__":
    main()
