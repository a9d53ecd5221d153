"""A trained network into a folder that answers on its own: Keras for people, ONNX for answers, and what it says."""

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
from ctexp.registry.network import KERAS_NAME, NETWORK_NAME, OnnxNetwork

if TYPE_CHECKING:
    import keras

ARTIFACT = "predictor"
"""Name of the packaged folder, which MLflow keeps inside the logged model."""


@dataclass(frozen=True, eq=False)
class Package:
    """A folder with a network, as ONNX and as Keras, whose manifest is still to be written.

    Attributes:
        outputs: what the ONNX network says of the validation scans, not calibrated.
        difference: largest difference of its logits to the Keras file's.
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
    from ctexp.learning.export import export_keras, export_onnx

    with tempfile.TemporaryDirectory(prefix="ctexp-package-") as name:
        folder = Path(name) / ARTIFACT
        folder.mkdir()
        examples = load_inputs(cache, validation[:4])
        kept = export_keras(network, folder / KERAS_NAME, examples)
        difference = export_onnx(kept, folder / NETWORK_NAME, examples)
        exported = OnnxNetwork(folder / NETWORK_NAME)
        logits = np.concatenate([exported.logits(load_inputs(cache, [one])) for one in validation])
        labels = np.array([one.label for one in validation], dtype=np.int64)
        yield Package(folder, Outputs(labels, logits), difference)


@contextmanager
def package_ensemble(folders: Sequence[Path]) -> Iterator[Path]:
    """Give a temporary folder with copies of several networks, `network-01.onnx` and so on in their order.

    Args:
        folders: each holds an ONNX file and, if it was packaged as one, the Keras file.
    """
    with tempfile.TemporaryDirectory(prefix="ctexp-package-") as name:
        folder = Path(name) / ARTIFACT
        folder.mkdir()
        for number, one in enumerate(folders, start=1):
            for file in (one / NETWORK_NAME, one / KERAS_NAME):
                if file.name == NETWORK_NAME or file.is_file():  # runs of earlier versions of ctexp kept ONNX only
                    shutil.copyfile(file, folder / f"network-{number:02}{file.suffix}")
        yield folder
