"""A Keras network as an ONNX graph, layer by layer, the same from any backend of Keras.

Keras's own exporter goes through the backend's tracer and a converter for it; a network here is a chain of eight kinds
of layers, each of which is one to three ONNX operations.
"""

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import onnx
from keras import layers
from onnx import TensorProto, helper, numpy_helper

from ctexp.errors import WorkError

_OPSET, _IR = 17, 9
"""Of 2022 and 2023: what older runtimes read, too."""
_ONE_BY_ONE = {
    layers.MaxPooling3D: "MaxPool",
    layers.AveragePooling3D: "AveragePool",
    layers.GlobalAveragePooling3D: "GlobalAveragePool",
    layers.GlobalMaxPooling3D: "GlobalMaxPool",
}


@dataclass
class _Chain:
    """The graph so far; `end` names what its last operation puts out."""

    end: str
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def append(self, kind: str, name: str, *constants: npt.NDArray[Any], **attributes: Any) -> None:
        """Append an operation that reads the end and constants."""
        names = [f"{name}/{number}" for number in range(len(constants))]
        self.constants += [numpy_helper.from_array(np.ascontiguousarray(value), one)
                           for value, one in zip(constants, names, strict=True)]  # fmt: skip
        self.nodes.append(helper.make_node(kind, [self.end, *names], [name], name=name, **attributes))
        self.end = name


def to_onnx(network: keras.Model) -> onnx.ModelProto:
    """Write a network as ONNX, in float32 whatever it was trained in.

    Args:
        network: as `build_network` makes it, from (n, rows, columns, slices, 1).

    Returns:
        A checked graph from `scan` (n, rows, columns, slices, 1) float32 to (n, 1) float32 logits.

    Raises:
        WorkError: the network has a layer of another kind.
    """
    chain = _Chain("scan")
    shape = tuple(network.input_shape[1:])
    # One channel: moving the axis from the end to the front changes no number's place.
    chain.append("Reshape", "channels_first", np.array([-1, 1, *shape[:3]], dtype=np.int64))
    for layer in network.layers:
        _append(chain, layer)
    graph = helper.make_graph(
        chain.nodes,
        network.name,
        [helper.make_tensor_value_info("scan", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info(chain.end, TensorProto.FLOAT, ["n", 1])],
        chain.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
    onnx.checker.check_model(model, full_check=True)
    return model


def _append(chain: _Chain, layer: keras.Layer) -> None:
    name = layer.name
    if isinstance(layer, (layers.InputLayer, layers.Dropout)):  # an answer drops nothing
        return
    if isinstance(layer, layers.Conv3D):
        kernel = _array(layer.kernel).transpose(4, 3, 0, 1, 2)
        chain.append("Conv", f"{name}_linear", kernel, _array(layer.bias), kernel_shape=list(layer.kernel_size),
                     strides=list(layer.strides), pads=_pads(layer))  # fmt: skip
        _activate(chain, layer)
    elif isinstance(layer, layers.BatchNormalization):
        scale = _array(layer.gamma) / np.sqrt(_array(layer.moving_variance) + np.float32(layer.epsilon))
        offset = _array(layer.beta) - _array(layer.moving_mean) * scale
        chain.append("Mul", f"{name}_scaled", scale.reshape(1, -1, 1, 1, 1))
        chain.append("Add", name, offset.reshape(1, -1, 1, 1, 1))
    elif isinstance(layer, (layers.MaxPooling3D, layers.AveragePooling3D)) and layer.padding == "valid":
        chain.append(_ONE_BY_ONE[type(layer)], name, kernel_shape=list(layer.pool_size), strides=list(layer.strides))
    elif isinstance(layer, (layers.GlobalAveragePooling3D, layers.GlobalMaxPooling3D)):
        chain.append(_ONE_BY_ONE[type(layer)], f"{name}_kept")
        chain.append("Squeeze", name, np.array([2, 3, 4], dtype=np.int64))
    elif isinstance(layer, layers.Dense):
        chain.append("MatMul", f"{name}_product", _array(layer.kernel))
        chain.append("Add", f"{name}_linear", _array(layer.bias))
        _activate(chain, layer)
    else:
        raise WorkError(f"export: layer {name} must be of a kind that is known, {type(layer).__name__} is not")


def _activate(chain: _Chain, layer: keras.Layer) -> None:
    if layer.activation is keras.activations.relu:
        chain.append("Relu", layer.name)
    elif layer.activation is not keras.activations.linear:
        raise WorkError(f"export: layer {layer.name} must be linear or rectified, got {layer.activation!r}")


def _pads(layer: layers.Conv3D) -> list[int]:
    """Give the zeros before and after each axis, as every backend of Keras means `same`: the odd one comes after."""
    if layer.padding == "valid":
        return [0] * 6
    sizes = layer.input.shape[1:4]
    totals = [
        max((-(-size // stride) - 1) * stride + edge - size, 0)
        for size, stride, edge in zip(sizes, layer.strides, layer.kernel_size, strict=True)
    ]
    return [total // 2 for total in totals] + [total - total // 2 for total in totals]


def _array(weight: Any) -> npt.NDArray[np.float32]:
    return np.asarray(keras.ops.convert_to_numpy(weight), dtype=np.float32)
