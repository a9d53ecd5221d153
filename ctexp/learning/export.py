"""A trained network to ONNX, and the proof that both say the same."""

from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from ctexp.errors import WorkError
from ctexp.learning.onnx_graph import to_onnx

TOLERANCE = 1e-4


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

    trained = keras.ops.convert_to_numpy(network(examples, training=False))
    file.write_bytes(to_onnx(network).SerializeToString())
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    exported = session.run(None, {session.get_inputs()[0].name: examples})[0]
    difference = float(np.max(np.abs(exported - trained) / np.maximum(1.0, np.abs(trained))))
    if not difference <= TOLERANCE:
        raise WorkError(
            f"export: the ONNX network must equal the trained one to {TOLERANCE}, its logits differ by {difference:.2g}"
        )
    return difference
