"""Rasterising many tapering tubes (vessels, airways, ribs) at once.

A tube is a capsule: all points nearer to a line than a radius that changes linearly along it. All tubes
of about the same extent are evaluated together in one array, so that some thousand of them cost little.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctexp.datasets.phantom.grid import SLICE_MM, Array, Grid

Box = tuple[slice, slice, slice]
SUBSLICES = 3
_MOST_ELEMENTS = 1_500_000


@dataclass(frozen=True)
class Tubes:
    """`n` tapering capsules in patient coordinates.

    Attributes:
        start: `(n, 3)` x, y, z in mm.
        end: `(n, 3)`.
        r_start: `(n,)` radius at `start` in mm.
        r_end: `(n,)`.
    """

    start: Array
    end: Array
    r_start: Array
    r_end: Array

    def __len__(self) -> int:
        return len(self.start)

    def split(self, longest_mm: float) -> "Tubes":
        """The same tubes in pieces of at most `longest_mm`: short pieces have small boxes."""
        length = np.linalg.norm(self.end - self.start, axis=1)
        pieces = np.maximum(1, np.ceil(length / longest_mm)).astype(int)
        which = np.repeat(np.arange(len(self)), pieces)
        nth = np.arange(len(which)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        a = (nth / pieces[which]).astype(np.float32)
        b = ((nth + 1) / pieces[which]).astype(np.float32)
        way, taper = (self.end - self.start)[which], (self.r_end - self.r_start)[which]
        return Tubes(
            self.start[which] + way * a[:, None],
            self.start[which] + way * b[:, None],
            self.r_start[which] + taper * a,
            self.r_start[which] + taper * b,
        )


def polyline(points: Array, radii: "float | list[float] | Array") -> Tubes:
    """Tubes along `(n, 3)` points with one radius, or a radius for each point."""
    p = np.asarray(points, dtype=np.float32)
    r = np.broadcast_to(np.asarray(radii, dtype=np.float32), (len(p),))
    return Tubes(p[:-1], p[1:], r[:-1].copy(), r[1:].copy())


def join(parts: list[Tubes]) -> Tubes:
    """All tubes of `parts` in one."""
    return Tubes(
        np.concatenate([p.start for p in parts]),
        np.concatenate([p.end for p in parts]),
        np.concatenate([p.r_start for p in parts]),
        np.concatenate([p.r_end for p in parts]),
    )


def draw(
    grid: Grid, tubes: Tubes, rims_mm: tuple[float, ...] = (0.0,), flatten: float = 1.0
) -> tuple[Box, list[Array]]:
    """Coverage of each voxel by the tubes.

    Args:
        grid: Where to draw.
        tubes: What to draw.
        rims_mm: One result for each: the tubes with radii smaller by this much (0 is the tube itself).
        flatten: Factor on z before distances are taken; under 1 makes cross-sections taller than wide.

    Returns:
        The box `(slices, rows, columns)` of the volume that the tubes can touch, and one float32 array
        of that shape in 0..1 for each rim.
    """
    pieces = tubes.split(14.0)
    p0, p1 = grid.to_scanner(pieces.start), grid.to_scanner(pieces.end)
    edge = np.float32(grid.edge_mm)
    # A tube thinner than an edge is drawn as wide as the edge, and fainter by the lost cross-section.
    least = 0.6 * edge if rims_mm == (0.0,) else 0.0
    ra, rb = np.maximum(pieces.r_start, least), np.maximum(pieces.r_end, least)
    gain = ((pieces.r_start + pieces.r_end) / (ra + rb + 1e-6)) ** 2
    reach = np.maximum(ra, rb) + edge
    # Large pixels widen a tube in-plane; along z it stays within about its own radius.
    rise = np.minimum(reach, np.maximum(pieces.r_start, pieces.r_end) + 3) / np.float32(flatten)
    low_z = np.minimum(p0[:, 2], p1[:, 2]) - rise
    high_z = np.maximum(p0[:, 2], p1[:, 2]) + rise
    spot = (np.minimum(p0, p1)[:, :2] - reach[:, None] + grid.fov_mm / 2) / grid.pixel_mm
    corner = np.floor(spot).astype(np.int64)
    extent = np.abs(p1 - p0)[:, :2].max(axis=1) + 2 * reach
    window = np.ceil(extent / grid.pixel_mm).astype(np.int64) + 1
    window = np.where(window <= 16, (window + 3) // 4 * 4, (window + 7) // 8 * 8)
    low_xy = np.clip(corner.min(axis=0), 0, grid.size)
    high_xy = np.clip((corner + window[:, None]).max(axis=0), 0, grid.size)
    low_k, high_k = np.searchsorted(grid.z_mm, [low_z.min() - SLICE_MM / 2, high_z.max() + SLICE_MM / 2])
    box: Box = (
        slice(int(low_k), int(high_k)),
        slice(int(low_xy[1]), int(high_xy[1])),
        slice(int(low_xy[0]), int(high_xy[0])),
    )
    shape = tuple(int(b.stop - b.start) for b in box)
    result = [np.zeros(shape, dtype=np.float32) for _ in rims_mm]
    for sub in range(SUBSLICES):
        planes = grid.z_mm + SLICE_MM * ((sub + 0.5) / SUBSLICES - 0.5)
        first = np.searchsorted(planes, low_z)
        count = np.maximum(0, np.searchsorted(planes, high_z) - first)
        which = np.repeat(np.arange(len(p0)), count)
        nth = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
        level = first[which] + nth
        depth = np.zeros(shape, dtype=np.float32)
        for width in np.unique(window[which]):
            chosen = np.flatnonzero(window[which] == width)
            step = max(1, _MOST_ELEMENTS // int(width) ** 2)
            for at in range(0, len(chosen), step):
                part = chosen[at : at + step]
                tube, k = which[part], level[part]
                shapes = p0[tube], p1[tube], ra[tube], rb[tube], gain[tube]
                _deepest(depth, box, grid, shapes, corner[tube], k, planes[k], int(width), flatten)
        for rim, total in zip(rims_mm, result, strict=True):
            total += np.clip(depth - np.float32(rim / edge), 0, 1) / np.float32(SUBSLICES)
    return box, result


def _deepest(
    depth: Array,
    box: Box,
    grid: Grid,
    tube: tuple[Array, Array, Array, Array, Array],
    corner: NDArray[np.int64],
    k: NDArray[np.intp],
    plane: Array,
    width: int,
    flatten: float,
) -> None:
    """Raise `depth` to how deep each pixel of each window lies in its tube, in edge widths plus one half."""
    p0, p1, ra, rb, gain = tube
    cols = corner[:, 0, None] + np.arange(width)
    rows = corner[:, 1, None] + np.arange(width)
    half = np.float32(grid.fov_mm / 2)
    wx = ((cols + 0.5) * grid.pixel_mm).astype(np.float32) - half - p0[:, 0, None]
    wy = ((rows + 0.5) * grid.pixel_mm).astype(np.float32) - half - p0[:, 1, None]
    wz = (plane - p0[:, 2]) * np.float32(flatten)
    v = p1 - p0
    v[:, 2] *= np.float32(flatten)
    length2 = np.maximum((v * v).sum(axis=1), 1e-6)
    along = (wx * v[:, 0, None])[:, None, :] + (wy * v[:, 1, None] + (wz * v[:, 2])[:, None])[:, :, None]
    t = np.clip(along / length2[:, None, None], 0, 1)
    d2 = (wx * wx)[:, None, :] + (wy * wy + (wz * wz)[:, None])[:, :, None]
    d2 += t * (t * length2[:, None, None] - 2 * along)
    inside = ra[:, None, None] + t * (rb - ra)[:, None, None]
    inside -= np.sqrt(np.maximum(d2, 0))
    inside *= np.float32(1 / grid.edge_mm)
    inside += np.float32(0.5)
    inside *= gain[:, None, None]
    seen = inside > 0
    seen &= ((cols >= 0) & (cols < grid.size))[:, None, :]
    seen &= ((rows >= 0) & (rows < grid.size))[:, :, None]
    n, r, c = np.nonzero(seen)
    _, high, across = depth.shape
    flat = ((k[n] - box[0].start) * high + rows[n, r] - box[1].start) * across + cols[n, c] - box[2].start
    np.maximum.at(depth.reshape(-1), flat, inside[seen])
