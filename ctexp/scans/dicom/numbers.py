"""Stored numbers of slices to one array with one scaling, padding turned into air."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctexp.scans.dicom.frames import Frame
from ctexp.scans.dicom.pixels import Stored, stored_dtype
from ctexp.scans.volume import AIR_HU, PADDING_HU


@dataclass(frozen=True)
class Scaling:
    """How a volume keeps its numbers.

    Attributes:
        dtype: of the array.
        slope: factor from the array's numbers to HU.
        intercept: HU added after the factor.
        is_hu: each slice is turned into HU when it is read, because their own scalings differ.
    """

    dtype: np.dtype[np.generic]
    slope: float
    intercept: float
    is_hu: bool


def common_scaling(frames: Sequence[Frame]) -> Scaling:
    """Find the smallest way to keep all slices without loss: as they are stored, else int16, int32 or float32 HU."""
    kinds = {(stored_dtype(one.header), one.slope, one.intercept) for one in frames}
    if len(kinds) == 1 and all(_air_fits(one) for one in frames):
        dtype, slope, intercept = kinds.pop()
        return Scaling(dtype, slope, intercept, is_hu=False)
    if any(not one.slope.is_integer() or not one.intercept.is_integer() for one in frames):
        return Scaling(np.dtype(np.float32), 1.0, 0.0, is_hu=True)
    ends = [value * one.slope + one.intercept for one in frames for value in _range(one)]
    for dtype in (np.dtype(np.int16), np.dtype(np.int32)):
        if np.iinfo(dtype).min <= min(ends) and max(ends) <= np.iinfo(dtype).max:
            return Scaling(dtype, 1.0, 0.0, is_hu=True)
    return Scaling(np.dtype(np.float32), 1.0, 0.0, is_hu=True)


def convert(raw: Stored, frame: Frame, scaling: Scaling) -> npt.NDArray[np.generic]:
    """Turn one slice's bits into the volume's numbers."""
    padding = frame.header.padding
    mask = (raw >= padding[0]) & (raw <= padding[1]) if padding and _padding_shows(frame) else None
    stored = _without_unused_bits(raw, frame.header.bits)
    if not scaling.is_hu:
        if mask is not None and mask.any():
            stored = np.where(mask, raw.dtype.type(_air(frame)), stored)
        return stored
    hu = stored * np.float64(frame.slope) + np.float64(frame.intercept)
    if mask is not None:
        hu[mask] = AIR_HU
    return hu.astype(scaling.dtype)


def _range(frame: Frame) -> tuple[int, int]:
    bits, signed = frame.header.bits[1], frame.header.signed
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def _padding_shows(frame: Frame) -> bool:
    """Tell whether padding needs replacing: numbers far below air are taken as air by every volume."""
    padding, bits = frame.header.padding, frame.header.bits
    if padding is None:
        return False
    ends = [value * frame.slope + frame.intercept for value in padding]
    return max(ends) > PADDING_HU or bits[1] != bits[0]


def _air(frame: Frame) -> int:
    return round((AIR_HU - frame.intercept) / frame.slope)


def _air_fits(frame: Frame) -> bool:
    low, high = _range(frame)
    return not _padding_shows(frame) or low <= _air(frame) <= high


def _without_unused_bits(raw: Stored, bits: tuple[int, int, int]) -> Stored:
    """Drop the bits beside the number, where old scanners kept overlays, and carry its sign into them."""
    allocated, used, high = bits
    if used == allocated:
        return raw
    return (raw << (allocated - 1 - high)) >> (allocated - used)
