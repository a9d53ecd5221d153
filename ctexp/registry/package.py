"""A trained network into a folder that answers on its own: ONNX, manifest, and what it says of the validation scans."""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ctexp.config import ScanSettings
from ctexp.datasets.batches import load_inputs
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import LabelledScan
from ctexp.learning.evaluation import Outputs
from ctexp.registry.manifest import PredictorManifest
from ctexp.registry.network import NETWORK_NAME, OnnxNetwork
from ctexp.scans.quality import Reference

if TYPE_CHECKING:
    import keras

ARTIFACT = "predictor"
"""Name of the packaged folder, which MLflow keeps inside the logged model."""


@dataclass(frozen=True, eq=False)
class Package:
    """A folder with an ONNX network whose manifest is still to be written.

    Attributes:
        outputs: what the ONNX network says of the validation scans; the numbers that may be quoted for it.
        difference: largest difference of its logits to the trained network's.
    """

    folder: Path
    scan: ScanSettings
    outputs: Outputs
    difference: float

    def write_manifest(
        self,
        *,
        run_id: str,
        synthetic: bool,
        trained_on: dict[str, Any],
        metrics: dict[str, float],
        reference: Reference | None = None,
    ) -> None:
        """Write the manifest beside the network."""
        sha256 = hashlib.sha256((self.folder / NETWORK_NAME).read_bytes()).hexdigest()
        PredictorManifest(
            scan=self.scan,
            network_sha256=sha256,
            synthetic=synthetic,
            run_id=run_id,
            trained_on=trained_on,
            metrics=metrics,
            reference=reference,
        ).write(self.folder)


@contextmanager
def package_network(
    network: "keras.Model", cache: ScanCache, validation: Sequence[LabelledScan], scan: ScanSettings
) -> Iterator[Package]:
    """Export a network into a temporary folder and ask the export about the validation scans.

    Args:
        network: trained, float32 throughout.
        cache: the prepared scans.
        validation: scans to compare on and to quote.
        scan: how scans are prepared for it.

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
        yield Package(folder, scan, Outputs(labels, logits), difference)
