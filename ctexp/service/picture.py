"""A scan as the page shows it: slices in HU, small enough that scrolling is instant and nothing stays on the server."""

import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ctexp.scans.volume import Volume

MAX_SIDE = 256
"""Pixels along each side of a slice."""
MAX_SLICES = 160
"""Slices; of more every second, third ... is shown. With `MAX_SIDE` at most 20 MiB go to the page."""


@dataclass(frozen=True)
class Picture:
    """Slices for the page.

    Attributes:
        hu: (slices, rows, columns) int16 in HU, from feet to head; rows run from front to back, columns from the
            patient's right to left.
        pixel_mm: height and width of a pixel.
        of: slices of the scan.
        every: which of them are shown; 1 for all.
        heat: the same shape, uint8, 0 to 255, what the answer rests on; None where it was not asked for.
        method: how the heat map was made.
    """

    hu: npt.NDArray[np.int16]
    pixel_mm: tuple[float, float]
    of: int
    every: int
    heat: npt.NDArray[np.uint8] | None = None
    method: str | None = None

    def facts(self) -> dict[str, Any]:
        """Give all but the voxels as plain values."""
        slices, rows, columns = self.hu.shape
        return {"slices": slices, "rows": rows, "columns": columns, "pixel_mm": list(self.pixel_mm), "of": self.of,
                "every": self.every, "heat": self.method if self.heat is not None else None}  # fmt: skip


def draw(volume: Volume, heat: npt.NDArray[np.float32] | None = None, method: str | None = None) -> Picture:
    """Make the page's slices of a scan.

    Args:
        volume: the scan.
        heat: (x, y, z) float32 in 0..1 on its voxels.
        method: how that was made.
    """
    x, y, z = volume.shape
    step = -(-max(x, y) // MAX_SIDE)
    every = -(-z // MAX_SLICES)
    numbers = range(0, z, every)
    hu = np.stack([_shrink(volume.to_hu(volume.stored[:, :, number]), step) for number in numbers])
    hot: npt.NDArray[np.uint8] | None = None
    if heat is not None:
        shrunk = np.stack([_shrink(heat[:, :, number], step) for number in numbers])
        hot = np.clip(np.rint(255.0 * shrunk), 0, 255).astype(np.uint8)
    return Picture(
        hu=np.clip(np.rint(hu), -32768, 32767).astype(np.int16),
        pixel_mm=(volume.spacing_mm[1] * step, volume.spacing_mm[0] * step),
        of=z,
        every=every,
        heat=hot,
        method=method,
    )


def _shrink(plane: npt.NDArray[np.float32], step: int) -> npt.NDArray[np.float32]:
    """Turn (x, y) into the (rows, columns) a radiologist sees, each pixel the mean of `step` by `step`."""
    seen = plane[::-1, ::-1].T
    if step > 1:
        rows, columns = (n // step * step for n in seen.shape)
        seen = seen[:rows, :columns].reshape(rows // step, step, columns // step, step).mean(axis=(1, 3))
    return seen


def pack(answer: dict[str, Any], picture: Picture) -> bytes:
    """Put an answer and its slices into one body.

    Returns:
        Length of the JSON (uint32, little-endian), the JSON `{"answer": ..., "picture": ...}` filled up with spaces to
        a multiple of 4, the slices (int16, little-endian), and the heat map (uint8) where there is one.
    """
    text = json.dumps({"answer": answer, "picture": picture.facts()}, ensure_ascii=False, allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    voxels = picture.hu.astype("<i2", copy=False).tobytes()
    return b"".join(
        [struct.pack("<I", len(text)), text, voxels, b"" if picture.heat is None else picture.heat.tobytes()]
    )
