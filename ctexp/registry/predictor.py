"""A folder with a network and its manifest, to answers on scans."""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctexp.datasets.cache import quantise, restore
from ctexp.registry.manifest import PredictorManifest
from ctexp.registry.network import NETWORK_NAME, OnnxNetwork
from ctexp.scans.prepare import prepare
from ctexp.scans.quality import Quality, assess
from ctexp.scans.read import read_scan
from ctexp.scans.volume import Volume


@dataclass(frozen=True)
class Prediction:
    """The answer on one scan; `normal` and `abnormal` are probabilities that sum to 1."""

    normal: float
    abnormal: float
    label: str
    quality: Quality

    def as_json(self) -> dict[str, Any]:
        """Give the answer as plain values."""
        return dataclasses.asdict(self)


class Predictor:
    """A loaded network. Nothing of the folder is executed: ONNX is data to its runtime, the manifest is JSON.

    Args:
        folder: holds `network.onnx` and `predictor.json`.

    Raises:
        WorkError: the folder holds no whole predictor.
    """

    def __init__(self, folder: Path) -> None:
        self.manifest = PredictorManifest.read(folder)
        self._network = OnnxNetwork(folder / NETWORK_NAME)

    def predict(self, path: Path) -> Prediction:
        """Answer on a scan file.

        Raises:
            ScanError: the file is no readable CT volume.
        """
        return self.predict_volume(read_scan(path))

    def predict_volume(self, volume: Volume) -> Prediction:
        """Answer on a volume, prepared exactly as the training scans were, the cache's rounding included."""
        prepared = restore(quantise(prepare(volume, self.manifest.scan)))
        logit = float(self._network.logits(prepared[None, ..., None])[0])
        abnormal = sigmoid(logit / self.manifest.temperature)
        label = "abnormal" if abnormal >= self.manifest.threshold else "normal"
        return Prediction(1.0 - abnormal, abnormal, label, assess(volume))


def sigmoid(logit: float) -> float:
    """Give 1 / (1 + exp(-logit)) without overflow."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    power = math.exp(logit)
    return power / (1.0 + power)
