"""The two grids of a scan: a fixed coarse grid in mm for smooth fields, and the stored voxel grid.

Organs are smooth, so their distance fields are evaluated every 4 mm and interpolated in-plane to the
stored pixels. That is fast at 512 x 512 and makes the anatomy independent of the stored size.
Internal arrays are `(z, y, x)`: z to the head, y to the front, x to the patient's left.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Held as float32 but for a few short vectors.
Array = NDArray[np.floating[Any]]

SLICE_MM = 8.0
COARSE_MM = 4.0


@dataclass(frozen=True)
class Grid:
    """Geometry of one scan.

    Attributes:
        size: Stored voxels along x and y.
        fov_mm: Width of the square field of view.
        z_mm: `(slices,)` patient height of each slice centre; 0 is the lowest point of the lungs.
        shift_mm: Position `(x, y)` of the patient's reference point in the field of view.
        roll_rad: Roll of the patient about the long axis.
        y_range_mm: Lowest and highest patient y that the coarse grid needs to hold.
    """

    size: int
    fov_mm: float
    z_mm: Array
    shift_mm: tuple[float, float]
    roll_rad: float
    y_range_mm: tuple[float, float]

    @property
    def pixel_mm(self) -> float:
        """In-plane voxel edge."""
        return self.fov_mm / self.size

    @property
    def slices(self) -> int:
        """Number of axial slices."""
        return len(self.z_mm)

    @property
    def edge_mm(self) -> float:
        """Width of an anti-aliased edge in-plane."""
        return max(self.pixel_mm, 1.0)

    @cached_property
    def fine_mm(self) -> Array:
        """`(size,)` pixel centres along x or y, 0 in the middle of the field of view."""
        return ((np.arange(self.size) + 0.5) * self.pixel_mm - self.fov_mm / 2).astype(np.float32)

    @cached_property
    def coarse_x(self) -> Array:
        """Nodes of the coarse grid along x in the field of view; they reach past it."""
        half = int(np.ceil(self.fov_mm / 2 / COARSE_MM)) + 1
        return (np.arange(-half, half + 1) * COARSE_MM).astype(np.float32)

    @cached_property
    def coarse_y(self) -> Array:
        """Nodes of the coarse grid along y; above and below the patient there are none."""
        lean = abs(np.sin(self.roll_rad)) * self.fov_mm / 2
        low, high = (y + self.shift_mm[1] for y in self.y_range_mm)
        x = self.coarse_x
        inside: Array = x[(x > low - lean) & (x < high + lean)]
        return inside

    @cached_property
    def _lerp(self) -> tuple[tuple[NDArray[np.intp], Array], tuple[NDArray[np.intp], Array]]:
        """For rows and for columns: the coarse node below each pixel, and the way to the next one."""
        pairs = []
        for nodes in (self.coarse_y, self.coarse_x):
            position = (self.fine_mm - nodes[0]) / COARSE_MM
            low = np.floor(position).astype(np.intp)
            pairs.append((low, (position - low).astype(np.float32)))
        return pairs[0], pairs[1]

    def to_scanner(self, points: Array) -> Array:
        """Patient points `(n, 3)` as x, y, z in mm, to field-of-view coordinates."""
        c, s = np.cos(self.roll_rad), np.sin(self.roll_rad)
        x, y = points[:, 0], points[:, 1]
        out = [c * x - s * y + self.shift_mm[0], s * x + c * y + self.shift_mm[1], points[:, 2]]
        return np.stack(out, axis=1).astype(np.float32)

    def to_patient(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Field-of-view x and y in mm to patient x and y."""
        c, s = np.float32(np.cos(self.roll_rad)), np.float32(np.sin(self.roll_rad))
        u, v = x - np.float32(self.shift_mm[0]), y - np.float32(self.shift_mm[1])
        return c * u + s * v, c * v - s * u

    @cached_property
    def coarse_xy(self) -> tuple[Array, Array]:
        """Patient x and y, each `(y, x)`, of the coarse nodes."""
        return self.to_patient(self.coarse_x[None, :], self.coarse_y[:, None])

    def coverage_field(self, distance: Array) -> Array:
        """Distance in mm `(z, y, x)` (negative inside) to a field whose upsampled value t gives coverage 0.5 - t.

        A slice averages over 8 mm, so where the surface is oblique its edge is as wide as the way the
        surface moves through one slice.
        """
        slope = np.empty_like(distance)
        np.subtract(distance[2:], distance[:-2], out=slope[1:-1])
        slope[1:-1] *= 0.5
        np.subtract(distance[1], distance[0], out=slope[0])
        np.subtract(distance[-1], distance[-2], out=slope[-1])
        np.abs(slope, out=slope)
        np.clip(slope, self.edge_mm, 2 * SLICE_MM, out=slope)
        np.divide(distance, slope, out=slope)
        return np.clip(slope, -20, 20, out=slope)

    def box(self, inside: NDArray[np.bool_]) -> tuple[slice, slice] | None:
        """Rows and columns of the stored slice that can see True nodes of a coarse slice `(y, x)`."""
        rows, cols = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        if not len(rows):
            return None
        ends = []
        for (low, _), hit, nodes in zip(self._lerp, (rows, cols), inside.shape, strict=True):
            a = np.searchsorted(low, max(hit[0] - 1, 0))
            b = np.searchsorted(low, min(hit[-1] + 1, nodes - 1))
            ends.append(slice(int(a), int(b)))
        return ends[0], ends[1]

    def upsample(self, field: Array, rows: slice, cols: slice) -> Array:
        """Bilinear interpolation of a coarse slice `(y, x)` to stored pixels of a box."""
        (low_y, part_y), (low_x, part_x) = self._lerp
        a = low_y[rows]
        lines = field[a]
        lines += (field[a + 1] - lines) * part_y[rows, None]
        a, b = low_x[cols], part_x[cols]
        left: Array = np.take(lines, a, axis=1)
        right: Array = np.take(lines, a + 1, axis=1)
        right -= left
        right *= b
        right += left
        return right

    def paint(self, volume: Array, t: Array, value: "float | Array", opacity: float = 1.0) -> None:
        """Blend `value` (HU: one, one a slice, or a coarse field) into `volume` where coverage field `t` says so."""
        touched = t < 0.5
        for k in range(self.slices):
            found = self.box(touched[k])
            if found is None:
                continue
            cover = self.upsample(t[k], *found)
            np.subtract(np.float32(0.5), cover, out=cover)
            np.clip(cover, 0, opacity, out=cover)
            view = volume[k][found]
            here = np.asarray(value[k] if isinstance(value, np.ndarray) else value, dtype=np.float32)
            level = self.upsample(here, *found) if here.ndim == 2 else here
            cover *= level - view
            view += cover
