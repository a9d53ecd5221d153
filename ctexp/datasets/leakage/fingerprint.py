"""What is a scan's own: the detail of its view, less all that its collection shares."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Rows = npt.NDArray[np.float32]
"""(scans, numbers) float32."""

_SHARED_MOST = 20
_SCANS_A_DIRECTION = 5
_BLOCK = 512


def detail(view: npt.NDArray[np.float32], fine: float, rough: float) -> npt.NDArray[np.float32]:
    """Keep what lies between two sizes: noise is finer; brightness, habitus and breath are rougher.

    Args:
        view: (rows, columns, slices) float32.
        fine: sigma in cells of the Gaussian that takes away what is finer; 0 for none.
        rough: sigma in cells of the Gaussian whose result is taken away.

    Returns:
        The numbers of the band, flat.
    """
    smooth = ndimage.gaussian_filter(view, fine) if fine else view
    band: npt.NDArray[np.float32] = (smooth - ndimage.gaussian_filter(view, rough)).ravel()
    return band


def unit(rows: Rows) -> Rows:
    """Give rows of mean 0 and length 1, whose products are correlations; a row of equal numbers becomes zeros."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    result: Rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return result


class Shared:
    """What the scans of a collection have in common: their mean, and the directions in which they differ most.

    All chests are alike, the more so when they were stretched to one size: details of different people correlate up to
    0.96. A large heart, a shallow breath, another table move many scans the same way. These directions tell what kind
    of scan it is; what is left without them tells whose, and is near 0 between different people. (The split of faces
    into a principal subspace and its complement: Moghaddam and Pentland, "Probabilistic visual learning for object
    representation", IEEE TPAMI 1997.)

    Args:
        details: (scans, numbers) of a sample in which no scan is there twice: two copies would be a direction of their
            own, and what makes them one scan would be taken for something shared.
    """

    def __init__(self, details: Rows) -> None:
        mean = details.mean(axis=0)
        rest = details - mean
        count = min(_SHARED_MOST, len(details) // _SCANS_A_DIRECTION)
        _, mixtures = np.linalg.eigh(rest @ rest.T)  # scans are fewer than numbers
        self._directions = np.linalg.qr(np.vstack([mean, mixtures[:, ::-1][:, :count].T @ rest]).T)[0].T

    def without(self, details: Rows, out: Rows | None = None) -> Rows:
        """Give rows without what is shared, of mean 0 and length 1; in `out`, which may be the rows themselves."""
        own = np.empty_like(details) if out is None else out
        for start in range(0, len(details), _BLOCK):  # thousands of rows at once would be in memory four times
            block = details[start : start + _BLOCK]
            own[start : start + _BLOCK] = unit(block - (block @ self._directions.T) @ self._directions)
        return own
