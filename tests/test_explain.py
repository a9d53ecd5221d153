"""Heat maps on the scan's own voxels: the right side in every orientation, nothing where nothing was seen."""

from types import SimpleNamespace

import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from ctexp.config import ScanSettings
from ctexp.registry.explain import METHODS, Method, explain
from ctexp.registry.occlusion import occlude
from ctexp.registry.predictor import Predictor
from ctexp.scans import Volume, decode_nifti

pytestmark = pytest.mark.slow  # a map asks a network some hundred times
SHAPE = (42, 42, 21)
STRETCH = ScanSettings(shape=SHAPE)
PHYSICAL = ScanSettings(shape=SHAPE, geometry="physical", extent_mm=(240.0, 240.0, 240.0))


@pytest.fixture(scope="module")
def predictor(make_predictor, tmp_path_factory) -> Predictor:
    """The network on stretched scans."""
    return make_predictor(tmp_path_factory.mktemp("predictor") / "stretch", STRETCH)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR", "SAL"])
def test_the_hottest_voxel_is_in_the_lesion_however_the_file_lies(predictor, one_sided, method: Method, axes) -> None:
    """The heat lies on the volume's own grid, on the side on which the lesion is, in files of every orientation."""
    image, ball = one_sided
    turned = image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt(axes)))
    volume = decode_nifti(turned.to_bytes(), "scan")
    said = explain(predictor, volume, method=method)
    assert said.heat.shape == volume.shape == ball.shape
    assert (said.heat.dtype, said.heat.min(), said.heat.max()) == (np.float32, 0.0, 1.0)
    assert ball[np.unravel_index(said.heat.argmax(), said.heat.shape)]
    assert said.heat[ball].sum() / said.heat.sum() > 8 * ball.mean()
    assert said.peak > 0


def test_what_the_network_did_not_see_is_cold(make_predictor, one_sided, tmp_path) -> None:
    """With `physical` the heat is 0 outside the field that was cut out, and in its place within."""
    image, ball = one_sided
    wide = np.full((120, 50, 40), -1000, dtype=np.int16)
    wide[30:90, :, 10:30] = image.get_fdata()
    volume = Volume(wide, 1.0, 0.0, image.affine)
    said = explain(make_predictor(tmp_path / "physical", PHYSICAL), volume)
    assert ball[np.unravel_index(said.heat[30:90, :, 10:30].argmax(), ball.shape)]
    assert said.heat.max() == 1.0
    assert not said.heat[:28].any()
    assert not said.heat[92:].any()


def test_nothing_that_speaks_for_abnormal_is_no_heat(predictor) -> None:
    """Where nothing speaks for abnormal the map is 0 everywhere, and its peak says so; nothing is divided by 0."""
    volume = Volume(np.full((30, 30, 20), -850, dtype=np.int16), 1.0, 0.0, np.diag([4.0, 4.0, 10.0, 1.0]))
    for method in METHODS:
        said = explain(predictor, volume, method=method)
        assert not said.heat.any()
        assert said.peak == 0


def test_occlusion_begins_no_round_that_would_not_end_in_its_time(rng, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first round is always finished; another one begins only where it would end in time, by the pace so far."""
    asked: list[int] = []
    monkeypatch.setattr("ctexp.registry.occlusion.time", SimpleNamespace(monotonic=lambda: float(sum(asked))))

    def rounds(seconds: float) -> int:
        asked.clear()
        prepared = rng.random((14, 14, 7), dtype=np.float32)
        return occlude(ask, prepared, np.zeros_like(prepared), seconds=seconds).rounds

    def ask(inputs: np.ndarray) -> np.ndarray:
        asked.append(len(inputs))  # a second each
        return inputs.mean(axis=(1, 2, 3, 4))

    assert rounds(1e9) == 8
    whole = sum(asked)
    assert [rounds(seconds) for seconds in (0.0, 0.15 * whole, 0.5 * whole)] == [1, 1, 4]
