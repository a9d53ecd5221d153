"""What needs no network: thresholds on mean density, to be printed beside every network's AUC.

Pneumonia makes a lung denser. A collection in which that alone tells the classes apart says little about a network.
"""

from collections.abc import Sequence

import numpy as np

from ctexp.datasets.cache import ScanCache, restore
from ctexp.datasets.collection import LabelledScan
from ctexp.learning.intervals import Estimate, auc

LUNG_HU = (-950.0, -300.0)
"""From aerated lung to ground glass; air outside the body is thinner, tissue is denser."""


def mean_hu_auc(cache: ScanCache, scans: Sequence[LabelledScan]) -> dict[str, Estimate]:
    """Give the AUC of two mean densities, denser counting as more abnormal.

    Returns:
        `auc_mean_hu`: of the mean over the prepared scan; `auc_lung_hu`: of the mean over its voxels from -950 to
        -300 HU.
    """
    cache = cache.whole
    low, high = cache.settings.window_hu
    lung = [(bound - low) / (high - low) for bound in LUNG_HU]
    whole, lungs = [], []
    for scan in scans:
        array = restore(cache.load(scan.sha256))
        whole.append(float(array.mean()))
        inside = array[(array > lung[0]) & (array < lung[1])]
        lungs.append(float(inside.mean()) if inside.size else lung[1])
    labels = np.array([scan.label for scan in scans])
    return {"auc_mean_hu": auc(labels, whole), "auc_lung_hu": auc(labels, lungs)}
