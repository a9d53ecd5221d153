"""From a volume to the network's input: the published recipe, millimetres, averages."""

import sys
from unittest import mock

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from ctexp.config import Geometry, Resampling, ScanSettings
from ctexp.scans import Volume, decode_nifti, prepare
from ctexp.scans.frame import Frame, as_picture, body_centre

WINDOW = 1400.0


def volume(hu: np.ndarray, spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Volume:
    """A RAS volume."""
    return Volume(hu, 1.0, 0.0, np.diag([*spacing_mm, 1.0]))


def body(
    spacing_mm: tuple[float, float, float],
    centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    radii_mm: tuple[float, float, float] = (40.0, 30.0, 50.0),
    field_mm: float = 160.0,
) -> Volume:
    """A soft-edged ellipsoid of water in air, sampled at voxel centres."""
    axes = []
    for step, middle, radius in zip(spacing_mm, centre_mm, radii_mm, strict=True):
        count = round(field_mm / step)
        axes.append(((np.arange(count) - (count - 1) / 2) * step - middle) / radius)
    x, y, z = np.meshgrid(*axes, indexing="ij")
    depth_mm = (1.0 - np.sqrt(x**2 + y**2 + z**2)) * min(radii_mm)
    return volume(np.clip(depth_mm * 100.0, -1000.0, 0.0).astype(np.float32), spacing_mm)


def physical(resampling: Resampling = "linear", extent_mm: float = 144.0) -> ScanSettings:
    """Settings that keep millimetres, 4.5 mm to the voxel."""
    return ScanSettings(
        shape=(32, 32, 32), geometry="physical", extent_mm=(extent_mm,) * 3, resampling=resampling, window_hu=(-1000, 0)
    )


def test_published_steps() -> None:
    """`stretch` equals the published steps on a scan stored as MosMedData is: clip, scale, rotate by 90°, zoom."""
    hu = np.random.default_rng(0).integers(-1100, 900, (12, 12, 6)).astype(np.int16)
    data = nib.Nifti1Image(hu, np.diag([-0.8, 0.8, 8.0, 1.0])).to_bytes()
    settings = ScanSettings(shape=(9, 15, 8))

    array = nib.Nifti1Image.from_bytes(data).get_fdata()
    array = (np.clip(array, -1000, 400) + 1000) / WINDOW
    array = ndimage.rotate(array, 90, reshape=False)
    expected = ndimage.zoom(array, [m / n for m, n in zip(settings.shape, hu.shape, strict=True)], order=1)

    np.testing.assert_allclose(prepare(decode_nifti(data, "scan"), settings), expected, atol=1e-5)


def test_picture_is_what_a_radiologist_sees() -> None:
    """Row 0 is the front, column 0 the patient's right, slice 0 the feet."""
    hu = np.full((8, 8, 8), -1000.0, dtype=np.float32)
    hu[7, 7, 0] = 400.0  # right, front, feet
    array = prepare(volume(hu), ScanSettings(shape=(8, 8, 8)))
    assert array[0, 0, 0] == 1.0
    assert array.sum() == 1.0


@given(
    st.tuples(*[st.integers(8, 20)] * 3),
    st.tuples(*[st.integers(2, 24)] * 3),
    st.sampled_from(["stretch", "physical"]),
    st.sampled_from(["linear", "area"]),
    st.tuples(*[st.floats(0.3, 12.0)] * 3),
)
def test_any_shape(
    target: tuple[int, int, int],
    shape: tuple[int, int, int],
    geometry: Geometry,
    resampling: Resampling,
    spacing_mm: tuple[float, float, float],
) -> None:
    """Any scan becomes float32 of any target shape, in 0..1, without touching what is stored."""
    hu = np.random.default_rng(1).integers(-3024, 3000, shape).astype(np.int16)
    before = hu.copy()
    array = prepare(volume(hu, spacing_mm), ScanSettings(shape=target, geometry=geometry, resampling=resampling))
    assert array.shape == target
    assert array.dtype == np.float32
    assert array.flags.c_contiguous
    assert 0 <= array.min() <= array.max() <= 1
    np.testing.assert_array_equal(hu, before)


@pytest.mark.parametrize("resampling", ["linear", "area"])
@given(st.floats(-1500.0, 1000.0))
def test_window_is_linear_between_its_ends(resampling: Resampling, hu: float) -> None:
    """A uniform scan becomes one uniform number: 0 at or below the window, 1 at or above, linear between."""
    settings = ScanSettings(shape=(8, 8, 8), window_hu=(-900.0, 300.0), resampling=resampling)
    array = prepare(volume(np.full((20, 9, 13), hu, dtype=np.float32)), settings)
    np.testing.assert_allclose(array, np.clip((hu + 900) / 1200, 0, 1), atol=1e-5)


@pytest.mark.parametrize(("hu", "expected"), [(-1000, 0.0), (400, 1.0), (-300, 0.5), (-3024, 0.0), (3000, 1.0)])
def test_window_ends_are_exact(hu: int, expected: float) -> None:
    """-1000 HU is exactly 0 and 400 HU exactly 1."""
    array = prepare(volume(np.full((8, 8, 8), hu, dtype=np.int16)), ScanSettings(shape=(8, 8, 8)))
    assert (array == np.float32(expected)).all()


@pytest.mark.parametrize("geometry", ["stretch", "physical"])
@pytest.mark.parametrize("resampling", ["linear", "area"])
def test_darker_never_becomes_brighter(geometry: Geometry, resampling: Resampling) -> None:
    """Adding HU anywhere never lowers a voxel of the prepared scan."""
    hu = np.random.default_rng(5).integers(-400, 300, (15, 14, 9)).astype(np.float32)  # all body: its box is the field
    more = hu + np.random.default_rng(6).integers(0, 99, hu.shape).astype(np.float32)
    settings = ScanSettings(shape=(8, 8, 8), geometry=geometry, resampling=resampling, extent_mm=(12.0, 12.0, 7.0))
    assert (prepare(volume(more), settings) >= prepare(volume(hu), settings) - 1e-6).all()


def shares(size: int, centres: np.ndarray, step: float, *, area: bool) -> tuple[np.ndarray, np.ndarray]:
    """How much of each of `size` voxels is in each new one, (new, old), and how much of each new one is air, (new,)."""
    share, air = np.zeros((len(centres), size)), np.zeros(len(centres))
    for new, centre in enumerate(centres):
        if area and step > 1:
            for old in range(size):
                share[new, old] = max(0.0, min(centre + step / 2, old + 0.5) - max(centre - step / 2, old - 0.5))
            inside = share[new].sum()  # a mean of what is inside, unless most of it is outside
            share[new] /= max(inside, step / 2)
            air[new] = 1 - share[new].sum()
        elif -0.5 <= centre <= size - 0.5:
            below = int(np.floor(centre))
            share[new, min(max(below, 0), size - 1)] += below + 1 - centre
            share[new, min(max(below + 1, 0), size - 1)] += centre - below
        else:
            air[new] = 1
    return share, air


grids = st.tuples(st.floats(-6.0, 14.0), st.sampled_from([0.4, 0.9, 1.3, 2.0, 3.7, 9.0]), st.integers(2, 5))


@given(st.tuples(*[st.integers(2, 12)] * 3), st.tuples(grids, grids, grids), st.sampled_from(["linear", "area"]),
       st.integers(0, 99))  # fmt: skip
def test_any_grid_is_filled_as_directly_computed(
    shape: tuple[int, int, int], grid: tuple[tuple[float, float, int], ...], resampling: Resampling, seed: int
) -> None:
    """Wherever a grid lies, within a scan, across its edge or beside it, fine or coarse: each new voxel is the mean of
    the part of the scan that it covers, or what lies between two voxels; beside the scan is air.
    """
    hu = np.random.default_rng(seed).integers(-1000, 400, shape).astype(np.int16)
    centres = [first + step * np.arange(count) for first, step, count in grid]
    frame = Frame(centres, [step for _, step, _ in grid], (-1000.0, 400.0))
    settings = ScanSettings(shape=(8, 8, 8), resampling=resampling)
    with mock.patch.object(sys.modules[prepare.__module__], "locate", return_value=frame):
        found = prepare(volume(hu), settings)
    expected = hu[::-1, ::-1].transpose(1, 0, 2).astype(np.float64)
    for axis, (places, (_, step, _)) in enumerate(zip(centres, grid, strict=True)):
        share, air = shares(expected.shape[axis], places, step, area=resampling == "area")
        mean = np.tensordot(share, expected, axes=(1, axis)) - 1000.0 * air[:, None, None]
        expected = np.moveaxis(mean, 0, axis)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, (expected + 1000) / WINDOW, atol=2e-5)


