"""The volume as a value: HU, padding, spacing."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.errors import ScanError
from ctexp.scans import Volume


def volume(stored: np.ndarray, slope: float = 1.0, intercept: float = 0.0, affine: np.ndarray | None = None) -> Volume:
    """A volume round an array."""
    return Volume(stored, slope, intercept, np.eye(4) if affine is None else affine)


@pytest.mark.parametrize("padding", [-1024.0, -1024.5, -2000.0, -2048.0, -3024.0, -32768.0])
def test_padding_becomes_air(padding: float) -> None:
    """What scanners fill the outside with, and what a spline overshoots to, is -1000 HU."""
    assert (volume(np.full((2, 2, 2), padding)).hu == -1000).all()


@pytest.mark.parametrize("hu", [-1023.0, -1001.0, -1000.0, 0.0, 3071.0])
def test_what_can_be_measured_stays(hu: float) -> None:
    """A value above -1024 HU is a measurement and is not touched."""
    assert (volume(np.full((2, 2, 2), hu)).hu == hu).all()


def test_padding_is_judged_after_slope_and_intercept() -> None:
    """Stored 0 with intercept -1024 is padding, stored 1 is -1023 HU."""
    stored = np.array([[[0, 1], [1024, 2048]]], dtype=np.uint16)
    assert volume(stored, intercept=-1024.0).hu.tolist() == [[[-1000, -1023], [0, 1024]]]


@given(st.sampled_from([0.5, 1.0, 2.0]), st.sampled_from([-1024.0, -1000.0, 0.0, 10.0]))
def test_part_of_the_numbers_gives_part_of_the_hu(slope: float, intercept: float) -> None:
    """Turning some voxels into HU gives the same as turning all and taking some, and never changes the stored ones."""
    stored = np.random.default_rng(1).integers(-2000, 3000, (5, 4, 6)).astype(np.int16)
    before = stored.copy()
    one = volume(stored, slope, intercept)
    np.testing.assert_array_equal(one.to_hu(stored[::2, 1, 3:]), one.hu[::2, 1, 3:])
    assert one.hu.dtype == np.float32
    np.testing.assert_array_equal(stored, before)


@pytest.mark.parametrize("low", [-1400.0, -1024.0, -1010.0, -1000.0, -900.0])
@pytest.mark.parametrize("padding", [-3024.0, -1024.0, math.nan, None])
def test_a_window_cuts_off_what_the_hu_are(low: float, padding: float | None) -> None:
    """Wherever a window begins, padding is air before it is cut off, in a slice with padding and in one without."""
    stored = np.random.default_rng(2).integers(-1023, 3000, (5, 4, 6)).astype(np.float32)
    if padding is not None:
        stored[:, 1, ::2] = padding
        stored[0, 0, 0] = -2000.0
    one = volume(stored)
    expected = np.clip(np.where(stored <= -1024.0, np.float32(-1000.0), stored), low, 400.0)
    np.testing.assert_array_equal(one.to_window(stored, (low, 400.0)), expected)


def test_spacing_is_the_length_of_the_affines_columns() -> None:
    """An oblique affine gives the distance between voxel centres along each array axis."""
    turn = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([0.7, 1.5, 8.0])
    assert volume(np.zeros((3, 4, 5)), affine=affine).spacing_mm == pytest.approx((0.7, 1.5, 8.0))
    assert volume(np.zeros((3, 4, 5))).shape == (3, 4, 5)


def test_two_axes_are_no_volume() -> None:
    """An array that is not 3D is refused."""
    with pytest.raises(ScanError, match="3 axes, got 2"):
        volume(np.zeros((3, 4)))
