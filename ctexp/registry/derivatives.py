"""How a network's logit depends on its inner layers: exact derivatives of the ONNX graph, without a training library.

A ctexp network is one chain of operations. The runtime gives what each of them puts out; from the logit back, each
operation's rule is a few lines of NumPy. So any registered network can be explained, whenever it was packaged, and the
file that is explained is the file that answers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ctexp.errors import WorkError

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Step:
    """One operation of the chain.

    Attributes:
        kind: ONNX's name of the operation.
        source, result: names of the tensors that it reads and writes.
        constants: its other inputs, weights and shapes.
        settings: its attributes.
    """

    kind: str
    source: str
    result: str
    constants: tuple[npt.NDArray[Any], ...]
    settings: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Layer:
    """What a layer put out, and how the logit depends on it.

    Attributes:
        values: (channels, rows, columns, slices) float32.
        gradient: derivative of the logit by each of the values, as large.
        scale, offset: (3,) float64; value number k along an axis looks at the input's voxel `scale * k + offset`.
    """

    values: Array
    gradient: Array
    scale: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]


class DerivableNetwork:
    """An ONNX network whose inner layers can be looked at. The file is data; no code of it is executed.

    Args:
        content: bytes of the `.onnx` file.

    Raises:
        WorkError: the graph is no chain of the operations that have a rule here.
    """

    def __init__(self, content: bytes) -> None:
        import onnx

        self._content = content
        graph = onnx.load_model_from_string(content).graph
        self._steps = _chain(graph)
        self._input = graph.input[0].name
        convolutions = [number for number, step in enumerate(self._steps) if step.kind == "Conv"]
        head = next(number for number, step in enumerate(self._steps) if step.kind.startswith("Global"))
        self._ends = [number - 1 for number in (*convolutions[1:], head)]
        self._sessions: dict[int, Any] = {}

    @property
    def blocks(self) -> int:
        """Number of convolution blocks."""
        return len(self._ends)

    def look(self, prepared: Array, block: int) -> Layer:
        """Give what a block puts out for a scan, and the logit's derivative by it.

        Args:
            prepared: (rows, columns, slices) float32 in 0..1, as `prepare` gives it.
            block: 1 for the first; what the next block, or the head, reads of it.
        """
        end = self._ends[block - 1]
        names = [step.result for step in self._steps[end:]]
        said = self._session(end).run(names, {self._input: prepared[None, ..., None]})
        values = dict(zip(names, said, strict=True))
        gradient = np.ones_like(values[names[-1]])
        for step in reversed(self._steps[end + 1 :]):
            gradient = _RULES[step.kind](step, values[step.source], values[step.result], gradient)
        scale, offset = self._place(end)
        return Layer(values[names[0]][0], gradient[0], scale, offset)

    def values(self, prepared: Array, block: int) -> Array:
        """Give what a block puts out for a scan, as `Layer.values`; the derivative, which costs more, is left out."""
        end = self._ends[block - 1]
        said = self._session(end).run([self._steps[end].result], {self._input: prepared[None, ..., None]})
        return np.asarray(said[0][0], dtype=np.float32)

    def _session(self, end: int) -> Any:
        """Give the network with what its steps put out from `end` on; what lies before is let go of as usual."""
        import onnx
        import onnxruntime

        if end not in self._sessions:
            model = onnx.load_model_from_string(self._content)
            model.graph.output.extend(
                onnx.helper.make_tensor_value_info(step.result, onnx.TensorProto.FLOAT, None)
                for step in self._steps[end:-1]
            )
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            options.enable_cpu_mem_arena = False  # it would keep twice the peak for as long as the network is known
            self._sessions[end] = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        return self._sessions[end]

    def _place(self, end: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Give scale and offset of a layer, as `Layer` has them."""
        scale, offset = np.ones(3), np.zeros(3)
        for step in self._steps[: end + 1]:
            if step.kind in ("Conv", "MaxPool", "AveragePool"):
                edges = np.array(step.settings["kernel_shape"], dtype=np.float64)
                begins = np.array(step.settings.get("pads", [0] * 6)[:3], dtype=np.float64)
                offset = offset + scale * ((edges - 1) / 2 - begins)
                scale = scale * np.array(step.settings["strides"], dtype=np.float64)
        return scale, offset


def _chain(graph: Any) -> list[Step]:
    """Read a graph as a chain from its input to its only output."""
    import onnx

    constants = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    steps = []
    current = graph.input[0].name
    for node in graph.node:
        variable = [name for name in node.input if name not in constants]
        settings = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        if node.op_type == "Constant":
            constants[node.output[0]] = onnx.numpy_helper.to_array(settings["value"])
            continue
        step = Step(node.op_type, current, node.output[0],
                    tuple(constants[name] for name in node.input if name in constants), settings)  # fmt: skip
        if variable != [current] or len(node.output) != 1 or not _has_rule(step):
            raise WorkError(f"network: must be a chain of operations with a known derivative, {node.op_type} is none")
        steps.append(step)
        current = node.output[0]
    if [one.name for one in graph.output] != [current] or not any(step.kind.startswith("Global") for step in steps):
        raise WorkError("network: must be convolution blocks, a global pooling and one output")
    return steps


