"""Slices that make no even volume: each reason is named, with numbers; gaps are interpolated when asked."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ctexp.errors import ScanError
from ctexp.scans.read import ReadOptions, open_scan, read_scan


def refused(folder: Path, says: str, *, also_with_gaps: bool = True) -> str:
    """Check that a series is refused in one line."""
    for allow_gaps in (False, True) if also_with_gaps else (False,):
        with pytest.raises(ScanError, match=says) as caught:
            read_scan(folder, ReadOptions(allow_gaps=allow_gaps))
        assert str(caught.value).startswith(f"{folder}: ")
        assert "\n" not in str(caught.value)
    return str(caught.value)


def moved(parts: list[Any], *offsets: tuple[int, float, float, float]) -> list[Any]:
    """Shift some slices by x, y and z millimetres."""
    for index, *by in offsets:
        parts[index].ImagePositionPatient = [
            float(a) + b for a, b in zip(parts[index].ImagePositionPatient, by, strict=True)
        ]
    return parts


def test_missing_slice(ct: ModuleType, tmp_path: Path) -> None:
    """One missing slice is named by its neighbours' positions, and interpolated between them when asked."""
    folder = ct.write(tmp_path / "scan", [one for index, one in enumerate(ct.slices()) if index != 4])
    message = refused(folder, "1 slice is missing, between z = -392.5 and -387.5 mm", also_with_gaps=False)
    assert message.endswith("(others are 2.5 mm apart); --allow-gaps interpolates them")
    scan = open_scan(folder, ReadOptions(allow_gaps=True))
    hu = scan.decode().hu
    gap = "1 slice is missing, between z = -392.5 and -387.5 mm (others are 2.5 mm apart)"
    assert scan.notes == (f"interpolated from 9 to 10 slices: {gap}",)
    kept = [index for index in range(10) if index != 4]
    np.testing.assert_array_equal(hu[:, :, kept], ct.HU[:, :, kept])
    between = (ct.HU[:, :, 3].astype(float) + ct.HU[:, :, 5]) / 2
    np.testing.assert_allclose(hu[:, :, 4], np.where(between <= -1024, -1000, between), atol=0.51)


def test_several_missing_slices(ct: ModuleType, tmp_path: Path) -> None:
    """Every gap is named; one wider than three slices is never interpolated."""
    parts = ct.slices(hu=np.tile(ct.HU, (1, 1, 2)))
    folder = ct.write(tmp_path / "two", [one for index, one in enumerate(parts) if index not in (3, 4, 9)])
    refused(folder, r"3 slices are missing, between z = -395 and -387.5, -380 and -375 mm", also_with_gaps=False)
    assert read_scan(folder, ReadOptions(allow_gaps=True)).shape == (36, 33, 20)
    folder = ct.write(tmp_path / "wide", [one for index, one in enumerate(parts) if index not in (3, 4, 5)])
    refused(folder, r"3 slices are missing, between z = -395 and -385 mm .*; export the whole series again")


def test_uneven_slices(ct: ModuleType, tmp_path: Path) -> None:
    """Slices at uneven distances are interpolated at their true positions: a ramp along z stays a ramp."""
    ramp = np.broadcast_to(np.arange(10) * 40 - 400, ct.HU.shape).astype(np.int16)
    parts = moved(ct.slices(hu=ramp), (8, 0, 0, 1.25), (9, 0, 0, 5.0))
    for one in parts[8:]:  # the ramp goes on through the gaps
        one.PixelData = (np.frombuffer(one.PixelData, "<u2") + (20 if one is parts[8] else 80)).astype("<u2").tobytes()
    folder = ct.write(tmp_path / "scan", parts)
    refused(folder, "gaps are uneven, 2.5 to 6.25 mm, usually 2.5 mm; --allow-gaps", also_with_gaps=False)
    volume = read_scan(folder, ReadOptions(allow_gaps=True))
    assert volume.shape == (36, 33, 12)
    assert volume.spacing_mm[2] == pytest.approx(2.5)
    np.testing.assert_allclose(volume.hu[3, 3], np.arange(12) * 40 - 400, atol=0.51)


