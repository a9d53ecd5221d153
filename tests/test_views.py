"""Slices side by side."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ctexp.scans.views import montage, pick_slices, sheet


@given(st.integers(1, 300), st.integers(1, 40))
def test_slices_run_from_head_to_feet(count: int, wanted: int) -> None:
    """As many slices as there are and as are wanted, existing ones, each lower than the one before."""
    chosen = pick_slices(count, wanted)
    assert len(chosen) == min(count, wanted)
    assert all(0 <= place < count for place in chosen)
    assert chosen == sorted(chosen, reverse=True)
    if wanted <= 0.9 * count - 1:
        assert len(set(chosen)) == wanted


@given(st.integers(1, 14), st.integers(1, 5), st.integers(0, 3))
def test_every_image_is_in_its_place(count: int, columns: int, gap: int) -> None:
    """The sheet has each image unchanged in its place, and white everywhere else."""
    images = list(np.random.default_rng(0).random((count, 5, 7), dtype=np.float32) * 0.9)
    result = sheet(images, columns, gap)
    rest = result.copy()
    for place, image in enumerate(images):
        top, left = place // columns * (5 + gap), place % columns * (7 + gap)
        np.testing.assert_array_equal(result[top : top + 5, left : left + 7], image)
        rest[top : top + 5, left : left + 7] = 1.0
    assert (rest == 1.0).all()
    assert result.dtype == np.float32


def test_montage_is_the_sheet_of_the_chosen_slices() -> None:
    """A montage shows the slices that are picked, in their order."""
    scan = np.random.default_rng(0).random((5, 7, 14), dtype=np.float32)
    expected = sheet([scan[:, :, number] for number in pick_slices(14, 6)], 3)
    np.testing.assert_array_equal(montage(scan, tiles=6, columns=3), expected)
