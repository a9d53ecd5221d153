"""What a network is shown of a scan whose geometry is `lungs`: the box round them, their median elsewhere."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from ctexp.config import ScanSettings
from ctexp.datasets.cache import WHOLE, ScanCache
from ctexp.datasets.ingest import ingest
from ctexp.errors import ConfigError
from ctexp.scans import Volume, prepare
from ctexp.scans.frame import LUNG_HU, locate
from ctexp.scans.lungs import find_lungs
from ctexp.scans.unprepare import unprepare

LUNGS = ScanSettings(shape=(32, 32, 16), geometry="lungs", resampling="area")
MEDIAN = 150 / 400
LESION = (slice(70, 76), slice(30, 36), slice(12, 15))


def chest(lesion_hu: float | None = None, *, lung_hu: float = -850.0, slices: int = 30) -> Volume:
    """A body of 4x4x8 mm voxels with two lungs, a vessel in each, a bone at the back and, maybe, a lesion."""
    hu = np.full((100, 80, slices), -1000.0, dtype=np.float32)
    hu[5:95, 10:70] = 40
    hu[45:55, 12:22] = 400
    for lung in (slice(15, 42), slice(58, 85)):
        hu[lung, 25:60, 6:24] = lung_hu
        hu[lung.start + 10 : lung.start + 12, 40:42, 6:24] = 40
    if lesion_hu is not None:
        hu[LESION] = lesion_hu
    return Volume(hu, 1.0, 0.0, np.diag([4.0, 4.0, 8.0, 1.0]))


def turned(volume: Volume) -> np.ndarray:
    """The scan's numbers as a picture."""
    return volume.stored[::-1, ::-1].transpose(1, 0, 2)


def test_the_box_is_that_of_the_lungs() -> None:
    """Rows, columns and slices run from the first to the last voxel of lung, less a rim, wherever the lungs lie."""
    frame = locate(chest(), LUNGS)
    picture = turned(chest()) == -850
    for axis in range(3):
        used = np.flatnonzero(picture.any(axis=tuple({0, 1, 2} - {axis})))
        first = frame.centres[axis][0] - frame.steps[axis] / 2
        last = frame.centres[axis][-1] + frame.steps[axis] / 2
        rim = 1.5 if axis < 2 else 0.5  # in voxels of 4 mm
        assert used[0] - 0.5 <= first <= used[0] + rim
        assert used[-1] - rim <= last <= used[-1] + 0.5


def test_only_what_lies_in_the_lungs_is_shown() -> None:
    """Chest wall, heart, spine, table and air are the lungs' level; another chest round the same lungs is the same."""
    one = prepare(chest(-400.0), LUNGS)
    other = np.array(chest(-400.0).stored)
    other[:, :14] = 300  # another back
    other[44:56, 22:60] = 200  # another heart
    other[:3, :, :] = 1500  # something beside the patient
    np.testing.assert_allclose(prepare(dataclasses.replace(chest(), stored=other), LUNGS), one, atol=1e-6)
    assert np.isclose(one, MEDIAN, atol=1e-6).mean() > 0.5


def test_between_the_lungs_stands_their_level() -> None:
    """Heart and spine lie in the box round both lungs, far denser than the scale reaches: none of it is shown."""
    columns = locate(chest(), LUNGS).centres[1]
    between = (columns > 99 - 56) & (columns < 99 - 44)
    assert between.sum() >= 5
    np.testing.assert_allclose(prepare(chest(), LUNGS)[:, between], MEDIAN, atol=1e-6)


@pytest.mark.parametrize("lung_hu", [-900.0, -850.0, -760.0])
def test_density_is_counted_from_the_lungs_level(lung_hu: float) -> None:
    """A deep and a shallow breath look alike; what rises over the rest of the lung shows by how much it does."""
    prepared = prepare(chest(lung_hu + 120, lung_hu=lung_hu), LUNGS)
    np.testing.assert_allclose(prepared, prepare(chest(-730.0), LUNGS), atol=1e-5)
    assert np.median(prepared) == pytest.approx(MEDIAN, abs=1e-5)
    assert (np.abs(prepared - (MEDIAN + 120 / 400)) < 0.02).sum() > 20


def test_what_is_as_dense_as_the_chest_wall_is_still_shown() -> None:
    """A vessel and a small consolidation within a lung are part of it, though they are no air."""
    prepared = prepare(chest(40.0), LUNGS)
    assert (prepared > 0.9).sum() > 20  # of the 3x6x2 voxels that it fills


