"""Body, lungs and spine of a thinned-out scan."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ctexp.scans.masks import open_in_plane
from ctexp.scans.quality.coarse import Coarse, thin_out
from ctexp.scans.volume import Volume

BODY_HU = -500.0
"""Between air or lung and the thinnest soft tissue: what is denser belongs to the body (or the table)."""
AIR_HU = -400.0
"""Half air, half tissue, with room for inflamed lung."""
GAS_HU = -975.0
"""Bowel gas and a stomach's bubble have nothing but air in them; lungs, emphysema included, do."""
BONE_HU = 150.0
"""The spongy inside of a vertebra."""
PIECE_LITRES = 0.05
"""Smaller pockets of air are sinuses, bronchi and bowel."""
_IN_PLANE = np.zeros((3, 3, 3), dtype=bool)
_IN_PLANE[1] = True  # the slices come first

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Anatomy:
    """What was found; x grows to the patient's right, y to the front, z to the head.

    Attributes:
        coarse: the grid.
        body: (x, y, z) the largest dense piece, lungs and bowel gas included.
        lungs: (x, y, z) air within the body that is no bowel gas; may be empty.
        spine: place (x, y) in the grid of the bone that runs along z; None without bone.
    """

    coarse: Coarse
    body: Mask
    lungs: Mask
    spine: tuple[int, int] | None

    @property
    def middle(self) -> int:
        """Place along x between right and left: the spine's, or the body's middle where there is no bone."""
        return self.spine[0] if self.spine else int(np.mean(np.flatnonzero(self.body.any(axis=(1, 2)))))

    @property
    def lung_litres(self) -> float:
        """Volume of both lungs."""
        return np.count_nonzero(self.lungs) * self.coarse.litres

    @property
    def body_litres(self) -> float:
        """Volume of the body within the scan."""
        return np.count_nonzero(self.body) * self.coarse.litres

    @property
    def lung_areas(self) -> npt.NDArray[np.int64]:
        """Points of lung in each slice, from the feet up."""
        areas: npt.NDArray[np.int64] = self.lungs.sum(axis=(0, 1))
        return areas


_FOUND: "WeakKeyDictionary[Volume, Anatomy | None]" = WeakKeyDictionary()


def anatomy_of(volume: Volume, coarse: Coarse | None = None) -> Anatomy | None:
    """Find body, lungs and spine of a volume, once: the gate, the preparation and a picture ask for the same.

    Args:
        volume: the scan.
        coarse: the same thinned out, where that is at hand.
    """
    if volume not in _FOUND:
        _FOUND[volume] = find_anatomy(coarse or thin_out(volume))
    return _FOUND[volume]


def find_anatomy(coarse: Coarse) -> Anatomy | None:
    """Find body, lungs and spine; None when nothing is dense enough to be a body."""
    hu = coarse.hu
    dense = hu > BODY_HU
    if max(coarse.spacing_mm[:2]) < 8.0:  # cuts the thin bridge between a back and the table it lies on
        dense = open_in_plane(dense)
    labels, count = ndimage.label(dense)
    if count == 0:
        return None
    sizes = np.bincount(labels.ravel())
    solid = labels == 1 + int(np.argmax(sizes[1:]))
    inside = _find_inside(solid)
    body = solid | inside
    return Anatomy(coarse, body, _find_lungs(hu, inside, coarse.litres), _find_spine(hu, body, coarse.spacing_mm))


def _find_inside(solid: Mask) -> Mask:
    """Find what is not solid and from where no way leads out of the body within its slice.

    Within the slice: a trachea or a lung that the first or last slice cuts is inside all the same.
    """
    # Slices first: neighbours in a slice are neighbours in memory then, which halves the time.
    holes, count = ndimage.label(np.ascontiguousarray(np.moveaxis(~solid, 2, 0)), structure=_IN_PLANE)
    inside = np.ones(count + 1, dtype=bool)
    for face in (holes[:, 0], holes[:, -1], holes[:, :, 0], holes[:, :, -1]):
        inside[face.ravel()] = False
    inside[0] = False
    found: Mask = np.ascontiguousarray(np.moveaxis(inside.take(holes), 0, 2))
    return found


def _find_lungs(hu: npt.NDArray[np.float32], inside: Mask, litres: float) -> Mask:
    pieces, count = ndimage.label(inside & (hu < AIR_HU))
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    thicker = np.bincount(pieces[(pieces > 0) & (hu > GAS_HU)], minlength=count + 1)
    keep = (sizes * litres >= PIECE_LITRES) & (thicker > sizes / 2)  # the median is thicker than gas
    keep[0] = False
    found: Mask = keep.take(pieces)
    return found


def _find_spine(
    hu: npt.NDArray[np.float32], body: Mask, spacing_mm: tuple[float, float, float]
) -> tuple[int, int] | None:
    """Find the column of 3 cm that is bone in most slices: ribs and a bright heart are in few."""
    share = ((hu > BONE_HU) & body).mean(axis=2, dtype=np.float32)
    size = [max(1, round(30.0 / mm)) for mm in spacing_mm[:2]]
    column = ndimage.uniform_filter(share, size=size, mode="constant")
    if not column.max() > 0.05:
        return None
    x, y = np.unravel_index(int(np.argmax(column)), column.shape)
    return int(x), int(y)
