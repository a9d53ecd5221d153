"""Masks: the quick operations against SciPy's."""

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from ctexp.scans.masks import open_in_plane

mostly_set = st.sampled_from([True] * 5 + [False])
masks = hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, max_side=9), elements=mostly_set)


@given(masks)
def test_opening_is_scipys(mask: np.ndarray) -> None:
    """For any mask, flat ones included, the result is SciPy's, and the mask is not changed."""
    before = mask.copy()
    expected = ndimage.binary_opening(mask, structure=np.ones((3, 3, 1), dtype=bool))
    assert np.array_equal(open_in_plane(mask), expected)
    assert np.array_equal(mask, before)
