"""Laying one chest over another: where the lungs lie in a prepared scan, and the part round them cut out on one grid.

A copy that was cropped, padded, resampled or lost a slice shows the same chest in another place and size. Cut out round
its own lungs it shows it in nearly the same place; a least-squares step or two over a reference do the rest.
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ctexp.config import ScanSettings
from ctexp.datasets.cache import restore
from ctexp.scans.quality.anatomy import BODY_HU

Grid = tuple[int, int, int]
Field = npt.NDArray[np.float64]
"""(3, 2): middle and half length of a box along rows, columns and slices, as shares of the scan's sides."""

WHOLE: Field = np.full((3, 2), 0.5)
GRID: Grid = (64, 64, 32)
"""No more voxels than these are looked at, whatever the preset: 5,000 scans must take seconds."""
_REACH = 2.0
"""The box round the lungs, in standard deviations of their voxels: they themselves reach 1.6 to 1.9 to either side."""
_LEAST_LUNG = 0.005
"""Share of the voxels; with less lung in view the whole scan is the field."""
_OVERLAY_GRID: Grid = (16, 16, 16)
_LONGEST_STEP = 0.3


def coarse(levels: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    """Average a cache entry, (rows, columns, slices) uint16, down to at most `GRID`: float32 in 0..1."""
    array = restore(levels)
    rows, columns, slices = (min(have, most) for have, most in zip(array.shape, GRID, strict=True))
    grid = rows, columns, slices
    return array if array.shape == grid else cut(array, WHOLE, grid)


def cut(array: npt.NDArray[np.float32], field: Field, grid: Grid) -> npt.NDArray[np.float32]:
    """Average the voxels of a field into the cells of a grid; beyond the scan its edge goes on.

    Args:
        array: (rows, columns, slices) float32.
        field: the box to cut out.
        grid: cells along each axis of the result.
    """
    for axis, (middle, half) in enumerate(field):
        size = array.shape[axis]
        weights = _weights(size, (middle - half) * size, (middle + half) * size, grid[axis])
        array = np.moveaxis(np.tensordot(weights, array, axes=(1, axis)), 0, axis)
    return array


def _weights(size: int, low: float, high: float, cells: int) -> npt.NDArray[np.float32]:
    """Weights (cells, size) of the voxels in each cell between two edges; cells under a voxel are interpolated."""
    edges = np.linspace(low, high, cells + 1)
    if high - low < cells and size > 1:
        centres = np.clip((edges[1:] + edges[:-1]) / 2 - 0.5, 0, size - 1)
        below = np.minimum(np.floor(centres).astype(np.intp), size - 2)
        weights = np.zeros((cells, size))
        weights[np.arange(cells), below] = 1 - (centres - below)
        weights[np.arange(cells), below + 1] = centres - below
        return weights.astype(np.float32)
    voxels = np.arange(size)
    weights = np.clip(np.minimum(edges[1:, None], voxels + 1) - np.maximum(edges[:-1, None], voxels), 0, 1)
    weights[edges[1:] <= 0.5, 0] = 1
    weights[edges[:-1] >= size - 0.5, -1] = 1
    result: npt.NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return result


def find_field(scan: npt.NDArray[np.float32], settings: ScanSettings) -> Field:
    """Find the box round the lungs from the mean place and the spread of their voxels, which no single voxel decides.

    Args:
        scan: (rows, columns, slices) float32 in 0..1.
        settings: the preparation that gave it.

    Returns:
        The box; the whole scan where there is next to no lung.
    """
    lungs = _lungs(scan, settings)
    if lungs.mean() < _LEAST_LUNG:
        return WHOLE.copy()
    field = np.empty((3, 2))
    for axis, size in enumerate(scan.shape):
        weight = lungs.sum(axis=tuple(other for other in range(3) if other != axis))
        place = (np.arange(size) + 0.5) / size
        middle = np.average(place, weights=weight)
        spread = np.sqrt(np.average((place - middle) ** 2, weights=weight))
        field[axis] = middle, max(_REACH * spread, 1 / size)
    return field


def flip_field(field: Field, axes: tuple[int, ...]) -> Field:
    """Give the field that covers the same voxels once the scan is mirrored along `axes`."""
    field = field.copy()
    for axis in axes:
        field[axis, 0] = 1 - field[axis, 0]
    return field


def _lungs(scan: npt.NDArray[np.float32], settings: ScanSettings) -> npt.NDArray[np.bool_]:
    """Mark air with body on all four sides in its slice, in pieces that are no trifle beside the largest."""
    low, high = settings.window_hu
    body = scan > np.clip((BODY_HU - low) / (high - low), 0.02, 0.98)
    air: npt.NDArray[np.bool_] = ~body
    for axis in (0, 1):
        air = air & np.maximum.accumulate(body, axis=axis)
        air = air & np.flip(np.maximum.accumulate(np.flip(body, axis), axis=axis), axis)
    pieces, count = ndimage.label(air)
    if count == 0:
        return air
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    lungs: npt.NDArray[np.bool_] = (sizes >= 0.2 * sizes.max())[pieces]
    return lungs


class Overlay:
    """A view to lay others over, by shifting and stretching each axis.

    The six derivatives of the view, with a gain and an offset for differing intensities, are one small linear model;
    each step solves it for the difference that is left (Gauss-Newton with the roles exchanged: Baker and Matthews,
    "Lucas-Kanade 20 years on", 2004, so that the model is set up once).

    Args:
        view: (rows, columns, slices) float32 of the shape that `view_for` cuts.
    """

    def __init__(self, view: npt.NDArray[np.float32]) -> None:
        smooth = ndimage.gaussian_filter(view, 1.0)
        columns = []
        for axis, slope in enumerate(np.gradient(smooth)):
            shape = [1, 1, 1]
            shape[axis] = -1
            place = ((np.arange(view.shape[axis]) + 0.5) / view.shape[axis] * 2 - 1).reshape(shape)
            slope = slope * (view.shape[axis] / 2)
            columns += [slope, slope * place]
        model = np.stack([*(column.ravel() for column in columns), smooth.ravel(), np.ones(smooth.size)])
        self._solve = np.linalg.pinv(model @ model.T) @ model

    @staticmethod
    def view_for(scan: npt.NDArray[np.float32], field: Field) -> npt.NDArray[np.float32]:
        """Cut the view on which overlays are made."""
        return cut(scan, field, _OVERLAY_GRID)

    def lay(self, scan: npt.NDArray[np.float32], field: Field, steps: int) -> Field:
        """Give the field in which `scan` shows what this view shows, from a field near it."""
        field = field.copy()
        for _ in range(steps):
            solved = self._solve @ ndimage.gaussian_filter(self.view_for(scan, field), 1.0).ravel()
            gain = solved[6]
            if gain < 0.2:  # nothing of the reference is in it: no direction is right
                break
            change = np.clip(solved[:6] / gain, -_LONGEST_STEP, _LONGEST_STEP).reshape(3, 2)
            field[:, 0] -= change[:, 0] * field[:, 1]
            field[:, 1] *= 1 - change[:, 1]
        return field
