"""Where a prepared array lies: the interpolation that geometry is carried over by."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from ctexp.scans.frame import resample


@given(
    st.tuples(*[st.integers(1, 6)] * 3),
    st.tuples(*[st.lists(st.floats(-2.0, 8.0), min_size=1, max_size=7)] * 3),
    st.integers(0, 99),
)
def test_resampling_is_linear_and_holds_on_beyond_the_ends(
    shape: tuple[int, int, int], places: tuple[list[float], ...], seed: int
) -> None:
    """Any places, on, between and beyond the voxels of any array, one voxel thin included, are as SciPy says."""
    array = np.random.default_rng(seed).random(shape, dtype=np.float32)
    given = [np.array(one) for one in places]
    expected = ndimage.map_coordinates(array, np.meshgrid(*given, indexing="ij"), order=1, mode="nearest")
    found = resample(array, given)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_resampling_keeps_the_array() -> None:
    """What is asked for at the voxels themselves is the array, and that one is left as it was."""
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    before = array.copy()
    same = resample(array, [np.arange(2.0), np.arange(3.0), np.arange(4.0)])
    assert (same == before).all()
    same += 1
    assert (array == before).all()
    assert resample(array, [np.array([0.5]), np.array([1.0]), np.array([3.0])]).item() == pytest.approx(13.0)
