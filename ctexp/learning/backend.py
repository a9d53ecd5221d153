"""Keras's backend made ready: quiet, repeatable, and in the precision the hardware has."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ctexp.config import Precision


def start_backend(seed: int) -> None:
    """Import Keras and make what follows repeatable from `seed`, bit for bit on one machine.

    Args:
        seed: of weights, dropout and every other draw of the backend.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # start-up chatter; real errors still raise
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    with _native_stderr_closed():
        import keras

        # Looking for memory to free takes half a second as soon as TensorFlow is loaded, and finds nothing before the
        # first training of a process.
        keras.backend.clear_session(free_memory=_forget_gradients() or keras.backend.backend() != "tensorflow")
        keras.utils.set_random_seed(seed)
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.get_logger().setLevel("ERROR")  # hints about retracing; every trial of a sweep is a network of its own
            tf.config.experimental.enable_op_determinism()
            tf.config.list_logical_devices()  # wakes the devices, and CUDA's complaint where there is none


def _forget_gradients() -> bool:
    """Let go of the steps that earlier trainings of this process traced; say whether there were any.

    With each step that is traced TensorFlow registers a gradient of its own for good, and that holds the whole graph:
    some 13 MB a trial of a sweep. There is no public way to take it back; where the private one is gone, they stay.
    """
    if "tensorflow" not in sys.modules:
        return False
    with contextlib.suppress(ImportError, AttributeError):
        from tensorflow.python.framework import ops

        registered = ops.gradient_registry._registry
        traced = [name for name in registered if name.startswith("CustomGradient-")]
        for name in traced:
            del registered[name]
        return bool(traced)
    return True


@contextlib.contextmanager
def _native_stderr_closed() -> Iterator[None]:
    """Drop what C++ start-up code prints before its log level is read; Python errors still raise."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def resolve_precision(wished: Precision) -> Literal["float32", "bfloat16"]:
    """Give the precision to compute in; `auto` becomes what the hardware does fast."""
    if wished != "auto":
        return wished
    return "bfloat16" if _has_bfloat16() else "float32"


def use_xla() -> bool | Literal["auto"]:
    """Whether to compile steps with XLA: Keras's choice, but never TensorFlow on a CPU, where 3D steps get slower."""
    import keras

    if keras.backend.backend() == "tensorflow" and not _gpus():
        return False
    return "auto"


def _has_bfloat16() -> bool:
    gpus = _gpus()
    if gpus:
        import tensorflow as tf

        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        return all(one.get("compute_capability", (0, 0)) >= (8, 0) for one in details)
    try:
        words = set(Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split())
    except OSError:
        return False
    return bool(words & {"avx512_bf16", "amx_bf16"})


def _gpus() -> list[object]:
    import keras

    if keras.backend.backend() != "tensorflow":
        return []
    import tensorflow as tf

    found: list[object] = tf.config.list_physical_devices("GPU")
    return found
