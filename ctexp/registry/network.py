"""A network as ONNX: asked without Keras, on the CPU."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import special

from ctexp.datasets.parallel import cores
from ctexp.errors import WorkError

if TYPE_CHECKING:
    from ctexp.registry.derivatives import DerivableNetwork

NETWORK_NAME = "network.onnx"
KERAS_NAME = "network.keras"


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
        # As many threads as this process may use, not as the machine has; idle ones shall leave the cores to whoever
        # prepares the next scan, and memory goes back after each answer: the arena would keep twice the peak.
        options.intra_op_num_threads = cores()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_cpu_mem_arena = False
        try:
            self._content = file.read_bytes()
            self._session: Any = onnxruntime.InferenceSession(
                self._content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime's own exceptions share no base class
            raise WorkError(f"{file}: must be an ONNX network: {error}") from error
        self._input = self._session.get_inputs()[0].name

    def logits(self, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Give the (n,) float64 logits of prepared scans (n, rows, columns, slices, 1) float32 in 0..1."""
        outputs = self._session.run(None, {self._input: inputs})[0]
        return np.asarray(outputs, dtype=np.float64).ravel()

    @cached_property
    def derivable(self) -> "DerivableNetwork":
        """The same network with its inner layers open; made on first use, so that plain answers pay nothing for it.

        Raises:
            WorkError: it has operations whose derivative is not known.
        """
        from ctexp.registry.derivatives import DerivableNetwork

        return DerivableNetwork(self._content)


class OnnxEnsemble:
    """Several networks, one for a single one, that are asked the same.

    Args:
        files: the `.onnx` files, at least one.

    Attributes:
        members: the networks, in the order of the files.

    Raises:
        WorkError: one is no network that the runtime can load.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.members = [OnnxNetwork(file) for file in files]

    def logits(self, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Give each network's logits, (networks, n) float64, for prepared scans as `OnnxNetwork.logits` takes them."""
        return np.stack([member.logits(inputs) for member in self.members])


def mean_logits(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Give the (n,) logits of the mean of probabilities whose logits are (networks, n); of one network its own."""
    mean: npt.NDArray[np.float64]
    if len(logits) == 1:
        mean = logits[0]
        return mean
    # Of the logarithms: the mean of probabilities that are rounded to 1 would be an infinite logit.
    mean = special.logsumexp(special.log_expit(logits), axis=0) - special.logsumexp(special.log_expit(-logits), axis=0)
    return mean
