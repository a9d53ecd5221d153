"""Heat maps on the scan's own voxels: the right side in every orientation, nothing where nothing was seen."""

import nibabel as nib
import numpy as np
import onnx
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from onnx import TensorProto, helper, numpy_helper

from ctexp.config import ScanSettings
from ctexp.registry.explain import METHODS, Method, explain
from ctexp.registry.manifest import PredictorManifest, hash_networks
from ctexp.registry.network import NETWORK_NAME
from ctexp.registry.predictor import Predictor
from ctexp.scans import Volume, decode_nifti

SHAPE = (24, 24, 12)
STRETCH = ScanSettings(shape=SHAPE)
PHYSICAL = ScanSettings(shape=SHAPE, geometry="physical", extent_mm=(240.0, 240.0, 240.0))


def predictor_of(folder, settings: ScanSettings) -> Predictor:
    """A network that calls abnormal what is denser than about -600 HU within lung-like surroundings."""
    weights = {
        "shape": np.array([-1, 1, *SHAPE]),
        "kernel": np.full((2, 1, 3, 3, 3), 1 / 27, dtype=np.float32)
        * np.array([1, -1], np.float32).reshape(2, 1, 1, 1, 1),
        "bias": np.array([-0.3, 0.0], dtype=np.float32),
        "axes": np.array([2, 3, 4]),
        "head": np.array([[40.0], [1.0]], dtype=np.float32),
    }
    nodes = [
        helper.make_node("Reshape", ["scan", "shape"], ["a"]),
        helper.make_node("Conv", ["a", "kernel", "bias"], ["b"], kernel_shape=[3] * 3, pads=[1] * 6, strides=[1] * 3),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("MaxPool", ["c"], ["d"], kernel_shape=[2] * 3, strides=[2] * 3),
        helper.make_node("GlobalAveragePool", ["d"], ["e"]),
        helper.make_node("Squeeze", ["e", "axes"], ["f"]),
        helper.make_node("MatMul", ["f", "head"], ["logit"]),
    ]
    scan = helper.make_tensor_value_info("scan", TensorProto.FLOAT, ["n", *SHAPE, 1])
    logit = helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n", 1])
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "network", [scan], [logit], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    folder.mkdir(parents=True)
    onnx.save(model, folder / NETWORK_NAME)
    PredictorManifest(settings, hash_networks(folder, [NETWORK_NAME]), synthetic=True, run_id="0" * 32).write(folder)
    return Predictor(folder)


def one_sided() -> tuple[nib.Nifti1Image, np.ndarray]:
    """Lung everywhere with one dense ball in the patient's left, front and upper part; and where it is, RAS."""
    x, y, z = np.meshgrid(np.arange(60), np.arange(50), np.arange(20), indexing="ij")
    ball = ((x - 15) * 4.0) ** 2 + ((y - 38) * 4.0) ** 2 + ((z - 14) * 10.0) ** 2 < 35.0**2
    hu = np.where(ball, 0, -850).astype(np.int16)
    affine = np.diag([4.0, 4.0, 10.0, 1.0])
    affine[:3, 3] = -118.0, -98.0, -1500.0
    return nib.Nifti1Image(hu, affine), ball


@pytest.fixture(scope="module")
def predictor(tmp_path_factory) -> Predictor:
    """The network on stretched scans."""
    return predictor_of(tmp_path_factory.mktemp("predictor") / "stretch", STRETCH)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR", "SAL"])
def test_the_hottest_voxel_is_in_the_lesion_however_the_file_lies(predictor, method: Method, axes) -> None:
    """The heat lies on the volume's own grid, on the side on which the lesion is, in files of every orientation."""
    image, ball = one_sided()
    turned = image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt(axes)))
    volume = decode_nifti(turned.to_bytes(), "scan")
    said = explain(predictor, volume, method=method)
    assert said.heat.shape == volume.shape == ball.shape
    assert (said.heat.dtype, said.heat.min(), said.heat.max()) == (np.float32, 0.0, 1.0)
    assert ball[np.unravel_index(said.heat.argmax(), said.heat.shape)]
    assert said.heat[ball].sum() / said.heat.sum() > 8 * ball.mean()
    assert said.peak > 0


def test_what_the_network_did_not_see_is_cold(tmp_path) -> None:
    """With `physical` the heat is 0 outside the field that was cut out, and in its place within."""
    image, ball = one_sided()
    wide = np.full((120, 50, 40), -1000, dtype=np.int16)
    wide[30:90, :, 10:30] = image.get_fdata()
    volume = Volume(wide, 1.0, 0.0, image.affine)
    said = explain(predictor_of(tmp_path / "physical", PHYSICAL), volume)
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