def _has_rule(step: Step) -> bool:
    pooled = step.kind in ("MaxPool", "AveragePool")
    if step.kind == "Conv" or pooled:
        settings = step.settings
        if settings.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID") or settings.get("group", 1) != 1:
            return False
        if pooled and (settings["kernel_shape"] != settings["strides"] or any(settings.get("pads", ()))):
            return False
        return set(settings.get("dilations", (1,))) == {1} and not settings.get("ceil_mode", 0)
    return step.kind in _RULES


Rule = Callable[[Step, Array, Array, Array], Array]
"""From (step, what it read, what it put out, derivative by what it put out) to the derivative by what it read."""


def _through_convolution(step: Step, read: Array, put_out: Array, gradient: Array) -> Array:
    weights = step.constants[0]  # (out, in, rows, columns, slices)
    strides, pads = step.settings["strides"], step.settings.get("pads", [0] * 6)
    padded = [n + low + high for n, low, high in zip(read.shape[2:], pads[:3], pads[3:], strict=True)]
    result = np.zeros((*read.shape[:2], *padded), dtype=np.float32)
    for place in np.ndindex(*weights.shape[2:]):
        part = tuple(
            slice(start, start + stride * count, stride)
            for start, stride, count in zip(place, strides, gradient.shape[2:], strict=True)
        )
        result[0][:, *part] += np.tensordot(weights[:, :, *place], gradient[0], axes=(0, 0))
    inner = tuple(slice(low, low + n) for low, n in zip(pads[:3], read.shape[2:], strict=True))
    return result[:, :, *inner]


def _windows(array: Array, edges: list[int], counts: tuple[int, ...]) -> Array:
    """View (1, channels, ...) as (channels, windows along each axis, voxels of a window)."""
    rows, columns, slices = counts
    whole = array[0, :, : rows * edges[0], : columns * edges[1], : slices * edges[2]]
    parts = whole.reshape(-1, rows, edges[0], columns, edges[1], slices, edges[2])
    return parts.transpose(0, 1, 3, 5, 2, 4, 6).reshape(-1, rows, columns, slices, int(np.prod(edges)))


def _from_windows(windows: Array, edges: list[int], like: Array) -> Array:
    """Undo `_windows`; what no window covers is 0."""
    channels, rows, columns, slices = windows.shape[:4]
    parts = windows.reshape(channels, rows, columns, slices, *edges).transpose(0, 1, 4, 2, 5, 3, 6)
    result = np.zeros_like(like)
    result[0, :, : rows * edges[0], : columns * edges[1], : slices * edges[2]] = parts.reshape(
        channels, rows * edges[0], columns * edges[1], slices * edges[2]
    )
    return result


def _through_max(step: Step, read: Array, put_out: Array, gradient: Array) -> Array:
    """The first of the largest takes all. Others only tie at 0, where the activation before passes nothing on."""
    edges = step.settings["kernel_shape"]
    windows = _windows(read, edges, put_out.shape[2:])
    passed = np.zeros_like(windows)
    np.put_along_axis(passed, windows.argmax(axis=-1)[..., None], gradient[0][..., None], axis=-1)
    return _from_windows(passed, edges, read)


def _through_average(step: Step, read: Array, put_out: Array, gradient: Array) -> Array:
    edges = step.settings["kernel_shape"]
    count = int(np.prod(edges))
    passed = np.repeat(gradient[0][..., None] / np.float32(count), count, axis=-1)
    return _from_windows(passed, edges, read)


def _through_global_max(step: Step, read: Array, put_out: Array, gradient: Array) -> Array:
    largest: Array = np.equal(read, put_out).astype(np.float32)
    largest *= gradient / largest.sum(axis=(2, 3, 4), keepdims=True)
    return largest


def _through_global_average(step: Step, read: Array, put_out: Array, gradient: Array) -> Array:
    return np.asarray(np.broadcast_to(gradient / np.float32(np.prod(read.shape[2:])), read.shape), dtype=np.float32)


_RULES: dict[str, Rule] = {
    "Conv": _through_convolution,
    "Relu": lambda step, read, put_out, gradient: gradient * (put_out > 0),
    "MaxPool": _through_max,
    "AveragePool": _through_average,
    "Mul": lambda step, read, put_out, gradient: gradient * step.constants[0],
    "Add": lambda step, read, put_out, gradient: gradient,
    "GlobalAveragePool": _through_global_average,
    "GlobalMaxPool": _through_global_max,
    "MatMul": lambda step, read, put_out, gradient: gradient @ step.constants[0].T,
    "Squeeze": lambda step, read, put_out, gradient: gradient.reshape(read.shape),
    "Reshape": lambda step, read, put_out, gradient: gradient.reshape(read.shape),
}
