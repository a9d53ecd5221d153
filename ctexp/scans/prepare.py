"""A volume to the network's input: window, axes as a picture, target size.

Each output axis is described by the positions, in voxels of the scan, of its centres; the two geometries differ in
these positions and in nothing else. Only the voxels that are needed are turned into HU.
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ctexp.config import ScanSettings
from ctexp.scans.masks import open_in_plane
from ctexp.scans.volume import Volume

BODY_HU = -500.0
"""Between air or lung and the thinnest soft tissue: what is denser belongs to the body (or the table)."""

_BAND = 16
"""New voxels that are averaged by one product of matrices."""


def prepare(volume: Volume, settings: ScanSettings) -> npt.NDArray[np.float32]:
    """Prepare a scan for the network.

    The published recipe rotates the stored array by 90 degrees with a spline; here the same is an exchange and a flip
    of axes, exact and free.

    Args:
        volume: the scan.
        settings: shape, window, geometry and resampling.

    Returns:
        (rows, columns, slices) float32 in 0..1. Rows run from front to back, columns from the patient's right to left
        (the picture a radiologist sees), slices from feet to head.
    """
    picture = as_picture(volume.stored)
    centres, steps = locate(volume, settings)
    low, high = settings.window_hu
    array: npt.NDArray[np.generic] = picture
    if settings.resampling == "area" and min(steps[:2]) > 1.0:
        array = _average_planes(picture, centres, steps, settings, volume)
        array = _resample(array, 2, centres[2], steps[2], settings, None)
    else:
        for axis in range(3):
            array = _resample(array, axis, centres[axis], steps[axis], settings, volume if axis == 0 else None)
    result = np.ascontiguousarray(array, dtype=np.float32)
    result -= np.float32(low)
    result *= np.float32(1.0 / (high - low))
    return np.clip(result, 0.0, 1.0, out=result)


Positions = list[npt.NDArray[np.floating]]


def as_picture(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """View (x, y, z) as (rows, columns, slices), or the other way: the same exchange and flips undo themselves."""
    return array[::-1, ::-1, :].transpose(1, 0, 2)


def locate(volume: Volume, settings: ScanSettings) -> tuple[Positions, list[float]]:
    """Find where the prepared array lies in the scan.

    Returns:
        For rows, columns and slices of the prepared array the centres of its voxels, in voxels of the scan seen as a
        picture (`as_picture`), evenly spaced; and what one prepared voxel stands for, in voxels of the scan.
    """
    picture = as_picture(volume.stored)
    if settings.geometry == "stretch":
        return _stretched(picture.shape, settings.shape)
    spacing_mm = (volume.spacing_mm[1], volume.spacing_mm[0], volume.spacing_mm[2])
    return _physical(volume, picture, spacing_mm, settings)


def _stretched(shape: tuple[int, ...], target: tuple[int, int, int]) -> tuple[Positions, list[float]]:
    """Put first and last centres on the scan's first and last (as `scipy.ndimage.zoom` does)."""
    centres: Positions = [np.linspace(0.0, n - 1.0, m) for n, m in zip(shape, target, strict=True)]
    return centres, [n / m for n, m in zip(shape, target, strict=True)]


def _physical(
    volume: Volume,
    picture: npt.NDArray[np.generic],
    spacing_mm: tuple[float, float, float],
    settings: ScanSettings,
) -> tuple[Positions, list[float]]:
    """Put the centres on a grid in mm round the middle of the body."""
    middle = body_centre(volume, picture, spacing_mm)
    centres: Positions = []
    steps = []
    for axis in range(3):
        step = settings.extent_mm[axis] / settings.shape[axis] / spacing_mm[axis]
        offsets = np.arange(settings.shape[axis]) - (settings.shape[axis] - 1) / 2
        centres.append(middle[axis] + offsets * step)
        steps.append(step)
    return centres, steps


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


