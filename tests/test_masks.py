"""Masks: the quick operations against SciPy's."""

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from ctexp.scans.masks import open_in_plane, share, widen_in_plane

mostly_set = st.sampled_from([True] * 5 + [False])
masks = hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, max_side=9), elements=mostly_set)


@given(masks)
def test_opening_is_scipys(mask: np.ndarray) -> None:
    """For any mask, flat ones included, the result is SciPy's, and the mask is not changed."""
    before = mask.copy()
    expected = ndimage.binary_opening(mask, structure=np.ones((3, 3, 1), dtype=bool))
    assert np.array_equal(open_in_plane(mask), expected)
    assert np.array_equal(mask, before)


@given(masks, st.floats(0.0, 30.0), st.tuples(st.floats(0.5, 7.0), st.floats(0.5, 7.0)))
def test_widening_is_scipys_distance(mask: np.ndarray, reach_mm: float, spacing_mm: tuple[float, float]) -> None:
    """A point is added where SciPy finds a set one within the distance in its slice, and nowhere else."""
    before = mask.copy()
    wide = widen_in_plane(mask, reach_mm, spacing_mm)
    for number in range(mask.shape[2]):
        plane = mask[:, :, number]
        distance = ndimage.distance_transform_edt(~plane, sampling=spacing_mm)
        decided = np.abs(distance - reach_mm) > 1e-9 * (1 + reach_mm)  # roundings differ on the disk's very edge
        expected = distance <= reach_mm if plane.any() else np.zeros_like(plane)
        assert np.array_equal(wide[:, :, number][decided], expected[decided])
    assert np.array_equal(mask, before)


@given(masks)
def test_share_is_the_mean(mask: np.ndarray) -> None:
    """The share of points that are set is the mask's mean; of no points it is not a number."""
    assert share(mask) == mask.mean()
    assert np.isnan(share(mask[:0]))
