"""What in a scan speaks for abnormal: a heat map on the scan's own voxels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ctexp.config import ScanSettings
from ctexp.datasets.cache import quantise, restore
from ctexp.registry.derivatives import Layer
from ctexp.registry.network import OnnxNetwork, mean_logits
from ctexp.registry.occlusion import occlude
from ctexp.scans.frame import resample
from ctexp.scans.prepare import prepare
from ctexp.scans.unprepare import unprepare
from ctexp.scans.volume import Volume

if TYPE_CHECKING:
    from ctexp.registry.predictor import Predictor

Array = npt.NDArray[np.float32]
Method = Literal["contrast", "gradcam", "occlusion"]
METHODS: tuple[Method, ...] = ("contrast", "gradcam", "occlusion")
DEFAULT: Method = "contrast"
WORDS: dict[Method, str] = {
    "contrast": "contrast at the second block",
    "gradcam": "Grad-CAM of the last block",
    "occlusion": "occlusion",
}
_FINE_BLOCK = 2
"""Its output is at a quarter of the network's resolution, and knows more than edges."""
_SMALL = 1 / 7
"""Of a field of 35 cm this is 5 cm; of the box round the lungs 3 cm from front to back and 4 cm from side to side."""
NOTICEABLE_HU = 42.0
"""A patch in which nothing changes by more is not asked about."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where a network sees what speaks for abnormal.

    Attributes:
        heat: (x, y, z) float32 on the volume's own grid, 0 to 1: relative to the hottest voxel of this scan, whatever
            the answer is. All 0 where nothing speaks for abnormal.
        method: how it was made.
        peak: what a heat of 1 stands for, in logit.
        cells: along (rows, columns, slices) of what the network read, how finely the map was made.
    """

    heat: Array
    method: Method
    peak: float
    cells: tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What speaks for abnormal (above 0) and against it (below), on the prepared grid.

    Attributes:
        values: (rows, columns, slices) float32, in logit.
        cells: as for `Explanation`.
    """

    values: Array
    cells: tuple[int, int, int]


def explain(
    predictor: "Predictor", volume: Volume, *, method: Method = DEFAULT, progress: Progress | None = None
) -> Explanation:
    """Explain a predictor's answer on a volume; of an ensemble the mean of its networks' maps.

    Args:
        predictor: that answers.
        volume: the scan, as it was answered.
        method: `contrast` and `gradcam` at once; `occlusion` needs no derivatives, and up to about a minute.
        progress: told (done, in all) while occlusion works.

    Raises:
        WorkError: the network has operations whose derivative is not known; occlusion works all the same.
    """
    settings = predictor.manifest.scan
    prepared = restore(quantise(prepare(volume, settings)))
    evidence = explain_prepared(predictor.networks.members, prepared, settings, method=method, progress=progress)
    heat = np.maximum(unprepare(np.maximum(evidence.values, 0), volume, settings), 0)
    peak = float(heat.max())
    if peak > 0:
        heat /= np.float32(peak)
    return Explanation(heat, method, peak, evidence.cells)


def explain_prepared(
    networks: Sequence[OnnxNetwork],
    prepared: Array,
    settings: ScanSettings,
    *,
    method: Method = DEFAULT,
    progress: Progress | None = None,
) -> Evidence:
    """Explain the mean of some networks on a prepared scan.

    Args:
        networks: whose mean is explained.
        prepared: (rows, columns, slices) float32 in 0..1, as `prepare` gives it.
        settings: how it was prepared.
        method: as for `explain`.
        progress: as for `explain`.

    Raises:
        WorkError: as for `explain`.
    """
    plain = without_small_dense(prepared, settings.empty)
    if method == "occlusion":

        def ask(inputs: Array) -> npt.NDArray[np.float64]:
            return mean_logits(np.stack([one.logits(inputs) for one in networks]))

        low, high = settings.scale_hu
        found = occlude(ask, prepared, plain, noticeable=NOTICEABLE_HU / (high - low), progress=progress)
        return Evidence(found.evidence, found.cells)
    if method == "gradcam":
        layers = [one.derivable.look(prepared, one.derivable.blocks) for one in networks]
        coarse = [gradcam(layer) for layer in layers]
    else:
        looked = [(one.derivable, min(_FINE_BLOCK, one.derivable.blocks)) for one in networks]
        layers = [network.look(prepared, block) for network, block in looked]
        coarse = [contrast(layer, network.values(plain, block))
                  for layer, (network, block) in zip(layers, looked, strict=True)]  # fmt: skip
    maps = [_spread(values, layer, prepared.shape) for values, layer in zip(coarse, layers, strict=True)]
    return Evidence(np.asarray(np.mean(maps, axis=0), dtype=np.float32), layers[0].values.shape[1:])


def gradcam(layer: Layer) -> Array:
    """Weigh each channel by its mean derivative (Selvaraju et al. 2017), without cutting below 0.

    Returns:
        (rows, columns, slices) float32 at the layer's resolution.
    """
    return np.asarray(np.tensordot(layer.gradient.mean(axis=(1, 2, 3)), layer.values, axes=1), dtype=np.float32)


def contrast(layer: Layer, plain: Array) -> Array:
    """Weigh how far each value is from a plain scan's by its own derivative, without cutting below 0.

    To first order the sum is how much higher the logit is than the plain scan's. Without something to compare with,
    air and healthy lung, of which there is most, take most of the heat.

    Args:
        layer: of the scan.
        plain: values of the same layer for the scan that it is compared with.

    Returns:
        (rows, columns, slices) float32 at the layer's resolution.
    """
    return np.asarray((layer.gradient * (layer.values - plain)).sum(axis=0), dtype=np.float32)


def without_small_dense(prepared: Array, empty: float = 0.0) -> Array:
    """Take away what is denser than its surroundings and smaller than a seventh of the field: opacities, vessels, ribs.

    What is larger, heart and body wall, stays (a grey opening); so does what is no denser than `empty`: where HU are
    counted from the lungs' level, healthy lung is not taken down to its own minima.

    Args:
        prepared: (rows, columns, slices) float32 in 0..1, as `prepare` gives it.
        empty: what it holds where nothing of the scan is.
    """
    size = tuple(max(3, round(count * _SMALL)) for count in prepared.shape)
    opened = ndimage.grey_opening(prepared, size=size)
    return np.asarray(np.maximum(opened, np.minimum(prepared, np.float32(empty))), dtype=np.float32)


def _spread(coarse: Array, layer: Layer, shape: tuple[int, ...]) -> Array:
    """Interpolate a layer's values at the voxels of the prepared scan."""
    axes = zip(shape, layer.scale, layer.offset, strict=True)
    return resample(coarse, [(np.arange(count) - offset) / scale for count, scale, offset in axes])
