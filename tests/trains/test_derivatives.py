"""Derivatives of the exported network against TensorFlow's own."""

import numpy as np
import pytest

from ctexp.config import NetworkSettings
from ctexp.learning.backend import start_backend
from ctexp.registry.explain import gradcam
from ctexp.registry.network import OnnxNetwork

KINDS = {
    "as by default": (NetworkSettings(filters=(8, 16, 24), padding="same", dense=16), (24, 32, 16)),
    "as published": (NetworkSettings(filters=(8, 12), dense=16), (22, 25, 19)),
    "with everything else": (
        NetworkSettings(
            filters=(8, 12), kernel=5, stem_stride=2, padding="same", normalisation="none", pooling="average",
            head="max", dense=0,
        ),
        (31, 28, 17),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_gradcam_is_tensorflows_own(kind, tmp_path) -> None:
    """Values, derivatives and Grad-CAM of every block equal GradientTape's to 1e-4, whatever a network is made of."""
    start_backend(0)
    import keras
    import tensorflow as tf

    from ctexp.learning.export import export_onnx
    from ctexp.learning.network import build_network

    settings, shape = KINDS[kind]
    rng = np.random.default_rng(3)
    network = build_network(settings, shape)
    network.set_weights([  # as after a training: no bias is 0, no variance 1
        one + rng.uniform(0.1, 0.4, one.shape) * (1 if name.endswith("variance") else rng.choice([-1, 1], one.shape))
        for name, one in zip([one.path for one in network.weights], network.get_weights(), strict=True)
    ])  # fmt: skip
    scan = rng.uniform(0, 1, shape).astype(np.float32)
    export_onnx(network, tmp_path / "network.onnx", scan[None, ..., None])
    derivable = OnnxNetwork(tmp_path / "network.onnx").derivable
    assert derivable.blocks == len(settings.filters)
    for block in range(1, derivable.blocks + 1):
        last = "pooling" if settings.normalisation == "none" else "normalisation"
        inner = keras.Model(network.inputs, [network.get_layer(f"block{block}_{last}").output, network.output])
        with tf.GradientTape() as tape:
            values, logit = inner([scan[None, ..., None]], training=False)
        gradient = tape.gradient(logit, values)
        expected = tf.reduce_sum(tf.reduce_mean(gradient, axis=(1, 2, 3), keepdims=True) * values, axis=-1)[0].numpy()
        layer = derivable.look(scan, block)
        np.testing.assert_allclose(np.moveaxis(layer.values, 0, -1), values[0], atol=1e-4)
        close = 1e-4 * float(np.abs(gradient).max())
        np.testing.assert_allclose(np.moveaxis(layer.gradient, 0, -1), gradient[0], atol=close)
        np.testing.assert_allclose(gradcam(layer), expected, atol=1e-4 * float(np.abs(expected).max()))
