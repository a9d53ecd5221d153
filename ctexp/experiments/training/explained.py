"""What a run keeps of why its network answered: heat maps of the abnormal scans answered best and worst."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ctexp.datasets.cache import ScanCache, restore
from ctexp.datasets.collection import LabelledScan
from ctexp.learning.evaluation import Outputs
from ctexp.registry.explain import DEFAULT, WORDS, explain_prepared
from ctexp.registry.network import OnnxNetwork
from ctexp.scans.hot import hottest_slices
from ctexp.tracking.figures_heat import HeatSlice, heat_figure
from ctexp.tracking.run import Run

NAME = "pictures/explained.png"
_SHOWN = 1e-4
"""Of the scale: what differs less from the lungs' level is no part of them."""
_SLICES = 2
"""Each is drawn twice, and drawing is what costs: about a second in all."""


def log_explanations(
    run: Run,
    files: Sequence[Path],
    cache: ScanCache,
    scans: Sequence[LabelledScan],
    outputs: Outputs,
    *,
    side: str = "validation",
) -> None:
    """Keep one picture: the abnormal scan that was answered best on the left, the one answered worst on the right.

    Args:
        run: where.
        files: the registered networks; their mean is explained.
        cache: the prepared scans.
        scans: in the order of the outputs.
        outputs: what is said of them, calibrated.
        side: what the scans are, in the title.
    """
    abnormal = np.flatnonzero(outputs.labels == 1)
    if not len(abnormal):
        return
    order = abnormal[np.argsort(outputs.probabilities[abnormal], kind="stable")]
    networks = [OnnxNetwork(file) for file in files]
    columns = []
    for word, number in (("best", order[-1]), ("worst", order[0])):
        prepared = restore(cache.load(scans[number].sha256))
        evidence = explain_prepared(networks, prepared, cache.settings)
        heat = np.maximum(evidence.values, 0)
        if cache.settings.geometry == "lungs":  # a cell reaches beyond what is shown
            heat *= np.abs(prepared - np.float32(cache.settings.empty)) > _SHOWN
        heat /= heat.max() or np.float32(1)
        chosen = hottest_slices(heat, min(_SLICES, heat.shape[2]))
        said = f"{word}: {100 * outputs.probabilities[number]:.1f} % abnormal"
        columns.append([HeatSlice(f"{said}, slice {one + 1} of {heat.shape[2]}", prepared[:, :, one], heat[:, :, one])
                        for one in chosen])  # fmt: skip
    first, last = scans[order[-1]].path.name, scans[order[0]].path.name
    pairs = [one for line in zip(*columns, strict=False) for one in line]
    run.log_figure(
        heat_figure(
            pairs,
            title=f"Abnormal {side} scans answered best ({first}) and worst ({last})",
            said=f"{WORDS[DEFAULT]}, {'x'.join(map(str, evidence.cells))} cells, "
            "on what the network reads; slices are its own, from the feet",
            foot="Heat: what raised the answer, relative to each scan's own hottest voxel; no outline of disease. "
            "R: the patient's right.\nResearch software; not a medical device.",
        ),
        NAME,
    )
