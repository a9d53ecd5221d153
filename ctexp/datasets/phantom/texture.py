"""Smooth random fields on the coarse grid."""

from typing import Any

import numpy as np
from scipy import sparse

from ctexp.datasets.phantom.grid import COARSE_MM, SLICE_MM, Array, Grid


def smooth_noise(rng: np.random.Generator, grid: Grid, scale_mm: float, scale_z_mm: float | None = None) -> Array:
    """Gaussian noise `(z, y, x)` of unit variance whose features are about `scale_mm` wide.

    Random values sit on a lattice as wide as the features and are spread by Gaussian weights along
    each axis in turn; that costs far less than filtering white noise. The weights are sparse, and sparse
    products have one fixed order of summation, whatever the number of threads.
    """
    along_z = _weights(grid.slices, SLICE_MM, scale_z_mm or scale_mm)
    along_y = _weights(len(grid.coarse_y), COARSE_MM, scale_mm)
    along_x = _weights(len(grid.coarse_x), COARSE_MM, scale_mm)
    lattice = (along_x.shape[1], along_y.shape[1], along_z.shape[1])
    field = rng.standard_normal(lattice).astype(np.float32)
    # The axis to be spread stands first; z is last, since then the largest product runs along whole slices.
    field = (along_x @ field.reshape(lattice[0], -1)).reshape(-1, *lattice[1:])
    field = np.ascontiguousarray(field.transpose(1, 2, 0))
    field = (along_y @ field.reshape(lattice[1], -1)).reshape(-1, *field.shape[1:])
    field = np.ascontiguousarray(field.transpose(1, 0, 2))
    spread: Array = (along_z @ field.reshape(lattice[2], -1)).reshape(-1, *field.shape[1:])
    return spread


def _weights(nodes: int, step_mm: float, scale_mm: float) -> Any:
    """Sparse `(nodes, lattice)` weights, each row of unit length so that the variance stays 1."""
    at = np.arange(nodes) * step_mm
    lattice = np.arange(-scale_mm, nodes * step_mm + 2 * scale_mm, scale_mm * 0.7)
    w = np.exp(-(((at[:, None] - lattice[None]) / (0.6 * scale_mm)) ** 2))
    w[w < 0.01] = 0
    w /= np.sqrt((w * w).sum(axis=1, keepdims=True))
    return sparse.csr_array(w.astype(np.float32))
