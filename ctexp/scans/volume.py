"""A CT volume as a value: HU on a grid whose axes and millimetres are known."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ctexp.errors import ScanError

AIR_HU = -1000.0
PADDING_HU = -1024.0
"""No tissue is this thin. Scanners fill what lies outside the field of view with -1024, -2000, -2048 or -3024, and
spline resampling overshoots below it; all of it is air."""


@dataclass(frozen=True, eq=False)
class Volume:
    """One CT volume in a fixed anatomical frame, whatever order its file had.

    Attributes:
        stored: (x, y, z) real numbers as the file holds them, a view without a copy. x grows to the patient's right,
            y to the front, z to the head (nibabel's RAS+).
        slope: factor from stored numbers to HU.
        intercept: HU added after the factor.
        affine: (4, 4) float64, voxel index to RAS+ millimetres.
        orientation: where the axes pointed in the file, as three letters of R, L, A, P, S, I; empty where unknown.
        synthetic: the header says that the scan was drawn by a program.
    """

    stored: npt.NDArray[np.generic]
    slope: float
    intercept: float
    affine: npt.NDArray[np.float64]
    orientation: str = ""
    synthetic: bool = False

    def __post_init__(self) -> None:
        if self.stored.ndim != 3:
            raise ScanError(f"volume: must have 3 axes, got {self.stored.ndim}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along x, y and z."""
        x, y, z = self.stored.shape
        return x, y, z

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxel centres along x, y and z, in mm."""
        x, y, z = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0))
        return float(x), float(y), float(z)

    @cached_property
    def hu(self) -> npt.NDArray[np.float32]:
        """(x, y, z) float32 in HU, padding turned into air; computed on first use."""
        return self.to_hu(self.stored)

    def to_hu(self, stored: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """Turn some of the stored numbers (any shape) into float32 HU, padding into air."""
        hu = self._scaled(stored)
        # A choice by a mask takes several times as long as all else here, and many scans need none.
        if hu.size and not hu.min() > PADDING_HU:  # "not": where a number is NaN the lowest is NaN, too
            np.copyto(hu, np.float32(AIR_HU), where=hu <= PADDING_HU)
        return hu

    def to_window(self, stored: npt.NDArray[np.generic], window_hu: tuple[float, float]) -> npt.NDArray[np.float32]:
        """Turn some of the stored numbers (any shape) into float32 HU within (low, high), padding into air."""
        low, high = window_hu
        # Where the window begins at air or above, its lower end is what padding becomes anyway.
        hu = self._scaled(stored) if low >= AIR_HU else self.to_hu(stored)
        return np.clip(hu, np.float32(low), np.float32(high), out=hu)

    def _scaled(self, stored: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        hu = stored.astype(np.float32)
        if self.slope != 1.0:
            hu *= np.float32(self.slope)
        if self.intercept != 0.0:
            hu += np.float32(self.intercept)
        return hu