class TestPhysical:
    """Millimetres are kept, whatever the voxels are."""

    @pytest.mark.parametrize("resampling", ["linear", "area"])
    @pytest.mark.parametrize("spacing_mm", [(2.0, 2.0, 5.0), (1.6, 3.2, 4.0), (4.0, 2.0, 2.0)])
    def test_sampling_does_not_matter(self, spacing_mm: tuple[float, float, float], resampling: Resampling) -> None:
        """Isotropic and anisotropic samplings of one body give the same picture."""
        one = prepare(body((2.0, 2.0, 2.0)), physical(resampling))
        other = prepare(body(spacing_mm), physical(resampling))
        assert np.abs(one - other).mean() < 0.02
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.98

    @pytest.mark.parametrize("centre_mm", [(12.0, -16.0, 8.0), (-9.0, 5.0, -13.0)])
    def test_place_in_the_field_does_not_matter(self, centre_mm: tuple[float, float, float]) -> None:
        """A body that lies elsewhere in the field gives the same picture, to one voxel of it."""
        one = prepare(body((2.0, 2.0, 2.0)), physical()) > 0.5
        other = prepare(body((2.0, 2.0, 2.0), centre_mm), physical()) > 0.5
        assert other.sum() == pytest.approx(one.sum(), rel=0.03)
        near = ndimage.binary_dilation(one, structure=np.ones((3, 3, 3)))
        sure = ndimage.binary_erosion(one, structure=np.ones((3, 3, 3)))
        assert (near | ~other).all()
        assert (other | ~sure).all()

    def test_sizes_in_mm_are_kept(self) -> None:
        """The body's extent along each axis, in voxels of 4.5 mm, is its diameter in mm."""
        inside = prepare(body((1.5, 2.0, 4.0)), physical()) > 0.5
        diameters_mm = [4.5 * inside.any(axis=others).sum() for others in ((1, 2), (0, 2), (0, 1))]
        # The edge is half as bright 5 mm outside along the shortest axis, in proportion along the others.
        for found_mm, radius_mm in zip(diameters_mm, (30.0, 40.0, 50.0), strict=True):
            assert found_mm == pytest.approx(2 * radius_mm * (1 + 5 / 30), abs=9)

    @pytest.mark.parametrize("resampling", ["linear", "area"])
    def test_outside_is_air(self, resampling: Resampling) -> None:
        """Where the field reaches beyond the scan there is exactly air, and the scan lies in the middle."""
        water = volume(np.zeros((40, 40, 40), dtype=np.float32), (2.0, 2.0, 2.0))
        array = prepare(water, physical(resampling, extent_mm=160.0))
        assert (array[:7] == 0).all()
        assert (array[:, :, -7:] == 0).all()
        assert (array[9:23, 9:23, 9:23] == 1).all()

    def test_body_is_in_the_middle(self) -> None:
        """A symmetric body gives a symmetric picture."""
        array = prepare(body((4.0, 4.0, 4.0)), physical())
        np.testing.assert_allclose(array, array[::-1, ::-1, ::-1], atol=1e-5)

    def test_table_is_not_the_body(self) -> None:
        """A thin table under the body that it touches, and a thing on its chest, do not move the picture."""
        alone = body((2.0, 2.0, 2.0))
        hu = np.array(alone.stored)
        hu[10:70, 4:6, :] = 0.0
        hu[38:40, 4:30, 38:42] = 0.0
        hu[4:10, 70:78, 4:10] = 0.0
        with_table = prepare(volume(hu, (2.0, 2.0, 2.0)), physical())
        np.testing.assert_array_equal(with_table[6:22, :26], prepare(alone, physical())[6:22, :26])

    def test_no_body(self) -> None:
        """A field of air becomes a field of air."""
        assert not prepare(volume(np.full((9, 9, 9), -1000, dtype=np.int16)), physical()).any()

    @pytest.mark.parametrize("shape", [(9, 9, 9), (8, 12, 5)])
    def test_without_a_body_the_middle_is_the_scans(self, shape: tuple[int, int, int]) -> None:
        """Where nothing is dense the grid lies round the middle of all voxels."""
        rows, columns, slices = body_centre(volume(hu := np.full(shape, -1000.0)), as_picture(hu), (1.0, 1.0, 1.0))
        assert (rows, columns, slices) == ((shape[1] - 1) / 2, (shape[0] - 1) / 2, (shape[2] - 1) / 2)


