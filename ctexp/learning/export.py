"""A trained network to files, Keras and ONNX, and the proof that they say what the network says."""

from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from ctexp.errors import WorkError
from ctexp.learning.onnx_graph import to_onnx

TOLERANCE = 1e-4


def export_keras(network: keras.Model, file: Path, examples: npt.NDArray[np.float32]) -> keras.Model:
    """Write a float32 network as a `.keras` file and compare what it gives back on examples.

    Args:
        network: float32 throughout, of Keras's own layers only: the file loads where there is no ctexp.
        file: to write.
        examples: (n, rows, columns, slices, 1) float32.

    Returns:
        The network as it was read from the file.

    Raises:
        WorkError: its logits are not those of the network, to 1e-4.
    """
    network.save(file)
    kept = keras.saving.load_model(file, compile=False, safe_mode=True)
    _compare("Keras", _logits(kept, examples), _logits(network, examples))
    return kept


def export_onnx(network: keras.Model, file: Path, examples: npt.NDArray[np.float32]) -> float:
    """Write a float32 network as ONNX and compare both on examples.

    Args:
        network: float32 throughout.
        file: to write.
        examples: (n, rows, columns, slices, 1) float32.

    Returns:
        The largest difference of the logits, relative where they are above 1.

    Raises:
        WorkError: it is above 1e-4: the exported network is not the trained one.
    """
    import onnxruntime

    file.write_bytes(to_onnx(network).SerializeToString())
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = False  # it would keep twice the peak
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    exported = np.concatenate([session.run(None, {name: one[None]})[0] for one in examples])
    return _compare("ONNX", exported, _logits(network, examples))


def _logits(network: keras.Model, examples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    # One at a time: the layers of a large network take a gigabyte a scan.
    each = [keras.ops.convert_to_numpy(network(one[None], training=False)) for one in examples]
    return np.concatenate(each)


def _compare(kind: str, exported: npt.NDArray[np.float32], trained: npt.NDArray[np.float32]) -> float:
    difference = float(np.max(np.abs(exported - trained) / np.maximum(1.0, np.abs(trained))))
    if not difference <= TOLERANCE:
        raise WorkError(
            f"export: the {kind} network must equal the trained one to {TOLERANCE}, its logits differ by "
            f"{difference:.2g}"
        )
    return difference
