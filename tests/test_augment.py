"""Random changes of a training scan."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from ctexp.config import AugmentSettings
from ctexp.datasets.augment import Change, apply_change, draw_change
from ctexp.datasets.cache import quantise, restore

ALL = AugmentSettings(rotation_degrees=20, scale=0.2, shift=0.1, flip=True, intensity=0.2)
OFF = AugmentSettings(rotation_degrees=0)
SHAPES = [(16, 16, 3), (17, 12, 2), (9, 20, 1)]


def picture(shape: tuple[int, int, int] = (16, 16, 3), seed: int = 0) -> np.ndarray:
    """A random scan with exact 0 and 1 in it."""
    scan = np.random.default_rng(seed).random(shape, dtype=np.float32)
    scan[shape[0] // 2, shape[1] // 2] = 1.0
    scan[0, 0] = 0.0
    return scan


def smooth(shape: tuple[int, int, int]) -> np.ndarray:
    """A scan without fine detail."""
    scan = ndimage.gaussian_filter(np.random.default_rng(4).random(shape), (3, 3, 0))
    return ((scan - scan.min()) / np.ptp(scan)).astype(np.float32)


changes = st.builds(
    Change,
    rotation_degrees=st.floats(-180, 180),
    zoom=st.floats(0.2, 1.8),
    shift=st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)),
    flip=st.booleans(),
    gain=st.floats(0.2, 1.8),
    offset=st.floats(-0.4, 0.4),
)


@given(changes, st.sampled_from(SHAPES), st.sampled_from([0.0, 0.3, 1.0, None]))
def test_any_change_keeps_shape_and_range(change: Change, shape: tuple[int, int, int], value: float | None) -> None:
    """The result has the shape, float32 and 0..1; the input is not touched; the same change gives the same result."""
    scan = picture(shape) if value is None else np.full(shape, value, dtype=np.float32)
    before = scan.copy()
    result = apply_change(scan, change)
    assert result.shape == shape
    assert result.dtype == np.float32
    assert 0 <= result.min() <= result.max() <= 1
    np.testing.assert_array_equal(scan, before)
    assert not np.shares_memory(result, scan)
    np.testing.assert_array_equal(result, apply_change(scan, change))


def test_sums_of_weights_stay_within_the_scale() -> None:
    """Interpolating between voxels of 1 never gives more than 1, not even by a rounding error."""
    rng = np.random.default_rng(0)
    settings = replace(ALL, intensity=0.0)
    assert max(apply_change(np.ones((24, 20, 1), np.float32), draw_change(settings, rng)).max() for _ in range(99)) == 1


@pytest.mark.parametrize("shape", SHAPES)
def test_no_change_is_exact(shape: tuple[int, int, int]) -> None:
    """The identity, and what is drawn with everything off, give every number back in another array."""
    scan = picture(shape)
    for change in (Change(), draw_change(OFF, np.random.default_rng(1))):
        result = apply_change(scan, change)
        np.testing.assert_array_equal(result, scan)
        assert not np.shares_memory(result, scan)


@pytest.mark.parametrize("shape", SHAPES)
def test_flip_twice_is_nothing(shape: tuple[int, int, int]) -> None:
    """A flip exchanges left and right and nothing else; the second one undoes it."""
    scan = picture(shape)
    flipped = apply_change(scan, Change(flip=True))
    np.testing.assert_array_equal(flipped, scan[:, ::-1])
    np.testing.assert_array_equal(apply_change(flipped, Change(flip=True)), scan)


@pytest.mark.parametrize("degrees", [-20.0, -7.3, 0.5, 12.0, 45.0])
def test_rotation_is_that_of_scipy(degrees: float) -> None:
    """In a circle within the picture, a rotation equals scipy's linear one, sign included."""
    scan = picture((32, 32, 2))
    expected = ndimage.rotate(scan, degrees, reshape=False, order=1)
    row, column = np.meshgrid(np.arange(32) - 15.5, np.arange(32) - 15.5, indexing="ij")
    inside = np.hypot(row, column) < 14
    np.testing.assert_allclose(
        apply_change(scan, Change(rotation_degrees=degrees))[inside], expected[inside], atol=1e-4
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_half_a_turn_reverses_rows_and_columns(shape: tuple[int, int, int]) -> None:
    """A rotation by 180 degrees is exact for square and other pictures."""
    scan = picture(shape)
    turned = apply_change(scan, Change(rotation_degrees=180))
    np.testing.assert_allclose(turned[1:-1, 1:-1], scan[::-1, ::-1][1:-1, 1:-1], atol=1e-5)


def test_turning_back_undoes_a_turn() -> None:
    """A rotation and its opposite leave the middle of a smooth picture as it was, also when it is not square."""
    for shape in ((40, 40, 1), (48, 30, 1)):
        scan = smooth(shape)
        there = apply_change(scan, Change(rotation_degrees=15))
        back = apply_change(there, Change(rotation_degrees=-15))
        middle = (slice(shape[0] // 4, -shape[0] // 4), slice(shape[1] // 4, -shape[1] // 4))
        assert np.abs(there[middle] - scan[middle]).max() > 0.1
        np.testing.assert_allclose(back[middle], scan[middle], atol=0.03)


def test_shift_moves_content_down_and_right() -> None:
    """A shift by whole pixels moves them, and what enters is air."""
    scan = picture((16, 8, 2))
    moved = apply_change(scan, Change(shift=(2 / 16, 1 / 8)))
    np.testing.assert_allclose(moved[2:, 1:], scan[:-2, :-1], atol=1e-6)
    assert not moved[:2].any()
    assert not moved[:, :1].any()


def test_zoom_above_one_enlarges() -> None:
    """A zoom by two shows the middle half of the picture over all of it; by a half it leaves a frame of air."""
    scan = np.zeros((16, 16, 1), dtype=np.float32)
    scan[6:10, 6:10] = 1.0
    assert apply_change(scan, Change(zoom=2.0)).sum() == pytest.approx(64, rel=0.05)
    small = apply_change(np.ones_like(scan), Change(zoom=0.5))
    assert not small[:4].any()
    assert small[5:11, 5:11].min() == 1.0


def test_air_does_not_drift() -> None:
    """Gain and offset change tissue, never air, and stay within the scale."""
    scan = picture()
    result = apply_change(scan, Change(gain=1.2, offset=0.1))
    assert (result[0, 0] == 0).all()
    tissue = (scan > 0) & (scan < 0.7)
    np.testing.assert_allclose(result[tissue], scan[tissue] * 1.2 + 0.1, atol=1e-6)


@pytest.mark.parametrize("empty", [0.25, 0.375])
def test_where_nothing_is_stays_empty(empty: float) -> None:
    """With another number for nothing (the lungs' median) it enters at the edges, and does not drift either."""
    scan = np.full((16, 16, 3), empty, dtype=np.float32)
    scan[5:11, 5:11] = 0.6
    scan = restore(quantise(scan))  # as the cache gives it
    result = apply_change(scan, Change(rotation_degrees=20, zoom=0.7, gain=1.1, offset=0.05), empty)
    np.testing.assert_allclose(result[[0, -1]], empty, atol=1e-5)
    np.testing.assert_allclose(apply_change(scan, Change(gain=1.1, offset=0.05), empty)[0], empty, atol=1e-5)
    np.testing.assert_allclose(result[7:9, 7:9], empty + (0.6 - empty) * 1.1 + 0.05, atol=1e-5)
    np.testing.assert_allclose(apply_change(scan, Change(), empty), scan, atol=1e-6)


def test_slices_change_alike() -> None:
    """In-plane changes are the same for every slice."""
    scan = np.repeat(picture((16, 16, 1)), 4, axis=2)
    result = apply_change(scan, draw_change(ALL, np.random.default_rng(2)))
    assert (result == result[:, :, :1]).all()


def test_draws_differ_and_stay_in_range() -> None:
    """64 draws are 64 changes, within their ranges, on both sides of nothing; both flips occur."""
    rng = np.random.default_rng(0)
    drawn = [draw_change(ALL, rng) for _ in range(64)]
    assert len(set(drawn)) == 64
    for name, middle, reach in (("rotation_degrees", 0, 20), ("zoom", 1, 0.2), ("gain", 1, 0.2), ("offset", 0, 0.1)):
        values = np.array([getattr(change, name) for change in drawn]) - middle
        assert np.abs(values).max() <= reach
        assert values.min() < -reach / 2 < reach / 2 < values.max()
    assert np.abs([change.shift for change in drawn]).max() <= 0.1
    assert {change.flip for change in drawn} == {True, False}


@pytest.mark.parametrize("off", ["rotation_degrees", "scale", "shift", "intensity", "flip"])
def test_draws_do_not_depend_on_what_is_switched_off(off: str) -> None:
    """Switching one change off leaves all others, and all later draws, as they were."""
    own = {
        "rotation_degrees": {"rotation_degrees": 0.0},
        "scale": {"zoom": 1.0},
        "shift": {"shift": (0.0, 0.0)},
        "intensity": {"gain": 1.0, "offset": 0.0},
        "flip": {"flip": False},
    }[off]
    with_all, without = np.random.default_rng(5), np.random.default_rng(5)
    for _ in range(10):
        expected = replace(draw_change(ALL, with_all), **own)
        assert draw_change(replace(ALL, **{off: type(getattr(ALL, off))(0)}), without) == expected
