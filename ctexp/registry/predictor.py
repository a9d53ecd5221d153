"""A folder with a network and its manifest, to answers on scans."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from ctexp.datasets.cache import quantise, restore
from ctexp.errors import ScanError
from ctexp.registry.manifest import PredictorManifest
from ctexp.registry.network import OnnxEnsemble, mean_logits
from ctexp.scans.prepare import prepare
from ctexp.scans.quality import REFUSAL, Quality, examine
from ctexp.scans.read import read_scan
from ctexp.scans.volume import Volume


@dataclass(frozen=True)
class Prediction:
    """The answer on one scan.

    Attributes:
        normal: probability, calibrated as the version's manifest says; 1 - `abnormal`.
        abnormal: probability; of an ensemble the mean of its networks'.
        label: `abnormal` from the threshold on, else `normal`.
        quality: what was noticed about the scan.
        threshold: probability of abnormal from which the label is abnormal.
        operating_point: what the threshold was chosen for, as the manifest has it; None for 0.5.
        spread: standard deviation of the networks' probabilities; None for a single network. It is how far they
            differ, not how far they are off: they share their method and most of their scans.
        networks: how many were asked.
    """

    normal: float
    abnormal: float
    label: str
    quality: Quality
    threshold: float = 0.5
    operating_point: dict[str, Any] | None = None
    spread: float | None = None
    networks: int = 1

    def as_json(self) -> dict[str, Any]:
        """Give the answer as plain values."""
        return {
            **self.as_row(),
            "quality": self.quality.as_json(),
            "operating_point": self.operating_point,
            "networks": self.networks,
        }

    def as_row(self) -> dict[str, Any]:
        """Give the answer without what was noticed about the scan."""
        return {
            "normal": self.normal,
            "abnormal": self.abnormal,
            "label": self.label,
            "threshold": self.threshold,
            "spread": self.spread,
        }


class Predictor:
    """A loaded network, or an ensemble of some.

    Nothing of the folder is executed: ONNX is data to its runtime, the manifest is JSON.

    Args:
        folder: holds `predictor.json` and the ONNX files that it names.

    Attributes:
        manifest: all that an answer depends on besides the scan.
        networks: what is asked.

    Raises:
        WorkError: the folder holds no whole predictor.
    """

    def __init__(self, folder: Path) -> None:
        self.manifest = PredictorManifest.read(folder)
        self.networks = OnnxEnsemble([folder / name for name in self.manifest.networks])

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
        each = self.ask(prepared[None, ..., None])[:, 0]
        abnormal = float(each.mean())
        threshold = self.manifest.threshold
        return Prediction(
            normal=1.0 - abnormal,
            abnormal=abnormal,
            label="abnormal" if abnormal >= threshold else "normal",
            quality=quality,
            threshold=threshold,
            operating_point=self.manifest.operating_point,
            spread=float(each.std(ddof=1)) if len(each) > 1 else None,
            networks=len(each),
        )

    def ask(self, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Give each network's calibrated probabilities of abnormal, (networks, n) float64; the answer is their mean.

        Args:
            inputs: prepared scans (n, rows, columns, slices, 1) float32 in 0..1.
        """
        calibrated: npt.NDArray[np.float64] = special.expit(self.networks.logits(inputs) / self.manifest.temperature)
        return calibrated

    def logits(self, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Give the calibrated logits, (n,) float64, whose probabilities are the answers; inputs as for `ask`."""
        return mean_logits(self.networks.logits(inputs) / self.manifest.temperature)
