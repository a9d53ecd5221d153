"""Prepared arrays on disk, found by what they are made of: the scan file's bytes and the preparation's settings.

A changed file or setting is a new entry, so an entry is never wrong and never needs a lock: it is written to a
temporary name and renamed, and two processes that write the same entry write the same bytes.
"""

import dataclasses
import hashlib
import io
import json
import math
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ctexp.config import ScanSettings
from ctexp.errors import WorkError
from ctexp.files import atomic_write
from ctexp.scans.lungs import RULES as LUNG_RULES
from ctexp.scans.quality import RULES, Examination

_FORMAT = 2
"""Raised whenever the same bytes and settings would give another array."""
LEVELS = 65535
"""0..1 is kept in 16 bits: the largest error is 1/131070, 0.011 HU of a window of 1,400 HU."""


WHOLE = ScanSettings(shape=(64, 64, 32), resampling="area")
"""How scans are prepared beside a geometry that leaves most of them out: copies and shortcuts are looked for in all."""


class ScanCache:
    """Prepared arrays of one set of preparation settings.

    Args:
        folder: holds the entries of all settings; made when the first is written.
        settings: the preparation.
    """

    def __init__(self, folder: Path, settings: ScanSettings) -> None:
        found = [RULES, LUNG_RULES] if settings.geometry == "lungs" else []  # what finds body and lungs
        text = json.dumps([_FORMAT, dataclasses.asdict(settings), *found], sort_keys=True)
        self.settings = settings
        self._root = folder
        self.folder = folder / hashlib.sha256(text.encode()).hexdigest()[:16]
        self._header = _header(settings.shape)
        self.examined = folder / f"examined-{RULES}"  # what a scan is like does not depend on how it is prepared

    @property
    def wanted(self) -> "tuple[ScanCache, ...]":
        """This cache, and that of whole scans where it is another."""
        return (self, self.whole) if self.settings.geometry == "lungs" else (self,)

    @property
    def whole(self) -> "ScanCache":
        """The cache of the same scans with all that is in them, for what looks at more than the network does."""
        return ScanCache(self._root, WHOLE) if self.settings.geometry == "lungs" else self

    def path(self, sha256: str) -> Path:
        """Give the file of the entry for a scan file with this hash."""
        return self.folder / f"{sha256}.npy"

    def has(self, sha256: str) -> bool:
        """Tell whether the entry is there and whole."""
        try:
            self.load(sha256)
        except (OSError, ValueError):
            return False
        return True

    def store(self, sha256: str, prepared: npt.NDArray[np.float32]) -> None:
        """Write an entry.

        Args:
            sha256: hash of the scan file's bytes.
            prepared: (rows, columns, slices) float32 in 0..1.

        Raises:
            WorkError: the disk does not take it.
        """
        try:
            with atomic_write(self.path(sha256)) as stream:
                np.save(stream, np.ascontiguousarray(quantise(prepared)), allow_pickle=False)
        except OSError as error:
            raise WorkError(f"{self.folder}: a prepared scan must be writable here: {error}") from error

    def load(self, sha256: str) -> npt.NDArray[np.uint16]:
        """Map an entry into memory: (rows, columns, slices) uint16, read only.

        Raises:
            OSError: there is no such entry.
            ValueError: the file is no such array.
        """
        # NumPy reads a header with Python's compiler, which may fail in several threads at once (CPython 3.11), and
        # costs more than all else here. An entry's header is known beforehand: it is compared, not read.
        path = self.path(sha256)
        with path.open("rb") as stream:
            found = stream.read(len(self._header))
            size = os.fstat(stream.fileno()).st_size
        if found != self._header or size != len(found) + 2 * math.prod(self.settings.shape):
            raise ValueError(f"{path}: must be a prepared scan, uint16 of {self.settings.shape}, it is not")
        return np.memmap(path, dtype=np.uint16, mode="r", offset=len(found), shape=self.settings.shape)

    def store_examination(self, sha256: str, examination: Examination) -> None:
        """Write what the gate found, beside the entries.

        Raises:
            WorkError: the disk does not take it.
        """
        try:
            with atomic_write(self.examined / f"{sha256}.json") as stream:
                stream.write(json.dumps(examination.as_json()).encode())
        except OSError as error:
            raise WorkError(f"{self.examined}: what a scan is like must be writable here: {error}") from error

    def load_examination(self, sha256: str) -> Examination | None:
        """Read what the gate found; None where nothing whole is kept."""
        try:
            return Examination.from_json(json.loads((self.examined / f"{sha256}.json").read_bytes()))
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _header(shape: tuple[int, int, int]) -> bytes:
    """Give the bytes that `np.save` writes before an array of this shape."""
    facts = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.uint16)), "fortran_order": False, "shape": shape}
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, facts)
    return stream.getvalue()


def quantise(prepared: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Round 0..1 (float32, any shape) to the 65,536 levels that are kept."""
    levels = prepared * np.float32(LEVELS)
    levels += np.float32(0.5)
    return levels.astype(np.uint16)


def restore(levels: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    """Give the 0..1 values (float32) of kept levels."""
    return levels.astype(np.float32) * np.float32(1.0 / LEVELS)
