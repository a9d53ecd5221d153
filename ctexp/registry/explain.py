"""What in a scan speaks for abnormal: a heat map on the scan's own voxels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from ctexp.config import ScanSettings
from ctexp.datasets.cache import quantise, restore
from ctexp.registry.derivatives import Layer
from ctexp.registry.network import OnnxNetwork, mean_logits
from ctexp.registry.occlusion import occlude
from ctexp.scans.prepare import prepare
from ctexp.scans.unprepare import resample, unprepare
from ctexp.scans.volume import Volume

if TYPE_CHECKING:
    from ctexp.registry.predictor import Predictor

Array = npt.NDArray[np.float32]
Method = Literal["gradcam", "occlusion"]
METHODS: tuple[Method, ...] = ("gradcam", "occlusion")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where a network sees what speaks for abnormal.

    Attributes:
        heat: (x, y, z) float32 on the volume's own grid, 0 to 1: relative to the hottest voxel of this scan, whatever
            the answer is. All 0 where nothing speaks for abnormal.
        method: how it was made.
        peak: what a heat of 1 stands for, in logit.
    """

    heat: Array
    method: Method
    peak: float


def explain(
    predictor: "Predictor", volume: Volume, *, method: Method = "gradcam", progress: Progress | None = None
) -> Explanation:
    """Explain a predictor's answer on a volume; of an ensemble the mean of its networks' maps.

    Args:
        predictor: that answers.
        volume: the scan, as it was answered.
        method: `gradcam`, at once; `occlusion`, slow (at most about a minute a network) and independent of gradients.
        progress: told (done, in all) while occlusion works.

    Raises:
        WorkError: the network has operations whose derivative is not known; occlusion works all the same.
    """
    settings = predictor.manifest.scan
    prepared = restore(quantise(prepare(volume, settings)))
    evidence = explain_prepared(predictor.networks.members, prepared, settings, method=method, progress=progress)
    heat = np.maximum(unprepare(np.maximum(evidence, 0), volume, settings), 0)
    peak = float(heat.max())
    if peak > 0:
        heat /= np.float32(peak)
    return Explanation(heat, method, peak)


def explain_prepared(
    networks: Sequence[OnnxNetwork],
    prepared: Array,
    settings: ScanSettings,
    *,
    method: Method = "gradcam",
    progress: Progress | None = None,
) -> Array:
    """Give what speaks for abnormal (above 0) and against it (below), on the prepared grid.

    Args:
        networks: whose mean is explained.
        prepared: (rows, columns, slices) float32 in 0..1, as `prepare` gives it.
        settings: how it was prepared.
        method: as for `explain`.
        progress: as for `explain`.

    Returns:
        (rows, columns, slices) float32, in logit.
    """
    if method == "occlusion":

        def ask(inputs: Array) -> npt.NDArray[np.float64]:
            return mean_logits(np.stack([one.logits(inputs) for one in networks]))

        return occlude(ask, prepared, settings, progress=progress).evidence
    layers = [one.derivable.look(prepared, one.derivable.blocks) for one in networks]
    maps = [_spread(gradcam(layer), layer, prepared.shape) for layer in layers]
    return np.asarray(np.mean(maps, axis=0), dtype=np.float32)


def gradcam(layer: Layer) -> Array:
    """Weigh each channel by its mean derivative (Selvaraju et al. 2017), without cutting below 0.

    Returns:
        (rows, columns, slices) float32 at the layer's resolution.
    """
    return np.asarray(np.tensordot(layer.gradient.mean(axis=(1, 2, 3)), layer.values, axes=1), dtype=np.float32)


def _spread(coarse: Array, layer: Layer, shape: tuple[int, ...]) -> Array:
    """Interpolate a layer's values at the voxels of the prepared scan."""
    axes = zip(shape, layer.scale, layer.offset, strict=True)
    return resample(coarse, [(np.arange(count) - offset) / scale for count, scale, offset in axes])
