"""The slices that the page shows: the right way round, small, and their HU kept."""

import json
import struct

import numpy as np
import pytest

from ctexp.scans.volume import Volume
from ctexp.service.picture import MAX_SIDE, MAX_SLICES, draw, pack


def volume(*shape: int) -> Volume:
    """A volume in which every voxel says where it is: x + 10 y + 100 z."""
    x, y, z = np.indices(shape)
    return Volume((x + 10 * y + 100 * z).astype(np.int16), 1.0, 0.0, np.diag([0.7, 0.8, 5.0, 1.0]))


def test_slice_is_seen_from_the_feet_with_the_front_above() -> None:
    """The first pixel is the patient's front right of the lowest slice; a pixel's height is y's spacing."""
    picture = draw(volume(5, 4, 3))
    assert picture.hu.shape == (3, 4, 5)
    assert picture.hu[0, 0, 0] == 4 + 10 * 3
    assert picture.hu[2, 3, 4] == 200
    assert picture.pixel_mm == (0.8, 0.7)


@pytest.mark.slow
def test_large_scan_is_shrunk_by_means() -> None:
    """Above the limit pixels are means of squares, and every n-th slice is shown; the heat map follows."""
    scan = volume(2 * MAX_SIDE, MAX_SIDE + 2, MAX_SLICES + 1)
    heat = np.zeros(scan.shape, dtype=np.float32)
    heat[-2:, -2:, 2] = 1.0
    picture = draw(scan, heat, "gradcam")
    assert picture.hu.shape == (81, (MAX_SIDE + 2) // 2, MAX_SIDE)
    assert (picture.every, picture.of) == (2, MAX_SLICES + 1)
    assert picture.pixel_mm == (1.6, 1.4)
    expected = scan.hu[-2:, -2:, 2].mean()
    assert abs(picture.hu[1, 0, 0] - expected) <= 0.5
    assert picture.heat is not None
    assert (picture.heat[1, 0, 0], picture.heat.sum()) == (255, 255)


def test_bundle_holds_answer_slices_and_heat_map() -> None:
    """What is packed is read back with nothing but lengths: JSON, int16, uint8."""
    scan = volume(5, 4, 3)
    picture = draw(scan, np.full(scan.shape, 0.5, dtype=np.float32), "gradcam")
    body = pack({"path": "ü"}, picture)
    (length,) = struct.unpack("<I", body[:4])
    facts = json.loads(body[4 : 4 + length])
    assert facts["answer"] == {"path": "ü"}
    assert facts["picture"]["heat"] == "gradcam"
    count = 3 * 4 * 5
    assert length % 4 == 0
    assert len(body) == 4 + length + 2 * count + count
    np.testing.assert_array_equal(np.frombuffer(body, "<i2", count, 4 + length), picture.hu.ravel())
    assert set(body[-count:]) == {128}
