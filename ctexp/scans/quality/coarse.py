"""A scan thinned out to a grid of about 4 mm: all that the gate looks at."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctexp.scans.volume import AIR_HU, PADDING_HU, Volume

STEP_MM = 4.0
FEWEST, MOST = 24, 192
"""Points along an axis, whatever spacing the header claims: enough to see by, few enough for memory."""


@dataclass(frozen=True, eq=False)
class Coarse:
    """Every n-th voxel of a scan.

    Attributes:
        raw: (x, y, z) float32, the numbers as HU with padding as it is; axes as in `Volume`.
        spacing_mm: distance between the points along x, y and z.
    """

    raw: npt.NDArray[np.float32]
    spacing_mm: tuple[float, float, float]

    @property
    def hu(self) -> npt.NDArray[np.float32]:
        """`raw` with padding turned into air."""
        return np.where(self.raw <= PADDING_HU, np.float32(AIR_HU), self.raw)

    @property
    def litres(self) -> float:
        """Volume that one point stands for."""
        x, y, z = self.spacing_mm
        return x * y * z / 1e6

    def shifted(self, hu: float) -> "Coarse":
        """Give the same scan with another intercept."""
        return Coarse(self.raw + np.float32(hu), self.spacing_mm)


def strides(volume: Volume) -> tuple[int, int, int]:
    """Choose the step along each axis, in voxels."""
    steps = []
    for count, mm in zip(volume.shape, volume.spacing_mm, strict=True):
        step = min(max(1, round(STEP_MM / mm)), max(1, count // FEWEST))
        steps.append(max(step, -(-count // MOST)))
    return steps[0], steps[1], steps[2]


def thin_out(volume: Volume) -> Coarse:
    """Take the points of a scan that the gate looks at."""
    x, y, z = strides(volume)
    mm = volume.spacing_mm
    return Coarse(scaled(volume, volume.stored[::x, ::y, ::z]), (mm[0] * x, mm[1] * y, mm[2] * z))


def scaled(volume: Volume, stored: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """Apply slope and intercept and nothing else; `Volume.to_hu` would hide the padding."""
    # In the order that labels have, so that masks are applied without jumping; a cast that reorders is far slower.
    numbers = np.ascontiguousarray(stored.astype(np.float32))
    numbers *= np.float32(volume.slope)
    numbers += np.float32(volume.intercept)
    return numbers