def _resample(
    array: npt.NDArray[np.generic],
    axis: int,
    centres: npt.NDArray[np.floating],
    step: float,
    settings: ScanSettings,
    stored_of: Volume | None,
) -> npt.NDArray[np.float32]:
    """Resample one axis; outside the scan is air. `stored_of` is given while the numbers are still the file's own."""
    low = settings.window_hu[0]

    def in_window(part: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        return part.astype(np.float32, copy=False) if stored_of is None else _in_window(part, settings, stored_of)

    if settings.resampling == "area" and step > 1.0:
        return _average(in_window(array), axis, centres, step, low)
    size = array.shape[axis]
    below = np.floor(centres).astype(np.intp)
    shape = [1, 1, 1]
    shape[axis] = -1
    share = (centres - below).astype(np.float32).reshape(shape)
    first = in_window(np.take(array, np.clip(below, 0, size - 1), axis=axis))
    second = in_window(np.take(array, np.clip(below + 1, 0, size - 1), axis=axis))
    second -= first
    second *= share
    second += first
    outside = (centres < -0.5) | (centres > size - 0.5)
    if outside.any():
        np.moveaxis(second, axis, 0)[outside] = low
    return second


def _in_window(stored: npt.NDArray[np.generic], settings: ScanSettings, volume: Volume) -> npt.NDArray[np.float32]:
    """Turn stored numbers into HU within the window; that comes before the mean of two voxels, as published."""
    low, high = settings.window_hu
    hu = volume.to_hu(stored)
    return np.clip(hu, np.float32(low), np.float32(high), out=hu)


def _average_planes(
    picture: npt.NDArray[np.generic], centres: Positions, steps: list[float], settings: ScanSettings, volume: Volume
) -> npt.NDArray[np.float32]:
    """Average rows and columns, one slice after another: a slice stays in the processor's cache for all that is done.

    Returns:
        (new rows, new columns, slices) float32 HU.
    """
    (rows, no_row), (columns, no_column) = (
        _weights(picture.shape[axis], centres[axis], steps[axis]) for axis in (0, 1)
    )
    bands = _bands(columns), _bands(rows)
    outside = np.float32(settings.window_hu[0])
    planes = np.zeros((picture.shape[2], len(rows), len(columns)), dtype=np.float32)
    across = np.zeros((picture.shape[0], len(columns)), dtype=np.float32)
    for plane, result in zip(np.moveaxis(picture, 2, 0), planes, strict=True):
        hu = _in_window(plane, settings, volume)
        for new, old, weights in bands[0]:
            np.matmul(hu[:, old], weights.T, out=across[:, new])
        for new, old, weights in bands[1]:
            np.matmul(weights, across[old], out=result[new])
    planes += (no_row[:, None] + (1 - no_row)[:, None] * no_column) * outside
    return np.moveaxis(planes, 0, 2)


def _bands(weights: npt.NDArray[np.float32]) -> list[tuple[slice, slice, npt.NDArray[np.float32]]]:
    """Cut (new, old) weights into bands of few new voxels and the old ones that they are made of: the rest is zero."""
    found = []
    for start in range(0, len(weights), _BAND):
        band = weights[start : start + _BAND]
        used = np.flatnonzero(band.any(axis=0))
        if used.size:
            old = slice(int(used[0]), int(used[-1]) + 1)
            found.append((slice(start, start + len(band)), old, np.ascontiguousarray(band[:, old])))
    return found


def _average(
    array: npt.NDArray[np.float32], axis: int, centres: npt.NDArray[np.floating], step: float, outside: float
) -> npt.NDArray[np.float32]:
    """Average over `step` voxels round each centre, edge voxels by the share that is covered."""
    weights, missing = _weights(array.shape[axis], centres, step)
    product = np.tensordot(weights, array, axes=(1, axis))
    product += (missing * np.float32(outside)).reshape(-1, *[1] * (product.ndim - 1))
    return np.moveaxis(product, 0, axis)


def _weights(
    size: int, centres: npt.NDArray[np.floating], step: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Give each voxel's share in each mean, (centres, size), and what of the mean lies outside, (centres,)."""
    edges = centres[:, None] + np.array([-step / 2, step / 2])
    voxels = np.arange(size)
    covered = np.minimum(edges[:, 1:], voxels + 0.5) - np.maximum(edges[:, :1], voxels - 0.5)
    weights = np.clip(covered, 0.0, 1.0)
    inside = weights.sum(axis=1, keepdims=True)
    scale = np.where(inside > 0, np.maximum(inside, step / 2), 1.0)
    weights /= scale
    missing = (1.0 - weights.sum(axis=1)).clip(0.0, 1.0)
    return weights.astype(np.float32), missing.astype(np.float32)
