"""Writing a collection of phantoms: atomic, resumable, the same bytes every time."""

import gzip
import json
import os
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from ctexp.datasets.parallel import cores
from ctexp.datasets.phantom.scan import make_scan
from ctexp.datasets.phantom.settings import PhantomSettings, label_of
from ctexp.errors import ConfigError, DataError, WorkError
from ctexp.scans.nifti import SYNTHETIC_MARK

FORMAT = 2
CLASSES = ("CT-0", "CT-23")
DONE = "phantom.json"
UNDER_WAY = "phantom.partial.json"
_OF_DESKTOPS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""What some put into every folder that is looked at."""
_TEMPORARY = re.compile(r"\.tmp-\d+-(study_\d{4,}\.nii\.gz|phantom\.partial\.json)")
# Noise hardly compresses: higher levels cost seconds a scan and save some per cent.
_GZIP_LEVEL = 1
_IMAGE: Any = nib.Nifti1Image  # nibabel is typed in part only


def scan_path(index: int) -> Path:
    """Path of a scan inside the collection folder."""
    return Path(CLASSES[label_of(index)]) / f"study_{index + 1:04d}.nii.gz"


def mask_path(index: int) -> Path:
    """Path of the lesion mask of an abnormal scan inside the collection folder."""
    return Path("masks") / scan_path(index)


def _expected(settings: PhantomSettings) -> dict[int, list[Path]]:
    files = {}
    for index in range(settings.scans):
        files[index] = [scan_path(index)]
        if settings.masks and label_of(index):
            files[index].append(mask_path(index))
    return files


def _is_there(path: Path) -> bool:
    # A power failure can leave an empty file under the final name.
    return path.is_file() and path.stat().st_size > 0


def _put(path: Path, data: bytes) -> None:
    """Write a file under a temporary name beside it, then give it its name: it is never seen half written."""
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _nifti(array: NDArray[np.int16] | NDArray[np.uint8], affine: NDArray[np.float64]) -> bytes:
    """A gzip-compressed NIfTI-1 file without time stamp or file name in the gzip header."""
    image: Any = _IMAGE(array, affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = SYNTHETIC_MARK  # a copy without `phantom.json` beside it is still known for what it is
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    return gzip.compress(image.to_bytes(), compresslevel=_GZIP_LEVEL, mtime=0)


def _write_scan(folder: Path, index: int, settings: PhantomSettings) -> int:
    scan = make_scan(index, settings)
    if settings.masks and scan.label:
        _put(folder / mask_path(index), _nifti(scan.mask.astype(np.uint8), scan.affine))
    _put(folder / scan_path(index), _nifti(scan.hu, scan.affine))
    return index


def _manifest(settings: PhantomSettings) -> bytes:
    return (json.dumps({"format": FORMAT, "settings": asdict(settings)}, indent=2, sort_keys=True) + "\n").encode()


def _check_folder(folder: Path, settings: PhantomSettings) -> None:
    """Accept an empty folder or one begun with the same settings; leftovers of an interrupted write are removed."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise DataError(f"{folder}: must be a folder for the phantoms, but is a file; give another path")
    found = [p for p in sorted(folder.rglob("*")) if not p.is_dir()]
    begun = [p for p in (folder / DONE, folder / UNDER_WAY) if p.is_file()]
    for path in begun:
        if path.read_bytes() != _manifest(settings):
            raise DataError(f"{path}: holds phantoms of other settings or of another version; give another folder")
    allowed = {folder / p for paths in _expected(settings).values() for p in paths} if begun else set()
    for path in found:
        if _TEMPORARY.fullmatch(path.name) or path.name in _OF_DESKTOPS:
            continue
        if path not in allowed and path not in begun:
            raise DataError(f"{path}: is no part of this phantom collection; remove it, or give an empty folder")
    for path in found:
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def write_phantoms(
    folder: Path,
    settings: PhantomSettings,
    *,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write all scans of a collection, or the rest of one that was interrupted.

    `CT-0` holds the normal scans, `CT-23` the abnormal ones, `masks/CT-23` the lesion masks. The file
    `phantom.json` is written last: where it lies, the collection is complete. Worker processes are
    spawned, so a script that calls this needs the usual `if __name__ == "__main__":` guard.

    Args:
        folder: Where to write; created if need be.
        settings: What to write.
        processes: Worker processes; by default one for each available core. 1 works in this process.
        progress: Called with (scans finished, scans in all) after each scan and once at the start.

    Raises:
        ConfigError: `processes` is under 1.
        DataError: The folder holds something else.
        WorkError: The disk or a worker process failed.
    """
    if processes is not None and processes < 1:
        raise ConfigError(f"processes: must be a whole number >= 1, got {processes!r}")
    folder = Path(folder)
    _check_folder(folder, settings)
    expected = _expected(settings)
    todo = [i for i, paths in expected.items() if not all(_is_there(folder / p) for p in paths)]
    try:
        for parent in sorted({folder / p.parent for paths in expected.values() for p in paths}):
            parent.mkdir(parents=True, exist_ok=True)
        if not (folder / DONE).is_file():
            _put(folder / UNDER_WAY, _manifest(settings))
        _run(folder, settings, todo, processes, progress)
        if (folder / UNDER_WAY).is_file():
            os.replace(folder / UNDER_WAY, folder / DONE)
    except (OSError, BrokenProcessPool) as error:
        raise WorkError(f"{folder}: writing phantoms failed, {error}; call again to resume") from error


def _run(
    folder: Path,
    settings: PhantomSettings,
    todo: list[int],
    processes: int | None,
    progress: Callable[[int, int], None] | None,
) -> None:
    done = settings.scans - len(todo)
    tell = progress or (lambda _done, _total: None)
    tell(done, settings.scans)
    workers = min(processes or cores(), len(todo))
    if workers <= 1:
        for count, index in enumerate(todo, start=done + 1):
            _write_scan(folder, index, settings)
            tell(count, settings.scans)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(_write_scan, folder, index, settings) for index in todo]
        try:
            for count, job in enumerate(as_completed(jobs), start=done + 1):
                job.result()
                tell(count, settings.scans)
        except BaseException:
            # Scans under way are finished and kept; those not begun are left for the next call.
            pool.shutdown(wait=True, cancel_futures=True)
            raise
