"""A volume to the network's input: window, axes as a picture, target size.

Where the array lies in the scan is `frame`'s to say. Only the voxels that are needed are turned into HU.
"""

import numpy as np
import numpy.typing as npt

from ctexp.config import ScanSettings
from ctexp.scans.frame import Frame, as_picture, locate
from ctexp.scans.volume import Volume

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
    array: npt.NDArray[np.generic] = as_picture(volume.stored)
    used, frame = locate(volume, settings).cropped(array.shape)
    array = array[used]
    low, high = frame.window_hu
    area = settings.resampling == "area"
    if area and min(frame.steps[:2]) > 1.0:
        array = _average_planes(array, frame, volume)
        array = _resample(array, 2, frame, None, area=area)
    else:
        for axis in range(3):
            array = _resample(array, axis, frame, volume if axis == 0 else None, area=area)
    result = np.ascontiguousarray(array, dtype=np.float32)
    result -= np.float32(low)
    result *= np.float32(1.0 / (high - low))
    if frame.shown is not None:
        result -= np.float32(settings.empty)
        result *= frame.shown
        result += np.float32(settings.empty)
    return np.clip(result, 0.0, 1.0, out=result)


def _resample(
    array: npt.NDArray[np.generic],
    axis: int,
    frame: Frame,
    stored_of: Volume | None,
    *,
    area: bool,
) -> npt.NDArray[np.float32]:
    """Resample one axis; outside the scan is air. `stored_of` is given while the numbers are still the file's own."""
    centres, step, low = frame.centres[axis], frame.steps[axis], frame.window_hu[0]

    def in_window(part: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:  # before the mean of two, as published
        return part.astype(np.float32, copy=False) if stored_of is None else stored_of.to_window(part, frame.window_hu)

    if area and step > 1.0:
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


def _average_planes(picture: npt.NDArray[np.generic], frame: Frame, volume: Volume) -> npt.NDArray[np.float32]:
    """Average rows and columns, one slice after another: a slice stays in the processor's cache for all that is done.

    Returns:
        (new rows, new columns, slices) float32 HU.
    """
    (rows, no_row), (columns, no_column) = (
        _weights(picture.shape[axis], frame.centres[axis], frame.steps[axis]) for axis in (0, 1)
    )
    bands = _bands(columns), _bands(rows)
    outside = np.float32(frame.window_hu[0])
    planes = np.zeros((picture.shape[2], len(rows), len(columns)), dtype=np.float32)
    across = np.zeros((picture.shape[0], len(columns)), dtype=np.float32)
    for plane, result in zip(np.moveaxis(picture, 2, 0), planes, strict=True):
        hu = volume.to_window(plane, frame.window_hu)
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