def test_rounded_positions_are_even(ct: ModuleType, assert_whole: Callable, tmp_path: Path) -> None:
    """Positions that a scanner rounded to a tenth of a millimetre are no fault."""
    parts = moved(ct.slices(), (2, 0, 0, 0.05), (5, 0, 0, -0.05), (7, 0.04, 0, 0.03))
    assert_whole(read_scan(ct.write(tmp_path, parts)))


def test_duplicate_positions(ct: ModuleType, tmp_path: Path) -> None:
    """Two different slices in one place, or all in one, are no volume."""
    parts = ct.slices()
    twice = moved(ct.slices(hu=ct.HU[::-1]), (3, 0, 0, 0))[3]
    folder = ct.write(tmp_path / "one", [*parts, twice])
    refused(folder, "1 slices lie where another one does, z = -392.5 mm")
    for one in parts:
        one.ImagePositionPatient = parts[0].ImagePositionPatient
    refused(ct.write(tmp_path / "all", parts), "all 10 slices lie at z = -400 mm")


def test_gantry_tilt(ct: ModuleType, tmp_path: Path) -> None:
    """Slices that were tilted against the table's way are shifted against each other; that is never resampled."""
    angle = np.deg2rad(14)
    parts = ct.slices()
    for one in parts:
        one.ImageOrientationPatient = [1, 0, 0, 0, float(np.cos(angle)), -float(np.sin(angle))]
    refused(ct.write(tmp_path / "tilt", parts), r"the gantry was tilted by 14\.0 degrees")
    parts.pop(4)
    message = refused(ct.write(tmp_path / "gap", parts), r"tilted by 14\.0 degrees.*; 1 slice is missing")
    assert message.endswith("export the whole series again")


def test_oblique_slices_are_a_volume(ct: ModuleType, tmp_path: Path) -> None:
    """Slices that step along their own normal are even, however they lie."""
    angle = np.deg2rad(14)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    volume = read_scan(ct.write(tmp_path, ct.slices(affine=turn @ ct.AFFINE)))
    np.testing.assert_array_equal(volume.hu, ct.HU)
    np.testing.assert_allclose(volume.affine, turn @ ct.AFFINE, atol=1e-4)


def test_mixed_orientation(ct: ModuleType, tmp_path: Path) -> None:
    """A slice turned a little against the others is named with its angle."""
    parts = ct.slices()
    angle = np.deg2rad(3)
    parts[5].ImageOrientationPatient = [
        float(np.cos(angle)),
        float(np.sin(angle)),
        0,
        -float(np.sin(angle)),
        float(np.cos(angle)),
        0,
    ]
    refused(ct.write(tmp_path, parts), r"orientation is mixed, 1 slices turned by 3\.0 degrees")


def test_mixed_spacing_and_shifted_slices(ct: ModuleType, tmp_path: Path) -> None:
    """Slices of another pixel size, or moved sideways, are named; so are several faults at once."""
    parts = ct.slices()
    parts[5].PixelSpacing = [0.8, 0.7]
    refused(ct.write(tmp_path / "spacing", parts), "pixel spacing is mixed, 0.8 x 0.7, 0.9 x 0.7 mm")
    parts = moved(ct.slices(), (5, 0, 4.0, 0))
    refused(ct.write(tmp_path / "shift", parts), r"slices are shifted sideways by up to 4\.0 mm")
    parts[2].PixelSpacing = [0.8, 0.7]
    refused(ct.write(tmp_path / "both", parts), r"pixel spacing is mixed.*; slices are shifted sideways")


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_slices(count: int, ct: ModuleType, tmp_path: Path) -> None:
    """One or two slices are no volume; a lone one is told where it belongs."""
    folder = ct.write(tmp_path / "scan", ct.slices()[:count])
    message = refused(folder, f"must have at least 3 slices, got {count}")
    assert message.endswith("folder of their own") == (count == 1)
