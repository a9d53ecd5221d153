"""Where a prepared array lies in its scan, and which of its numbers the network is to see.

The geometries differ in what is decided here and in nothing else.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ctexp.config import ScanSettings
from ctexp.scans.lungs import Lungs, find_lungs
from ctexp.scans.masks import open_in_plane
from ctexp.scans.quality.anatomy import BODY_HU
from ctexp.scans.volume import Volume

LUNG_HU = -850.0
"""Taken for the lungs' level where no lungs are found."""

Positions = list[npt.NDArray[np.floating]]


@dataclass(frozen=True, eq=False)
class Frame:
    """A grid laid over a scan that is seen as a picture (`as_picture`).

    Attributes:
        centres: for rows, columns and slices of the prepared array the centres of its voxels, in voxels of the
            picture, evenly spaced.
        steps: what one prepared voxel stands for, in voxels of the picture.
        window_hu: (low, high) in HU, which become 0 and 1.
        shown: (rows, columns, slices) float32, 1 where the network is to see the scan, 0 where it is to see the lungs'
            level; None where it sees all.
    """

    centres: Positions
    steps: list[float]
    window_hu: tuple[float, float]
    shown: npt.NDArray[np.float32] | None = None

    def cropped(self, shape: tuple[int, ...]) -> "tuple[tuple[slice, ...], Frame]":
        """Give the part of a picture of that shape that is used, and the frame as it lies in that part."""
        used = []
        for centres, step, size in zip(self.centres, self.steps, shape, strict=True):
            # A voxel more on each side: linear sampling takes the next one, too.
            first = int(np.floor(centres[0] - step / 2)) - 1
            last = int(np.ceil(centres[-1] + step / 2)) + 2
            used.append(slice(min(max(first, 0), size - 1), max(min(last, size), 1)))
        moved: Positions = [one - part.start for one, part in zip(self.centres, used, strict=True)]
        return tuple(used), Frame(moved, self.steps, self.window_hu, self.shown)


def as_picture(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """View (x, y, z) as (rows, columns, slices), or the other way: the same exchange and flips undo themselves."""
    return array[::-1, ::-1, :].transpose(1, 0, 2)


def locate(volume: Volume, settings: ScanSettings) -> Frame:
    """Find where the prepared array lies in the scan."""
    picture = as_picture(volume.stored)
    spacing_mm = (volume.spacing_mm[1], volume.spacing_mm[0], volume.spacing_mm[2])
    if settings.geometry == "lungs":
        return _round_lungs(picture.shape, find_lungs(volume), settings)
    if settings.geometry == "physical":
        return _physical(volume, picture, spacing_mm, settings)
    return _stretched(picture.shape, settings, settings.window_hu)


def _stretched(shape: tuple[int, ...], settings: ScanSettings, window_hu: tuple[float, float]) -> Frame:
    """Put first and last centres on the scan's first and last (as `scipy.ndimage.zoom` does)."""
    centres: Positions = [np.linspace(0.0, n - 1.0, m) for n, m in zip(shape, settings.shape, strict=True)]
    return Frame(centres, [n / m for n, m in zip(shape, settings.shape, strict=True)], window_hu)


def _physical(
    volume: Volume,
    picture: npt.NDArray[np.generic],
    spacing_mm: tuple[float, float, float],
    settings: ScanSettings,
) -> Frame:
    """Put the centres on a grid in mm round the middle of the body."""
    middle = body_centre(volume, picture, spacing_mm)
    centres: Positions = []
    steps = []
    for axis in range(3):
        step = settings.extent_mm[axis] / settings.shape[axis] / spacing_mm[axis]
        offsets = np.arange(settings.shape[axis]) - (settings.shape[axis] - 1) / 2
        centres.append(middle[axis] + offsets * step)
        steps.append(step)
    return Frame(centres, steps, settings.window_hu)


def _round_lungs(shape: tuple[int, ...], lungs: Lungs | None, settings: ScanSettings) -> Frame:
    """Fill the box round the lungs, HU counted from their level; the whole scan where there are none."""
    low, high = settings.lungs_hu
    if lungs is None:
        return _stretched(shape, settings, (LUNG_HU + low, LUNG_HU + high))
    inside = as_picture(lungs.inside)
    strides = (lungs.strides[1], lungs.strides[0], lungs.strides[2])
    centres: Positions = []
    steps = []
    places: Positions = []
    for axis, (size, count, stride) in enumerate(zip(shape, settings.shape, strides, strict=True)):
        # The thinned grid starts at the volume's first voxel; rows and columns of a picture run the other way.
        start = size - 1 - (inside.shape[axis] - 1) * stride if axis < 2 else 0
        used = np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != axis)))
        low_edge, high_edge = start + (used[0] - 0.5) * stride, start + (used[-1] + 0.5) * stride
        step = (high_edge - low_edge) / count
        centres.append(low_edge + (np.arange(count) + 0.5) * step)
        steps.append(float(step))
        places.append((centres[-1] - start) / stride)
    shown = resample(inside.astype(np.float32), places)
    return Frame(centres, steps, (lungs.level_hu + low, lungs.level_hu + high), shown)


def body_centre(
    volume: Volume, picture: npt.NDArray[np.generic], spacing_mm: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Find the middle of the box round the body, in voxels of `picture` (rows, columns, slices).

    The largest connected piece denser than -500 HU on a grid of about 4 mm is the body; table and tubes are other
    pieces. The middle of the volume is the answer when there is none.
    """
    strides = [max(1, round(4.0 / mm)) for mm in spacing_mm]
    coarse = volume.to_hu(picture[:: strides[0], :: strides[1], :: strides[2]]) > BODY_HU
    # Opening in-plane cuts the thin bridge between a back and the table it lies on.
    coarse = open_in_plane(coarse)
    labels, count = ndimage.label(coarse)
    if count == 0:
        rows, columns, slices = ((n - 1) / 2 for n in picture.shape)
        return rows, columns, slices
    sizes = np.bincount(labels.ravel())
    box = ndimage.find_objects(labels)[int(np.argmax(sizes[1:]))]
    rows, columns, slices = (
        (part.start + part.stop - 1) / 2 * stride for part, stride in zip(box, strides, strict=True)
    )
    return rows, columns, slices


def resample(array: npt.NDArray[np.float32], places: Positions) -> npt.NDArray[np.float32]:
    """Interpolate linearly along each axis; beyond the outermost centres their values hold on.

    Args:
        array: 3 axes, float32.
        places: for each axis the wanted places, in voxels of the array.
    """
    result = array
    # The axis that grows least comes first, so that the others have less to do.
    for axis in sorted(range(3), key=lambda one: len(places[one]) / array.shape[one]):
        place = np.clip(places[axis], 0.0, array.shape[axis] - 1.0)
        below = np.minimum(np.floor(place).astype(np.intp), max(array.shape[axis] - 2, 0))
        share = (place - below).astype(np.float32)
        share = share.reshape([-1 if other == axis else 1 for other in range(3)])
        first = np.take(result, below, axis=axis)
        second = np.take(result, np.minimum(below + 1, array.shape[axis] - 1), axis=axis)
        second -= first
        second *= share
        first += second
        result = first
    return np.asarray(result, dtype=np.float32)
