"""A path to the one CT series in it, and that series to its hash and its volume."""

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation, ornt2axcodes

from ctexp.errors import ScanError
from ctexp.scans.dicom.archive import zip_parts
from ctexp.scans.dicom.frames import Frame, frames_of
from ctexp.scans.dicom.geometry import Stack, stack_frames
from ctexp.scans.dicom.header import Header, Other, read_header
from ctexp.scans.dicom.library import require_pydicom
from ctexp.scans.dicom.numbers import common_scaling, convert
from ctexp.scans.dicom.parts import MAX_BYTES, file_part, folder_parts
from ctexp.scans.dicom.pixels import PixelData
from ctexp.scans.dicom.recognise import PEEK_BYTES, is_zip
from ctexp.scans.dicom.series import choose, remainder, tell_apart
from ctexp.scans.dicom.several import refuse_several
from ctexp.scans.nifti import MAX_VOXELS
from ctexp.scans.volume import Volume

T = TypeVar("T")
R = TypeVar("R")
_THREADS = 4
"""Reading files, hashing and copying run outside Python's lock; the rest does not, so that more are no use."""


@dataclass(frozen=True, eq=False)
class DicomSeries:
    """A series that was found and put in order; its voxels are read when they are asked for.

    Attributes:
        place: the path that was typed.
        stack: its slices.
        notes: what was chosen, passed over or interpolated.
    """

    place: str
    stack: Stack
    notes: tuple[str, ...]

    @cached_property
    def sha256(self) -> str:
        """Hash over the sorted hashes of the slices' files: names and order do not matter.

        Raises:
            ScanError: a file cannot be read.
        """
        hashes = sorted(_in_threads(lambda data: hashlib.sha256(data).hexdigest(), self._contents.values()))
        return hashlib.sha256("\n".join(hashes).encode()).hexdigest()

    def decode(self) -> Volume:
        """Read the voxels into a volume in RAS+ axis order.

        Raises:
            ScanError: a file is cut short or damaged.
        """
        frames = self.stack.frames
        scaling = common_scaling(frames)
        # All files are looked through before memory for the volume is asked for.
        pixels = {header: PixelData(header, data) for header, data in self._contents.items()}
        slices = np.empty((len(frames), *frames[0].header.shape), dtype=scaling.dtype)

        def fill(place: int) -> None:
            frame = frames[place]
            slices[place] = convert(pixels[frame.header].read(frame.index), frame, scaling)

        _in_threads(fill, range(len(frames)))
        volume = slices if self.stack.even else _interpolate(slices, self.stack)
        stored: npt.NDArray[np.generic] = volume.transpose(2, 1, 0)
        affine = _affine(frames[0], self.stack)
        ornt = io_orientation(affine)
        turned = apply_orientation(stored, ornt)
        affine = affine @ inv_ornt_aff(ornt, stored.shape)
        return Volume(turned, scaling.slope, scaling.intercept, affine, "".join(ornt2axcodes(ornt)))

    @cached_property
    def _contents(self) -> dict[Header, bytes]:
        headers = list(dict.fromkeys(frame.header for frame in self.stack.frames))
        contents = dict(zip(headers, _in_threads(lambda header: header.part.read(None), headers), strict=True))
        if sum(map(len, contents.values())) > MAX_BYTES:
            raise ScanError(f"{self.place}: a scan must be at most 4 GiB")
        return contents


def open_series(
    path: Path, *, series: str | None = None, allow_gaps: bool = False, one_patient: bool = False
) -> DicomSeries:
    """Find the CT series in a folder, a zip or a multi-frame file.

    Args:
        path: any of these.
        series: UID or number of the series to take; None for the axial one with most slices.
        allow_gaps: interpolate missing slices where that is sound.
        one_patient: all of it is known to be one patient's, so that one of several scans in sub-folders may be taken.

    Raises:
        ScanError: the extra is missing; a file is damaged; there is no CT series or it makes no volume; several
            sub-folders hold a scan each.
    """
    place = str(path)
    require_pydicom(place)
    if path.is_dir():
        parts = folder_parts(path)
    else:
        part = file_part(path)
        parts = zip_parts(path) if is_zip(part.read(PEEK_BYTES)) else [part]
    frames: list[Frame] = []
    others: list[Other] = []
    for part in parts:
        header = read_header(part)
        if isinstance(header, Header):
            found = frames_of(header)
            frames += found or []
            others += [] if found else [Other("CT picture without a position", header.uid, header.number)]
        elif header is not None:
            others.append(header)
    groups = tell_apart(frames)
    best, notes = choose(groups, others, series, place)
    if series is None and not one_patient:
        refuse_several(groups, best, place)
    named = place if len(groups) == 1 else f"{place}: {best.name}"
    stack = stack_frames(_once(best.frames), named, allow_gaps=allow_gaps, remark=remainder(groups, best))
    rows, columns = best.frames[0].header.shape
    count = rows * columns * len(stack.targets)
    if count > MAX_VOXELS:
        raise ScanError(f"{place}: at most {MAX_VOXELS:,} voxels are read, the series has {count:,}")
    return DicomSeries(place, stack, notes + stack.notes)


def _once(frames: tuple[Frame, ...]) -> list[Frame]:
    """Drop copies: files of the same bytes at the same place, as nested exports hold them."""
    at: dict[tuple[float, ...], list[Frame]] = {}
    for frame in frames:
        at.setdefault(tuple(frame.position), []).append(frame)
    kept = []
    for same in at.values():
        if len(same) == 1 or len({frame.header for frame in same}) < len(same):
            kept += same
        else:
            kept += {hashlib.sha256(frame.header.part.read(None)).digest(): frame for frame in same}.values()
    return kept


def _in_threads(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Do the same to all; an error in one is raised here."""
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="ctexp-slice") as pool:
        return list(pool.map(work, items))


def _affine(first: Frame, stack: Stack) -> npt.NDArray[np.float64]:
    """Give voxel (column, row, slice) to RAS+ mm. DICOM names the distance between rows first, and counts in LPS."""
    affine = np.eye(4)
    affine[:3, 0] = first.directions[0] * first.spacing_mm[1]
    affine[:3, 1] = first.directions[1] * first.spacing_mm[0]
    affine[:3, 2] = stack.step
    affine[:3, 3] = first.position
    affine[:2] *= -1.0
    return affine


def _interpolate(slices: npt.NDArray[np.generic], stack: Stack) -> npt.NDArray[np.generic]:
    """Interpolate linearly at even distances; a slice that lies at one is kept as it is."""
    result = np.empty((len(stack.targets), *slices.shape[1:]), dtype=slices.dtype)
    above = np.clip(np.searchsorted(stack.depths, stack.targets), 1, len(stack.depths) - 1)
    for target, depth in enumerate(stack.targets):
        upper = above[target]
        low, high = stack.depths[upper - 1], stack.depths[upper]
        share = np.float32(np.clip((depth - low) / (high - low), 0.0, 1.0))
        mixed = slices[upper - 1] * (np.float32(1) - share) + slices[upper] * share
        result[target] = mixed if slices.dtype.kind == "f" else np.rint(mixed)
    return result
