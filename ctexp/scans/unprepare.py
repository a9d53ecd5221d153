"""From the grid that a network read back to the scan's own voxels: the way of `prepare`, backwards."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ctexp.config import ScanSettings
from ctexp.scans.prepare import as_picture, locate
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
    centres, _ = locate(volume, settings)
    picture_shape = as_picture(volume.stored).shape
    places = []
    for axis, count in enumerate(picture_shape):
        first, last = float(centres[axis][0]), float(centres[axis][-1])
        pitch = (last - first) / (len(centres[axis]) - 1)
        # A scan of one voxel along an axis, stretched, is the same at every centre.
        places.append((np.arange(count) - first) / pitch if pitch else np.zeros(count))
    result = resample(prepared, places)
    if settings.geometry == "physical":
        for axis, place in enumerate(places):
            unseen = (place < -0.5) | (place > prepared.shape[axis] - 0.5)
            np.moveaxis(result, axis, 0)[unseen] = 0.0
    return np.ascontiguousarray(as_picture(result))


def resample(array: Array, places: Sequence[npt.NDArray[np.floating]]) -> Array:
    """Interpolate linearly along each axis; beyond the outermost centres their values hold on.

    Args:
        array: 3 axes, float32.
        places: for each axis the wanted places, in voxels of the array.
    """
    result = array
    # The axis that grows least comes first, so that the others have less to do.
    for axis in sorted(range(3), key=lambda one: len(places[one]) / array.shape[one]):
        place = np.clip(places[axis], 0.0, array.shape[axis] - 1.0)
        below = np.minimum(np.floor(place).astype(np.intp), max(array.shape[axis] - 2, 0))
        share = (place - below).astype(np.float32)
        share = share.reshape([-1 if other == axis else 1 for other in range(3)])
        first = np.take(result, below, axis=axis)
        second = np.take(result, np.minimum(below + 1, array.shape[axis] - 1), axis=axis)
        second -= first
        second *= share
        first += second
        result = first
    return np.asarray(result, dtype=np.float32)
