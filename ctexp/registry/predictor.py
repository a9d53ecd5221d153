"""A folder with a network and its manifest, to answers on scans."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctexp.datasets.cache import quantise, restore
from ctexp.errors import ScanError
from ctexp.registry.manifest import PredictorManifest
from ctexp.registry.network import NETWORK_NAME, OnnxNetwork
from ctexp.scans.prepare import prepare
from ctexp.scans.quality import REFUSAL, Quality, examine
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
        return {**self.as_row(), "quality": self.quality.as_json()}

    def as_row(self) -> dict[str, Any]:
        """Give the answer without what was noticed about the scan."""
        return {"normal": self.normal, "abnormal": self.abnormal, "label": self.label}


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
            ScanError: the file is no readable chest CT in HU.
        """
        volume = read_scan(path)
        quality = self.judge(volume)
        if quality.verdict == "refuse":
            raise ScanError(f"{path}: {REFUSAL}: {quality.reasons}")
        return self.predict_volume(volume, quality)

    def judge(self, volume: Volume) -> Quality:
        """Tell whether a volume is a readable chest CT in HU, and how unlike the training scans it is."""
        examination = examine(volume)
        reference = self.manifest.reference
        if reference is None or examination.features is None:
            return examination.quality
        unlike = reference.compare(examination.features)
        return examination.quality.with_findings(unlike) if unlike else examination.quality

    def predict_volume(self, volume: Volume, quality: Quality) -> Prediction:
        """Answer on a volume, prepared exactly as the training scans were, the cache's rounding included.

        Args:
            volume: the scan; it is answered whatever it is.
            quality: what `judge` said of it.
        """
        prepared = restore(quantise(prepare(volume, self.manifest.scan)))
        logit = float(self._network.logits(prepared[None, ..., None])[0])
        abnormal = sigmoid(logit / self.manifest.temperature)
        label = "abnormal" if abnormal >= self.manifest.threshold else "normal"
        return Prediction(1.0 - abnormal, abnormal, label, quality)


def sigmoid(logit: float) -> float:
    """Give 1 / (1 + exp(-logit)) without overflow."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    power = math.exp(logit)
    return power / (1.0 + power)
