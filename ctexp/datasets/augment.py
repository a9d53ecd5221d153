"""Random changes of a training scan: drawn first, applied afterwards, so that any of them can be repeated.

In-plane changes are the same for every slice, so the four neighbours and weights of a pixel serve its whole column of
slices; rotation, zoom and shift cost one linear interpolation together.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctexp.config import AugmentSettings

_NOTHING = 2e-5
"""Of the scale: a cached number is off by up to 1/131070."""


@dataclass(frozen=True)
class Change:
    """One drawn change.

    Attributes:
        rotation_degrees: in plane, counter-clockwise in the picture.
        zoom: above 1 enlarges.
        shift: (rows, columns) as a share of the side; positive moves content down and to the right.
        flip: left and right exchanged.
        gain: factor on 0..1 intensities.
        offset: added after the factor.
    """

    rotation_degrees: float = 0.0
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    flip: bool = False
    gain: float = 1.0
    offset: float = 0.0


def draw_change(settings: AugmentSettings, rng: np.random.Generator) -> Change:
    """Draw one change. The same count of numbers is drawn whatever is switched off."""
    rotation, zoom, rows, columns, flip, gain, offset = rng.uniform(-1.0, 1.0, size=7)
    return Change(
        rotation_degrees=float(rotation * settings.rotation_degrees),
        zoom=float(1.0 + zoom * settings.scale),
        shift=(float(rows * settings.shift), float(columns * settings.shift)),
        flip=bool(settings.flip and flip > 0),
        gain=float(1.0 + gain * settings.intensity),
        offset=float(offset * settings.intensity / 2),
    )


def apply_change(scan: npt.NDArray[np.float32], change: Change, empty: float = 0.0) -> npt.NDArray[np.float32]:
    """Apply a change to a prepared scan.

    Args:
        scan: (rows, columns, slices) float32 in 0..1; not changed.
        change: what to do.
        empty: what a voxel holds where nothing of the scan is (`ScanSettings.empty`).

    Returns:
        Another array of the same shape, in 0..1; what comes from outside the picture is `empty`.
    """
    result = _in_plane(scan - np.float32(empty) if empty else scan, change)
    if change.gain != 1.0 or change.offset != 0.0:
        nothing = np.abs(result) < _NOTHING
        result *= np.float32(change.gain)
        result += np.float32(change.offset)
        result[nothing] = 0.0  # air is what a scanner is calibrated on, a level what is counted from: neither drifts
    result += np.float32(empty)
    return np.clip(result, 0.0, 1.0, out=result)


def _in_plane(scan: npt.NDArray[np.float32], change: Change) -> npt.NDArray[np.float32]:
    if change.flip:
        scan = scan[:, ::-1]
    if change.rotation_degrees == 0.0 and change.zoom == 1.0 and change.shift == (0.0, 0.0):
        return scan.copy()
    rows, columns, slices = scan.shape
    source_rows, source_columns = _source_positions(rows, columns, change)
    pixels = np.ascontiguousarray(scan).reshape(rows * columns, slices)
    top = np.floor(source_rows).astype(np.intp)
    left = np.floor(source_columns).astype(np.intp)
    down = (source_rows - top).astype(np.float32)
    right = (source_columns - left).astype(np.float32)
    result = np.zeros((rows * columns, slices), dtype=np.float32)
    for row_step, row_weight in ((0, 1 - down), (1, down)):
        for column_step, column_weight in ((0, 1 - right), (1, right)):
            row, column = top + row_step, left + column_step
            weight = row_weight * column_weight
            inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns) & (weight > 0)
            part = np.take(pixels, (row * columns + column)[inside], axis=0)
            part *= weight[inside][:, None]
            result[inside] += part
    return result.reshape(rows, columns, slices)


def _source_positions(
    rows: int, columns: int, change: Change
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Give for each output pixel (flattened) the row and column of the input it comes from."""
    row, column = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    angle = math.radians(change.rotation_degrees)
    # Pixels need not be square (a 128x96 target): rotate in shares of the side, where both axes have equal length.
    down = ((row.ravel() + 0.5) / rows - 0.5 - change.shift[0]) / change.zoom
    across = ((column.ravel() + 0.5) / columns - 0.5 - change.shift[1]) / change.zoom
    source_down = math.cos(angle) * down + math.sin(angle) * across
    source_across = -math.sin(angle) * down + math.cos(angle) * across
    return (source_down + 0.5) * rows - 0.5, (source_across + 0.5) * columns - 0.5
