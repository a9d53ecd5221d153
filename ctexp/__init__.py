"""Experiment tracking and hyperparameter sweeps for 3D classification of chest CT scans.

    import ctexp

    model = ctexp.load("ctexp@champion")
    model("scan.nii.gz").abnormal

Research software; not a medical device.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctexp.registry.model import Model

__version__ = "0.1.0"
__all__ = ["load"]

# Nothing leaves the house: the usage reports of MLflow, Ray and ONNX Runtime stay off unless the user turned them on by
# name. Said here, since it must be said before any is loaded, in every process and from whichever module one begins.
for _name, _off in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    "ORT_DISABLE_TELEMETRY": "1",  # or it leaves an identifier of the device in the user's home, too
}.items():
    os.environ.setdefault(_name, _off)

# TensorFlow leaves oneDNN off on processors without AVX-512, where 3D convolutions are five times slower without it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def load(reference: str | None = None, *, offline: bool = False) -> "Model":
    """Load a registered version from the store of the project that the current folder lies in.

    Args:
        reference: NAME@ALIAS, models:/NAME/VERSION or a run id; None for the project's champion.
        offline: where the store does not answer, take the version that it named last; `version.note` says so.

    Returns:
        A model that is called with the path of a scan, and gives what `ctexp predict` gives.

    Raises:
        UnknownReferenceError: the reference names nothing.
        StoreUnreachableError: the store does not answer.
        WorkError: the version's files are not whole.
    """
    from ctexp.experiments.answering.predict import load_model

    return load_model(reference, offline=offline)
