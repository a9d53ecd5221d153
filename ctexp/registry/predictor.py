"""A folder with a network and its manifest, to answers on scans."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import special

from ctexp.datasets.cache import quantise, restore
from ctexp.registry.answer import Outcome, Prediction
from ctexp.registry.manifest import PredictorManifest
from ctexp.registry.network import OnnxEnsemble, mean_logits
from ctexp.scans.prepare import prepare
from ctexp.scans.quality import Quality, examine
from ctexp.scans.volume import Volume


@dataclass(frozen=True, eq=False)
class ReadyScan:
    """A scan that was judged and, unless it is refused, prepared: all that is left is to ask the network.

    Attributes:
        quality: what was noticed about it.
        inputs: (rows, columns, slices) float32 in 0..1; None for a scan that is refused.
    """

    quality: Quality
    inputs: npt.NDArray[np.float32] | None


class Predictor:
    """A loaded network, or an ensemble of some. It may be asked by several threads at once.

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

    def answer(self, volume: Volume, *, force: bool = False) -> Outcome:
        """Judge a volume and answer on it: `finish(ready(volume))`.

        Args:
            volume: the scan.
            force: answer on what is no readable chest CT in HU, too.
        """
        return self.finish(self.ready(volume, force=force))

    def ready(self, volume: Volume, *, force: bool = False) -> ReadyScan:
        """Judge a volume and prepare it exactly as the training scans were, the cache's rounding included.

        Args:
            volume: the scan.
            force: prepare what is no readable chest CT in HU, too.
        """
        quality = self.judge(volume)
        if quality.verdict == "refuse" and not force:
            return ReadyScan(quality, None)
        return ReadyScan(quality, restore(quantise(prepare(volume, self.manifest.scan))))

    def finish(self, scan: ReadyScan) -> Outcome:
        """Ask the network about a scan that is ready."""
        if scan.inputs is None:
            return Outcome(scan.quality, None)
        prediction = self.conclude(self.ask(scan.inputs[None, ..., None])[:, 0], scan.quality)
        return Outcome(scan.quality, prediction, forced=scan.quality.verdict == "refuse")

    def judge(self, volume: Volume) -> Quality:
        """Tell whether a volume is a readable chest CT in HU, and how unlike the training scans it is."""
        examination = examine(volume)
        reference = self.manifest.reference
        if reference is None or examination.features is None:
            return examination.quality
        unlike = reference.compare(examination.features)
        return examination.quality.with_findings(unlike) if unlike else examination.quality

    def conclude(self, each: npt.NDArray[np.float64], quality: Quality) -> Prediction:
        """Make one answer of the networks' calibrated probabilities, (networks,) float64."""
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
