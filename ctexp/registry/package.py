"""A trained network into a folder that answers on its own: ONNX, manifest, and what it says of the validation scans."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ctexp.datasets.batches import load_inputs
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import LabelledScan
from ctexp.learning.evaluation import Outputs
from ctexp.registry.network import NETWORK_NAME, OnnxNetwork

if TYPE_CHECKING:
    import keras

ARTIFACT = "predictor"
"""Name of the packaged folder, which MLflow keeps inside the logged model."""


@dataclass(frozen=True, eq=False)
class Package:
    """A folder with an ONNX network whose manifest is still to be written.

    Attributes:
        outputs: what the ONNX network says of the validation scans, not calibrated.
        difference: largest difference of its logits to the trained network's.
    """

    folder: Path
    outputs: Outputs
    difference: float


@contextmanager
def package_network(network: "keras.Model", cache: ScanCache, validation: Sequence[LabelledScan]) -> Iterator[Package]:
    """Export a network into a temporary folder and ask the export about the validation scans.

    Args:
        network: trained, float32 throughout.
        cache: the prepared scans.
        validation: scans to compare on and to quote.

    Raises:
        WorkError: the export says something else than the network.
    """
    from ctexp.learning.export import export_onnx

    with tempfile.TemporaryDirectory(prefix="ctexp-package-") as name:
        folder = Path(name) / ARTIFACT
        folder.mkdir()
        difference = export_onnx(network, folder / NETWORK_NAME, load_inputs(cache, validation[:4]))
        exported = OnnxNetwork(folder / NETWORK_NAME)
        logits = np.concatenate([exported.logits(load_inputs(cache, [one])) for one in validation])
        labels = np.array([one.label for one in validation], dtype=np.int64)
        yield Package(folder, Outputs(labels, logits), difference)


@contextmanager
def package_ensemble(files: Sequence[Path]) -> Iterator[Path]:
    """Give a temporary folder with copies of several ONNX networks, `network-01.onnx` and so on in their order."""
    with tempfile.TemporaryDirectory(prefix="ctexp-package-") as name:
        folder = Path(name) / ARTIFACT
        folder.mkdir()
        for number, file in enumerate(files, start=1):
            shutil.copyfile(file, folder / f"network-{number:02}.onnx")
        yield folder