class TestArea:
    """Averages where an axis shrinks."""

    @pytest.mark.parametrize(("size", "share"), [(24, 0.9), (32, 0.6), (48, 0.5)])
    def test_keeps_the_mean_and_lowers_the_noise(self, size: int, share: float) -> None:
        """The mean of a noisy scan stays, and the more it shrinks the further its noise falls below interpolation's."""
        noise = np.random.default_rng(2).normal(-300, 100, (size, size, size)).astype(np.float32)
        area = prepare(volume(noise), ScanSettings(shape=(16, 16, 16), resampling="area"))
        linear = prepare(volume(noise), ScanSettings(shape=(16, 16, 16)))
        assert area.mean() == pytest.approx(0.5, abs=0.002)
        assert area.std() < share * linear.std()

    @pytest.mark.parametrize("geometry", ["stretch", "physical"])
    def test_agrees_with_linear_on_a_ramp(self, geometry: Geometry) -> None:
        """Away from the edges the average round a point of a ramp is the ramp at that point."""
        x, y, z = np.meshgrid(*[np.arange(n) / n for n in (40, 36, 32)], indexing="ij")
        ramp = volume((-400 + 200 * x + 300 * y + 250 * z).astype(np.float32), (2.0, 2.0, 2.0))
        options = {"shape": (12, 12, 12), "geometry": geometry, "extent_mm": (70.0, 76.0, 60.0)}
        linear = prepare(ramp, ScanSettings(**options))
        area = prepare(ramp, ScanSettings(**options, resampling="area"))
        inside = (slice(2, -2),) * 3
        np.testing.assert_allclose(area[inside], linear[inside], atol=1e-3)

    def test_is_linear_where_an_axis_grows(self) -> None:
        """Without shrinking both ways of resampling are one."""
        hu = np.random.default_rng(3).integers(-1000, 400, (8, 9, 10)).astype(np.int16)
        one, other = (prepare(volume(hu), ScanSettings(shape=(16, 16, 16), resampling=r)) for r in ("linear", "area"))
        np.testing.assert_array_equal(one, other)
