"""From the grid that a network read back to the scan's own voxels: the way of `prepare`, backwards."""

import numpy as np
import numpy.typing as npt

from ctexp.config import ScanSettings
from ctexp.scans.frame import as_picture, locate, resample
from ctexp.scans.volume import Volume

Array = npt.NDArray[np.float32]


def unprepare(prepared: Array, volume: Volume, settings: ScanSettings) -> Array:
    """Give values of the prepared grid at the scan's voxels.

    Args:
        prepared: (rows, columns, slices) float32, on the grid that `prepare` made of the scan.
        volume: the scan.
        settings: how it was prepared.

    Returns:
        (x, y, z) float32 on the volume's own grid, interpolated linearly along each axis; 0 for voxels that the
        network did not see.
    """
    frame = locate(volume, settings)
    centres = frame.centres
    picture_shape = as_picture(volume.stored).shape
    places = []
    for axis, count in enumerate(picture_shape):
        first, last = float(centres[axis][0]), float(centres[axis][-1])
        pitch = (last - first) / (len(centres[axis]) - 1)
        # A scan of one voxel along an axis, stretched, is the same at every centre.
        places.append((np.arange(count) - first) / pitch if pitch else np.zeros(count))
    result = resample(prepared if frame.shown is None else prepared * frame.shown, places)
    if settings.geometry != "stretch":
        for axis, place in enumerate(places):
            unseen = (place < -0.5) | (place > prepared.shape[axis] - 0.5)
            np.moveaxis(result, axis, 0)[unseen] = 0.0
    return np.ascontiguousarray(as_picture(result))
