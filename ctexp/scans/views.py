"""Slices of a prepared scan side by side, as one picture array."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

LUNG_WINDOW_HU = (-1350.0, 150.0)
"""Centre -600, width 1500: what lungs are read in, whatever window the network reads."""


def pick_slices(count: int, wanted: int) -> list[int]:
    """Choose `wanted` slices spread evenly over the middle nine tenths of `count`, from the head down.

    The first and last slices show neck and belly; the way from head to feet is how a radiologist scrolls.
    """
    wanted = min(wanted, count)
    margin = count * 0.05
    return [int(place) for place in np.linspace(count - 1 - margin, margin, wanted)]


def montage(scan: npt.NDArray[np.float32], *, tiles: int = 12, columns: int = 4) -> npt.NDArray[np.float32]:
    """Lay slices of a scan out in rows, from the head down.

    Args:
        scan: (rows, columns, slices) in 0..1, as `prepare` gives it.
        tiles: slices to show.
        columns: slices beside each other.

    Returns:
        (height, width) float32 in 0..1.
    """
    return sheet([scan[:, :, number] for number in pick_slices(scan.shape[2], tiles)], columns)


def sheet(images: Sequence[npt.NDArray[np.float32]], columns: int, gap: int = 2) -> npt.NDArray[np.float32]:
    """Lay images (rows, columns) of one size out in rows, with white gaps of `gap` pixels."""
    lines = -(-len(images) // columns)
    height, width = images[0].shape
    result = np.ones((lines * (height + gap) - gap, columns * (width + gap) - gap), dtype=np.float32)
    for place, image in enumerate(images):
        top, left = place // columns * (height + gap), place % columns * (width + gap)
        result[top : top + height, left : left + width] = image
    return result
