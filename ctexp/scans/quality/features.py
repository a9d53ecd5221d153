"""Numbers that say what kind of scan this is: scanner, protocol and patient, not disease."""

import math
from dataclasses import dataclass

import numpy as np

from ctexp.scans.quality.anatomy import Anatomy
from ctexp.scans.quality.coarse import Coarse, scaled, strides
from ctexp.scans.quality.field import padding_of
from ctexp.scans.volume import Volume


@dataclass(frozen=True)
class Feature:
    """One feature.

    Attributes:
        name: as it is stored.
        words: how a value is said; `{}` stands for the number.
        digits: significant digits that are said.
        tolerance: the least spread that is assumed of the training scans, in the feature's unit: two scans that
            differ by less are alike, even if all training scans are equal. Relative where `ratio` is set.
        ratio: compared by ratio, not by difference.
    """

    name: str
    words: str
    digits: int
    tolerance: float
    ratio: bool = False

    def scale(self, value: float) -> float:
        """Give the number that is compared."""
        return math.log(max(value, 1e-3)) if self.ratio else value

    @property
    def meaning(self) -> str:
        """Say what the number is as it is stored, with its unit; `x` stands for it."""
        return self.words.replace("{} %", "at a share of x").replace("{}", "x")

    def say(self, value: float) -> str:
        """Give the value as a short text, without words round it."""
        if self.words.endswith("%"):
            return f"{100 * value:.0f}"
        return f"{value:.{self.digits}g}" if abs(value) < 10**self.digits else f"{value:.0f}"


FEATURES = (
    Feature("pixel_mm", "pixels of {} mm", 2, 0.05, ratio=True),
    Feature("slice_mm", "slices {} mm apart", 2, 0.05, ratio=True),
    Feature("height_mm", "{} mm from first to last slice", 2, 0.1, ratio=True),
    Feature("field_mm", "a field of {} mm", 2, 0.05, ratio=True),
    Feature("padding", "padding {} %", 2, 0.05),
    Feature("body_mm", "a body {} mm wide", 2, 0.05, ratio=True),
    Feature("lung_litres", "lungs of {} litres", 2, 0.15, ratio=True),
    Feature("lung_low_hu", "a tenth of the lung below {} HU", 2, 20.0),
    Feature("lung_hu", "lung at {} HU", 2, 20.0),
    Feature("lung_high_hu", "a tenth of the lung over {} HU", 2, 30.0),
    Feature("fat_hu", "the thinnest tenth of soft tissue at {} HU", 2, 10.0),
    Feature("tissue_hu", "soft tissue at {} HU", 2, 10.0),
    Feature("bone_hu", "the densest hundredth of the body over {} HU", 2, 50.0),
    Feature("noise_hu", "noise of {} HU", 2, 0.15, ratio=True),
    Feature("grain", "noise from voxel to voxel {} of that over four", 2, 0.05),
)


def measure(volume: Volume, anatomy: Anatomy) -> tuple[float, ...] | None:
    """Measure a scan that has a body and lungs.

    Returns:
        One number a feature, in the order of `FEATURES`; None where there is too little to measure.
    """
    coarse = anatomy.coarse
    inside = coarse.raw[anatomy.body & ~anatomy.lungs]
    soft = inside[(inside > -200.0) & (inside < 300.0)]
    lung = coarse.hu[anatomy.lungs]
    if soft.size < 100 or lung.size < 100:
        return None
    mm = volume.spacing_mm
    across = np.flatnonzero(anatomy.body.any(axis=(1, 2)))
    near, far = _noise(volume, coarse)
    values = (
        math.sqrt(mm[0] * mm[1]),
        mm[2],
        volume.shape[2] * mm[2],
        max(volume.shape[0] * mm[0], volume.shape[1] * mm[1]),
        padding_of(coarse),
        (across[-1] - across[0] + 1) * coarse.spacing_mm[0],
        anatomy.lung_litres,
        *np.percentile(lung, (10, 50, 90)),
        *np.percentile(soft, (10, 50)),
        np.percentile(inside, 99),
        near,
        near / max(far, 1e-3),
    )
    return tuple(round(float(value), 4) for value in values)


def _noise(volume: Volume, coarse: Coarse) -> tuple[float, float]:
    """Estimate the standard deviation in soft tissue, in HU, from neighbours and from voxels four apart along x."""
    x, y, z = strides(volume)
    count = len(range(4, volume.shape[0], x))
    here = coarse.raw[:count]
    near, far = (scaled(volume, volume.stored[offset::x, ::y, ::z][:count]) for offset in (1, 4))
    # Outer limits so wide that noise stays within them, so narrow that fat and bone's edges are left out.
    soft = np.abs(here - 50.0) < 150.0
    soft &= (np.abs(near - 50.0) < 150.0) & (np.abs(far - 50.0) < 150.0)
    if not soft.any():
        return 0.0, 0.0
    to_sigma = math.sqrt(math.pi) / 2  # of the mean absolute difference of two normal variables
    return (
        float(np.abs(here - near)[soft].mean()) * to_sigma,
        float(np.abs(here - far)[soft].mean()) * to_sigma,
    )
