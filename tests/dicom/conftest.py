"""Fixtures of the DICOM tests: series made with pydicom, and what they must come to."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from helpers import dicom_series


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, so that `-m "not slow"` leaves all of them out."""
    here = Path(__file__).parent
    for item in items:
        if here in Path(item.path).parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def ct() -> ModuleType:
    """Functions that make series, and the volume in them."""
    return dicom_series


@pytest.fixture(scope="session")
def assert_whole(ct: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    """A function that compares a scan with the NIfTI of the same volume: HU, geometry and prepared arrays."""
    from ctexp.config import ScanSettings
    from ctexp.scans import Volume, prepare, read_scan

    expected = read_scan(ct.nifti(tmp_path_factory.mktemp("nifti") / "scan.nii"))
    ways = [
        ScanSettings(shape=(8, 9, 10), geometry=geometry, resampling=resampling)
        for geometry in ("stretch", "physical")
        for resampling in ("linear", "area")
    ]
    arrays = [prepare(expected, way) for way in ways]

    def check(volume: Volume) -> None:
        np.testing.assert_array_equal(volume.hu, expected.hu)
        np.testing.assert_allclose(volume.affine, expected.affine, atol=1e-4)
        for way, array in zip(ways, arrays, strict=True):
            np.testing.assert_allclose(prepare(volume, way), array, atol=1e-5)

    return check
