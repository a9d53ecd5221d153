"""A 3D CNN from its settings, in Keras 3 layers only."""

from typing import Literal

import keras
from keras import layers

from ctexp.config import NetworkSettings
from ctexp.learning.shapes import check_shapes


def build_network(
    settings: NetworkSettings,
    shape: tuple[int, int, int],
    precision: Literal["float32", "bfloat16"] = "float32",
) -> keras.Model:
    """Build the network.

    With the default settings and 128x128x64 it is the network of the keras.io example "3D image classification from
    CT scans" (Zunair 2020, after Zunair et al. 2020, arXiv 2007.13224), 1,352,897 weights, but for its last activation:
    here the output is the logit, whose sigmoid is the probability of abnormal.

    Args:
        settings: filters, kernels, normalisation, pooling, dense layer, dropout.
        shape: (rows, columns, slices) of a prepared scan.
        precision: of the arithmetic; weights, and the output, are float32 in any case.

    Returns:
        Model from (batch, rows, columns, slices, 1) float32 in 0..1 to (batch, 1) float32 logits; not compiled.

    Raises:
        ConfigError: a block pools the scan away to nothing.
    """
    check_shapes(settings, shape)
    policy = keras.DTypePolicy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    inputs = keras.Input((*shape, 1), name="scan")
    x = inputs
    for number, filters in enumerate(settings.filters, start=1):
        x = layers.Conv3D(
            filters,
            settings.kernel,
            strides=settings.stem_stride if number == 1 else 1,
            padding=settings.padding,
            activation="relu",
            dtype=policy,
            name=f"block{number}_convolution",
        )(x)
        pool = layers.MaxPooling3D if settings.pooling == "max" else layers.AveragePooling3D
        x = pool(2, dtype=policy, name=f"block{number}_pooling")(x)
        if settings.normalisation == "batch":
            x = layers.BatchNormalization(
                momentum=settings.momentum, dtype=policy, name=f"block{number}_normalisation"
            )(x)
    head = layers.GlobalAveragePooling3D if settings.head == "average" else layers.GlobalMaxPooling3D
    x = head(dtype=policy, name="head")(x)
    if settings.dense:
        x = layers.Dense(settings.dense, activation="relu", dtype=policy, name="dense")(x)
    if settings.dropout:
        x = layers.Dropout(settings.dropout, dtype=policy, name="dropout")(x)
    logit = layers.Dense(1, dtype="float32", name="logit")(x)
    return keras.Model(inputs, logit, name="ct_classifier")
