"""A file's slices: one in a classic file, many in a multi-frame one, each with its place in the patient."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ctexp.errors import ScanError
from ctexp.scans.dicom.header import Header
from ctexp.scans.dicom.tags import get, numbers, several
from ctexp.scans.nifti import SPACING_MM


@dataclass(frozen=True, eq=False)
class Frame:
    """One slice.

    Attributes:
        header: of its file.
        index: which slice of the file.
        position: (3,) float64, the centre of the first voxel in LPS millimetres.
        directions: (2, 3) float64, unit vectors along a row (to the next column) and down a column.
        spacing_mm: between rows and between columns, in this order.
        slope: factor from stored numbers to HU.
        intercept: HU added after the factor.
    """

    header: Header
    index: int
    position: npt.NDArray[np.float64]
    directions: npt.NDArray[np.float64]
    spacing_mm: tuple[float, float]
    slope: float
    intercept: float


def frames_of(header: Header) -> list[Frame] | None:
    """Give the slices of a file, or None where the header does not say where they lie.

    Raises:
        ScanError: a position, orientation, spacing or rescaling that is none.
    """
    place, dataset = header.part.place, header.dataset
    shared = several(get(dataset, "SharedFunctionalGroupsSequence", place))
    each = several(get(dataset, "PerFrameFunctionalGroupsSequence", place))
    if not each and not shared:
        if header.frames > 1:
            return None
        frame = _frame(header, 0, [dataset])
        return None if frame is None else [frame]
    if len(each) != header.frames:
        raise ScanError(f"{place}: must describe each of its {header.frames} frames, it describes {len(each)}")
    frames = [
        _frame(header, index, [*_groups(place, one), *_groups(place, *shared), dataset])
        for index, one in enumerate(each)
    ]
    known = [frame for frame in frames if frame is not None]
    return known if len(known) == len(frames) else None


_GROUPS = (
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "PixelValueTransformationSequence",
)


def _groups(place: str, *items: Any) -> list[Any]:
    """Give the items of the functional groups that hold geometry and rescaling."""
    return [inner for item in items for name in _GROUPS for inner in several(get(item, name, place))]


def _frame(header: Header, index: int, sources: list[Any]) -> Frame | None:
    place = header.part.place

    def find(name: str, count: int) -> tuple[float, ...] | None:
        found = (numbers(source, name, place, count) for source in sources)
        return next((values for values in found if values is not None), None)

    position = find("ImagePositionPatient", 3)
    orientation = find("ImageOrientationPatient", 6)
    spacing = find("PixelSpacing", 2)
    if position is None or orientation is None:
        return None
    if spacing is None:
        raise ScanError(f"{place}: the DICOM header must say PixelSpacing, it does not")
    if not all(SPACING_MM[0] <= mm <= SPACING_MM[1] for mm in spacing):
        raise ScanError(f"{place}: spacing must be from 0.001 to 1000 mm, the header says {list(spacing)}")
    if max(map(abs, position)) > 1e6:
        raise ScanError(f"{place}: positions must be below 1e6 mm, the header says {list(position)}")
    directions = np.array(orientation).reshape(2, 3)
    lengths = np.sqrt((directions**2).sum(axis=1))
    if (np.abs(lengths - 1.0) > 0.01).any() or abs(float(directions[0] @ directions[1])) > 0.01:
        raise ScanError(f"{place}: ImageOrientationPatient must be two unit vectors at right angles")
    slope, intercept = (find(name, 1) for name in ("RescaleSlope", "RescaleIntercept"))
    if slope is not None and slope[0] == 0.0:
        raise ScanError(f"{place}: RescaleSlope must not be 0")
    return Frame(
        header, index, np.array(position), directions / lengths[:, None], (spacing[0], spacing[1]),
        slope[0] if slope else 1.0, intercept[0] if intercept else 0.0,
    )  # fmt: skip
