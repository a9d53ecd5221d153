"""A network as ONNX: asked without Keras, on the CPU."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ctexp.errors import WorkError

NETWORK_NAME = "network.onnx"


class OnnxNetwork:
    """A loaded ONNX network. The file is data to its runtime; no code of it is executed.

    Args:
        file: the `.onnx` file.

    Raises:
        WorkError: it is no network that the runtime can load.
    """

    def __init__(self, file: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's own exceptions share no base class
            raise WorkError(f"{file}: must be an ONNX network: {error}") from error
        self._input = self._session.get_inputs()[0].name

    def logits(self, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Give the (n,) float64 logits of prepared scans (n, rows, columns, slices, 1) float32 in 0..1."""
        outputs = self._session.run(None, {self._input: inputs})[0]
        return np.asarray(outputs, dtype=np.float64).ravel()
