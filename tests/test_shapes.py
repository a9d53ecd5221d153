"""Sizes of a network from its settings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.config import NetworkSettings, ScanSettings
from ctexp.errors import ConfigError
from ctexp.learning.shapes import check_shapes
from ctexp.presets import PRESETS


@pytest.mark.parametrize(
    ("options", "shape", "expected"),
    [
        # The published network: 126 -> 63, 61 -> 30, 28 -> 14, 12 -> 6; and 62 -> 31, 29 -> 14, 12 -> 6, 4 -> 2.
        ({}, (128, 128, 64), [(63, 63, 31), (30, 30, 14), (14, 14, 6), (6, 6, 2)]),
        ({"padding": "same"}, (128, 100, 64), [(64, 50, 32), (32, 25, 16), (16, 12, 8), (8, 6, 4)]),
        # ceil(131 / 2) = 66 -> 33; (131 - 3) // 2 + 1 = 65 -> 32; (64 - 5) // 2 + 1 = 30 -> 15.
        ({"padding": "same", "stem_stride": 2, "filters": (4,)}, (131, 64, 9), [(33, 16, 2)]),
        ({"stem_stride": 2, "filters": (4,)}, (131, 64, 9), [(32, 15, 2)]),
        ({"stem_stride": 2, "kernel": 5, "filters": (4, 4)}, (64, 64, 64), [(15,) * 3, (5,) * 3]),
    ],
)
def test_sizes(options: dict, shape: tuple[int, int, int], expected: list[tuple[int, int, int]]) -> None:
    """Sizes computed by hand for both paddings, strides and kernels; the stride is the first block's alone."""
    assert check_shapes(NetworkSettings(**options), shape) == expected


@pytest.mark.parametrize(
    ("options", "shape", "block"),
    [
        ({"filters": (4,) * 5}, (128, 128, 64), 5),
        ({"filters": (4,) * 2}, (64, 64, 8), 2),
        ({"filters": (4,), "kernel": 11}, (8, 64, 64), 1),
        ({"filters": (4,), "kernel": 8, "stem_stride": 8}, (8, 8, 8), 1),
        ({"filters": (4,) * 4, "padding": "same"}, (64, 64, 8), 4),
    ],
)
def test_block_that_leaves_nothing(options: dict, shape: tuple[int, int, int], block: int) -> None:
    """The block is named with its number and what goes into it."""
    with pytest.raises(
        ConfigError, match=rf"block {block} of {len(options['filters'])} turns \d+x\d+x\d+ into nothing"
    ):
        check_shapes(NetworkSettings(**options), shape)


@given(
    st.integers(1, 5),
    st.integers(1, 7),
    st.integers(1, 3),
    st.sampled_from(["valid", "same"]),
    st.tuples(*[st.integers(8, 96)] * 3),
)
def test_sizes_shrink_and_stay_positive(
    blocks: int, kernel: int, stride: int, padding: str, shape: tuple[int, int, int]
) -> None:
    """Every block at least halves each axis and leaves a voxel, or the network is refused."""
    network = NetworkSettings(filters=(1,) * blocks, kernel=kernel, stem_stride=stride, padding=padding)  # type: ignore[arg-type]
    try:
        sizes = check_shapes(network, shape)
    except ConfigError:
        assert padding == "valid" or min(shape) // stride // 2**blocks < 1
        return
    assert len(sizes) == blocks
    for before, after in zip([shape, *sizes], sizes, strict=False):
        assert all(1 <= small <= large // 2 for large, small in zip(before, after, strict=True))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_possible(name: str) -> None:
    """No preset is refused, nor is one on the smallest scans it is likely to be asked for."""
    experiment = PRESETS[name]
    assert isinstance(experiment.scan, ScanSettings)
    assert len(check_shapes(experiment.network, experiment.scan.shape)) == len(experiment.network.filters)