def test_the_thinned_grid_does_not_shift_the_picture() -> None:
    """A lesion in scans of finer voxels, whose lungs are looked for on every n-th one, is shown in the same place."""
    stored = np.kron(chest(-500.0).stored, np.ones((5, 5, 1), np.float32))
    fine = Volume(stored, 1.0, 0.0, np.diag([0.8, 0.8, 8.0, 1.0]))
    shown = [prepare(one, LUNGS) for one in (chest(-500.0), fine)]
    plain = [prepare(one, LUNGS) for one in (chest(), Volume(np.kron(chest().stored, np.ones((5, 5, 1), np.float32)),
                                                             1.0, 0.0, fine.affine))]  # fmt: skip
    lesions = [np.argwhere(one - other > 0.3).mean(axis=0) for one, other in zip(shown, plain, strict=True)]
    np.testing.assert_allclose(*lesions, atol=0.75)


@pytest.mark.parametrize("repeats", [(5, 3, 1), (3, 5, 2), (2, 1, 8)])
def test_the_frame_lies_where_the_lungs_were_found(repeats: tuple[int, int, int]) -> None:
    """Whatever a voxel's sides are, and however many are left over behind the last point of the thinned grid, the box
    and what it shows are the lungs', in the scan's own voxels.
    """
    cut = tuple(slice(side * times - 1) for side, times in zip((100, 80, 30), repeats, strict=True))
    stored = np.kron(chest().stored, np.ones(repeats, np.float32))[cut]
    fine = Volume(stored, 1.0, 0.0, np.diag([*np.array([4.0, 4.0, 8.0]) / repeats, 1.0]))
    lungs, frame = find_lungs(fine), locate(fine, LUNGS)
    assert lungs is not None
    assert frame.shown is not None
    points = [np.flatnonzero(lungs.inside.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    for axis, along in ((0, 1), (1, 0), (2, 2)):  # rows run against y, columns against x, slices along z
        first, last = (points[along][end] * lungs.strides[along] for end in (0, -1))
        if axis < 2:
            first, last = fine.shape[along] - 1 - last, fine.shape[along] - 1 - first
        half = lungs.strides[along] / 2
        edges = frame.centres[axis][[0, -1]] + np.array([-0.5, 0.5]) * frame.steps[axis]
        np.testing.assert_allclose(edges, (first - half, last + half), atol=1e-9)
    rows, columns, slices = np.meshgrid(*frame.centres, indexing="ij")
    places = [(fine.shape[0] - 1 - columns) / lungs.strides[0], (fine.shape[1] - 1 - rows) / lungs.strides[1],
              slices / lungs.strides[2]]  # fmt: skip
    expected = ndimage.map_coordinates(lungs.inside.astype(np.float32), places, order=1, mode="nearest")
    np.testing.assert_allclose(frame.shown, expected, atol=1e-5)


@pytest.mark.parametrize("mm", [(1.5, 3.0), (3.0, 1.5), (2.0, 2.0)])
def test_lungs_are_closed_by_a_disk_in_millimetres(mm: tuple[float, float]) -> None:
    """A notch of the lung belongs to it where no disk of 20 mm fits in, and 3 mm of rim go: whatever the voxels' sides
    are, as distances in millimetres say.
    """
    x, y = (round(280 / mm[0]), round(220 / mm[1]))
    hu = np.full((x, y, 12), -1000.0, dtype=np.float32)
    places = np.stack(np.meshgrid(np.arange(x) * mm[0], np.arange(y) * mm[1], indexing="ij"))
    hu[(np.hypot(places[0] - 140, (places[1] - 110) * 1.3) < 135)] = 40
    lung = np.hypot((places[0] - 75) / 0.8, places[1] - 105) < 62
    lung &= ~((np.abs(places[1] - 105) < 14) & (places[0] < 75))  # a notch of 28 mm
    lung |= np.hypot((places[0] - 205) / 0.8, places[1] - 105) < 62
    hu[lung] = -850
    found = find_lungs(Volume(hu, 1.0, 0.0, np.diag([*mm, 8.0, 1.0])))
    assert found is not None
    assert found.strides[2] == 1
    steps = found.strides[:2]
    wide = np.zeros([side + 200 for side in lung[:: steps[0], :: steps[1]].shape], dtype=bool)
    wide[100:-100, 100:-100] = lung[:: steps[0], :: steps[1]]
    sampling = [side * step for side, step in zip(mm, steps, strict=True)]
    closed = np.zeros_like(wide)
    middle = 100 + round(140 / sampling[0])
    for half in (slice(None, middle), slice(middle, None)):
        one = np.zeros_like(wide)
        one[half] = wide[half]
        grown = ndimage.distance_transform_edt(~one, sampling=sampling) <= 20.0
        closed |= ndimage.distance_transform_edt(grown, sampling=sampling) > 23.0
    expected = closed[100:-100, 100:-100]
    assert (found.inside[:, :, 6] != expected).mean() < 0.002


def test_without_lungs_the_whole_scan_is_shown() -> None:
    """Where no lungs are found nothing is cut away, and a usual lung's density stands for the median."""
    for hu in (-700.0, -900.0):
        block = Volume(np.full((40, 40, 20), hu, dtype=np.float32), 1.0, 0.0, np.diag([8.0, 8.0, 15.0, 1.0]))
        assert find_lungs(block) is None
        np.testing.assert_allclose(prepare(block, LUNGS), (hu - LUNG_HU + 150) / 400, atol=1e-5)


def test_heat_comes_back_to_its_place_and_stays_within_the_lungs() -> None:
    """What is marked on the prepared grid lies, on the scan's voxels, where it was; all outside the lungs is 0."""
    volume = chest(-400.0)
    prepared = prepare(volume, LUNGS)
    heat = unprepare(np.where(np.abs(prepared - MEDIAN) > 0.3, 1, 0).astype(np.float32), volume, LUNGS)
    assert heat.shape == volume.shape
    assert heat[LESION].mean() > 0.7
    assert not heat[:13].any()
    assert not heat[:, :, :5].any()
    assert unprepare(np.ones(LUNGS.shape, np.float32), volume, LUNGS)[46:54, 30:50].max() == 0  # the heart's place


def test_whole_scans_are_kept_beside_the_lungs(tmp_path: Path, write_scan) -> None:
    """Copies and shortcuts are looked for in whole scans: one is prepared of each, once for all such settings."""
    file = write_scan(tmp_path / "scan.nii.gz")
    cache = ScanCache(tmp_path / "cache", LUNGS)
    (scan,) = ingest([file], cache)
    assert cache.whole.settings == WHOLE
    assert cache.has(scan.sha256)
    assert cache.whole.has(scan.sha256)
    assert cache.whole.whole.folder == cache.whole.folder
    other = ScanCache(tmp_path / "cache", dataclasses.replace(LUNGS, shape=(40, 40, 16)))
    assert other.folder != cache.folder
    assert other.whole.folder == cache.whole.folder
    before = cache.whole.path(scan.sha256).stat().st_mtime_ns
    ingest([file], other)
    assert cache.whole.path(scan.sha256).stat().st_mtime_ns == before
    cache.whole.path(scan.sha256).unlink()
    ingest([file], cache)
    assert cache.whole.has(scan.sha256)


def test_the_scale_must_hold_the_level() -> None:
    """A scale that does not reach to both sides of the lungs' level is refused with the rule."""
    with pytest.raises(ConfigError, match=r"scan\.lungs_hu: must be low < 0 < high"):
        ScanSettings(lungs_hu=(100.0, 300.0))


@pytest.mark.parametrize("share", [0.45, 0.6, 0.85])
def test_disease_of_most_of_the_lung_is_bright(share: float) -> None:
    """Ground glass in more than half of the lung does not pass for its level: it is well above, whatever its share."""
    volume = chest()
    top = 25 + round(share * 35)
    stored = np.array(volume.stored)
    glass = (stored == -850) & (np.arange(80)[None, :, None] < top)
    stored[glass] = -600
    prepared = prepare(dataclasses.replace(volume, stored=stored), LUNGS)
    assert (prepared > MEDIAN + 0.25).mean() > 0.5 * share * (np.abs(prepared - MEDIAN) > 1e-3).mean()


def test_rules_of_what_lungs_are_make_entries_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays that were prepared by other rules for lungs are not taken for these; whole scans do not depend on them."""
    lungs, whole = ScanCache(tmp_path, LUNGS), ScanCache(tmp_path, WHOLE)
    monkeypatch.setattr("ctexp.datasets.cache.LUNG_RULES", 99)
    assert ScanCache(tmp_path, LUNGS).folder != lungs.folder
    assert ScanCache(tmp_path, WHOLE).folder == whole.folder
