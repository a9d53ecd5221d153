"""Fixtures that several test modules share."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from ctexp.config import ScanSettings
    from ctexp.registry.predictor import Predictor

# No example database: the same examples are tried each time, on every machine.
settings.register_profile("ctexp", max_examples=40, database=None, deadline=None, derandomize=True)
settings.load_profile("ctexp")


def forget_settings() -> None:
    """Take the user's settings, and those that MLflow leaves behind, out of the environment."""
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "CTEXP_", "RAY_")):
            del os.environ[name]


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so a script's `&` leaves it, also for what is begun here
    signal.signal(signal.SIGINT, signal.default_int_handler)
forget_settings()  # before any fixture of a module is made
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # each process that a test starts would compile all of ctexp anew


LONGEST = (
    "test_sweep.py", "test_walks.py", "test_cluster.py", "test_sweep_kinds.py", "test_resume.py", "test_reproduce.py",
    "test_folds.py", "test_train.py", "test_store.py", "test_importance.py", "test_network.py", "test_trial.py",
)  # fmt: skip
"""Files whose tests last longest. Begun first, none of them runs alone at the end while other processes are idle."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what holds a law on many drawn cases."""
    if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
        item.add_marker(pytest.mark.slow)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the fast tests first: what is broken shows in seconds; then the longest."""
    items.sort(key=lambda item: (item.get_closest_marker("slow") is not None, item.path.name not in LONGEST))


@pytest.fixture(scope="session")
def nowhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder that the tests which write nothing share: one for each would take a tenth of all their time."""
    return tmp_path_factory.mktemp("nowhere")


@pytest.fixture(autouse=True)
def isolation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, nowhere: Path) -> Iterator[None]:
    """Run in an empty folder, with plain output, no store or data of the user's, and no GPU."""
    forget_settings()
    writes = "tmp_path" in request.fixturenames
    monkeypatch.chdir(request.getfixturevalue("tmp_path") if writes else nowhere)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    yield
    forget_settings()
    left = [path.name for path in nowhere.iterdir()]
    for name in left:
        (shutil.rmtree if (nowhere / name).is_dir() else os.unlink)(nowhere / name)
    assert left == [], "a test that writes into the current folder asks for tmp_path"


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded source of random numbers."""
    return np.random.default_rng(20240517)


@pytest.fixture
def write_scan() -> Callable[..., Path]:
    """A function that writes a small noisy chest CT; another seed is another content."""

    def write(path: Path, seed: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        hu = np.full((20, 18, 20), -1000, dtype=np.int16)
        hu[1:-1, 2:-2] = 40  # a body in air, in it a spine at the back (y grows to the front) and two lungs
        hu[9:11, 3:6] = 400
        for lung in (slice(3, 9), slice(11, 17)):
            hu[lung, 6:14, 4:16] = -850
        hu += np.random.default_rng(seed).integers(-30, 30, hu.shape).astype(np.int16)
        nib.save(nib.Nifti1Image(hu, np.diag([-18.0, 16.0, 12.0, 1.0])), path)
        return path

    return write


@pytest.fixture(scope="session")
def make_predictor() -> Callable[..., "Predictor"]:
    """A function that packages a small network, which calls abnormal what is denser than about -600 HU, in a folder."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from ctexp.registry.manifest import PredictorManifest, hash_networks
    from ctexp.registry.network import NETWORK_NAME
    from ctexp.registry.predictor import Predictor

    def make(folder: Path, settings: "ScanSettings") -> Predictor:
        weights = {
            "shape": np.array([-1, 1, *settings.shape]),
            "kernel": np.array([1, -1], np.float32).reshape(2, 1, 1, 1, 1) / 27 * np.ones((1, 1, 3, 3, 3), np.float32),
            "bias": np.array([-0.3, 0.0], dtype=np.float32),
            "axes": np.array([2, 3, 4]),
            "head": np.array([[40.0], [1.0]], dtype=np.float32),
        }
        nodes = [
            helper.make_node("Reshape", ["scan", "shape"], ["a"]),
            helper.make_node(
                "Conv", ["a", "kernel", "bias"], ["b"], kernel_shape=[3] * 3, pads=[1] * 6, strides=[1] * 3
            ),
            helper.make_node("Relu", ["b"], ["c"]),
            helper.make_node("MaxPool", ["c"], ["d"], kernel_shape=[2] * 3, strides=[2] * 3),
            helper.make_node("GlobalAveragePool", ["d"], ["e"]),
            helper.make_node("Squeeze", ["e", "axes"], ["f"]),
            helper.make_node("MatMul", ["f", "head"], ["logit"]),
        ]
        scan = helper.make_tensor_value_info("scan", TensorProto.FLOAT, ["n", *settings.shape, 1])
        logit = helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n", 1])
        constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
        graph = helper.make_graph(nodes, "network", [scan], [logit], constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
        folder.mkdir(parents=True)
        onnx.save(model, folder / NETWORK_NAME)
        PredictorManifest(settings, hash_networks(folder, [NETWORK_NAME]), synthetic=True, run_id="0" * 32).write(
            folder
        )
        return Predictor(folder)

    return make


@pytest.fixture(scope="session")
def one_sided() -> tuple[nib.Nifti1Image, np.ndarray]:
    """Lung everywhere with one dense ball in the left, front and upper part of the patient; and where it is, RAS."""
    x, y, z = np.meshgrid(np.arange(60), np.arange(50), np.arange(20), indexing="ij")
    ball = ((x - 15) * 4.0) ** 2 + ((y - 38) * 4.0) ** 2 + ((z - 14) * 10.0) ** 2 < 18.0**2
    hu = np.where(ball, 0, -850).astype(np.int16)
    affine = np.diag([4.0, 4.0, 10.0, 1.0])
    affine[:3, 3] = -118.0, -98.0, -1500.0
    return nib.Nifti1Image(hu, affine), ball
