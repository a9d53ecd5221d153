"""Slices of a prepared scan side by side, as one picture array."""

import numpy as np
import numpy.typing as npt


def pick_slices(count: int, wanted: int) -> list[int]:
    """Choose `wanted` slices spread evenly over the middle nine tenths of `count`, from the head down.

    The first and last slices show neck and belly; the way from head to feet is how a radiologist scrolls.
    """
    wanted = min(wanted, count)
    margin = count * 0.05
    return [int(place) for place in np.linspace(count - 1 - margin, margin, wanted)]


def montage(
    scan: npt.NDArray[np.float32], *, tiles: int = 12, columns: int = 4, gap: int = 2
) -> npt.NDArray[np.float32]:
    """Lay slices out in rows.

    Args:
        scan: (rows, columns, slices) in 0..1, as `prepare` gives it.
        tiles: slices to show.
        columns: slices beside each other.
        gap: pixels between them.

    Returns:
        (height, width) float32 in 0..1; gaps are 1 (white).
    """
    chosen = pick_slices(scan.shape[2], tiles)
    lines = -(-len(chosen) // columns)
    height, width = scan.shape[0], scan.shape[1]
    sheet = np.ones((lines * (height + gap) - gap, columns * (width + gap) - gap), dtype=np.float32)
    for place, number in enumerate(chosen):
        top, left = place // columns * (height + gap), place % columns * (width + gap)
        sheet[top : top + height, left : left + width] = scan[:, :, number]
    return sheet
