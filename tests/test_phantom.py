"""Synthetic chest CT: determinism, geometry, anatomy and lesions."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from ctexp.datasets.phantom import PhantomScan, PhantomSettings, make_scan
from ctexp.datasets.phantom.acquisition import draw_acquisition
from ctexp.datasets.phantom.patient import draw_patient
from ctexp.datasets.phantom.settings import stream

pytestmark = pytest.mark.slow  # whole chests are drawn and judged

TINY = PhantomSettings(scans=4, size=32, seed=3)
SMALL = PhantomSettings(scans=8, size=64, seed=5)


def lungs(hu: np.ndarray) -> np.ndarray:
    """Voxels under -300 HU that are not joined to the border of their axial slice."""
    inside = np.zeros(hu.shape, dtype=bool)
    for k in range(hu.shape[2]):
        parts, _ = ndimage.label(hu[:, :, k] < -300)
        rim = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
        inside[:, :, k] = (parts > 0) & ~np.isin(parts, rim)
    return inside


@pytest.fixture(scope="module")
def pair() -> tuple[PhantomScan, PhantomScan]:
    """A normal and an abnormal scan."""
    return make_scan(0, SMALL), make_scan(1, SMALL)


def test_scan_does_not_depend_on_the_number_of_scans() -> None:
    """Scan 1 of 2 is scan 1 of 8; another seed gives another scan."""
    one = make_scan(1, PhantomSettings(scans=2, size=32, seed=5))
    many = make_scan(1, PhantomSettings(scans=8, size=32, seed=5))
    other = make_scan(1, PhantomSettings(scans=2, size=32, seed=6))
    np.testing.assert_array_equal(one.hu, many.hu)
    np.testing.assert_array_equal(one.mask, many.mask)
    assert one.hu.shape != other.hu.shape or not np.array_equal(one.hu, other.hu)


def test_size_changes_resolution_and_not_anatomy() -> None:
    """The scan at 128, averaged over 2 x 2 pixels, is the scan at 64 but for noise."""
    large = make_scan(1, PhantomSettings(scans=8, size=128, seed=5))
    small = make_scan(1, SMALL)
    nx, ny, nz = small.hu.shape
    averaged = large.hu.reshape(nx, 2, ny, 2, nz).mean(axis=(1, 3))
    assert np.corrcoef(np.maximum(averaged, -1000).ravel(), np.maximum(small.hu, -1000).ravel())[0, 1] > 0.985
    share = large.mask.reshape(nx, 2, ny, 2, nz).mean(axis=(1, 3))
    assert np.corrcoef(share.ravel(), small.mask.ravel().astype(float))[0, 1] > 0.9
    np.testing.assert_allclose(np.diag(small.affine)[:2], 2 * np.diag(large.affine)[:2])


def test_geometry_is_las_with_8_mm_slices(pair: tuple[PhantomScan, PhantomScan]) -> None:
    """Scans are int16 in LAS order, 36 to 52 slices of 8 mm, with a field of view of 330 to 420 mm."""
    for scan in pair:
        assert scan.hu.dtype == np.int16
        assert "".join(nib.aff2axcodes(scan.affine)) == "LAS"
        assert scan.affine[2, 2] == 8.0
        assert 36 <= scan.hu.shape[2] <= 52
        assert 330 <= scan.hu.shape[0] * scan.affine[1, 1] <= 420
        assert scan.mask.shape == scan.hu.shape


def test_hu_of_air_lung_soft_tissue_and_bone_are_plausible(pair: tuple[PhantomScan, PhantomScan]) -> None:
    """Air, lung, muscle, fat and bone all have the HU that CT gives them, in plausible amounts."""
    for scan in pair:
        body = scan.hu[scan.hu > -200]
        assert 0.15 < len(body) / scan.hu.size < 0.7
        assert 20 < np.median(body[body > -20]) < 70
        assert -125 < np.median(body[body < -40]) < -70
        assert 0.004 < (scan.hu > 200).mean() < 0.06
        assert scan.hu.max() < 2000
        corner = scan.hu[:3, -3:, :]
        assert np.median(corner) <= -900
    air = pair[0].hu[lungs(pair[0].hu)]
    assert -930 < np.median(air) < -680
    litres = lungs(pair[0].hu).sum() * pair[0].affine[1, 1] ** 2 * 8 * 1e-6
    assert 1.2 < litres < 8


@pytest.mark.parametrize("index", [0, 2])
def test_liver_lies_on_the_patients_right(index: int) -> None:
    """In the lowest slices the patient's right half, the upper half of the first axis, holds more soft tissue.

    The first axis runs to the left, so low indices are the patient's right.
    """
    scan = make_scan(index, SMALL)
    low = scan.hu[:, :, 1:5]
    organ = (low > 25) & (low < 120)
    middle = len(organ) // 2
    assert organ[:middle].sum() > 1.15 * organ[middle:].sum()


def test_heart_lies_to_the_patients_left(pair: tuple[PhantomScan, PhantomScan]) -> None:
    """The right lung is the larger one, since heart lies to the left."""
    inside = lungs(pair[0].hu)
    middle = len(inside) // 2
    assert inside[:middle].sum() > inside[middle:].sum()


@pytest.mark.parametrize(("difficulty", "low", "high"), [("standard", 0.04, 0.5), ("hard", 0.008, 0.13)])
def test_lesions_lie_in_the_lung_and_raise_its_density(difficulty: str, low: float, high: float) -> None:
    """Lesions lie in the lung, take the share of it that the difficulty says, and are denser than the lung around."""
    settings = PhantomSettings(scans=8, size=64, seed=11, difficulty=difficulty)  # type: ignore[arg-type]
    scan = make_scan(1, settings)
    assert scan.label == 1
    air = lungs(scan.hu)
    assert low < scan.mask.sum() / (air | scan.mask).sum() < high
    near = ndimage.binary_dilation(scan.mask, np.ones((5, 5, 1))) & ~scan.mask & air
    assert scan.hu[scan.mask & air].mean() > scan.hu[near].mean() + 30
    assert (scan.hu[scan.mask] < 120).mean() > 0.97
    assert (ndimage.binary_closing(air, np.ones((9, 9, 1))) & scan.mask).sum() > 0.6 * scan.mask.sum()


def test_classes_alternate_and_normal_scans_have_no_lesion(pair: tuple[PhantomScan, PhantomScan]) -> None:
    """Even indices are normal, with an empty mask; odd ones are abnormal."""
    assert [scan.label for scan in pair] == [0, 1]
    assert not pair[0].mask.any()
    assert pair[1].mask.any()


def test_padding_says_nothing_about_the_class() -> None:
    """About half of the scans of both classes are padded; what a scanner does is drawn apart from the class."""
    settings = PhantomSettings(scans=200, size=32, seed=1)
    padded = []
    for index in range(200):
        patient = draw_patient(stream(settings, index, "anatomy"))
        scanner = draw_acquisition(stream(settings, index, "acquisition"), patient)
        assert scanner.padding_hu in (None, -1024, -2048, -3024)
        padded.append(scanner.padding_hu is not None)
    assert 35 <= sum(padded[0::2]) <= 65
    assert 35 <= sum(padded[1::2]) <= 65


def test_padding_lies_outside_the_field_of_view() -> None:
    """A padded scan has its padding value in every corner and nowhere near the middle."""
    settings = PhantomSettings(scans=8, size=32, seed=5)
    seen = set()
    for index in (1, 2):
        patient = draw_patient(stream(settings, index, "anatomy"))
        padding = draw_acquisition(stream(settings, index, "acquisition"), patient).padding_hu
        hu = make_scan(index, settings).hu
        corners = np.concatenate([hu[i, j] for i in (0, -1) for j in (0, -1)])
        assert (corners == padding).all() if padding else corners.max() < -200
        assert hu[8:24, 8:24].min() >= -1024
        seen.add(padding is None)
    assert seen == {True, False}
