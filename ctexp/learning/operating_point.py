"""The probability from which a scan is called abnormal, chosen for a wished sensitivity."""

from dataclasses import dataclass

import numpy as np

from ctexp.errors import ConfigError, DataError, WorkError
from ctexp.learning.evaluation import Outputs, confusion
from ctexp.learning.intervals import Estimate, proportion


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what it does to the scans that it was chosen on; on other scans it will do somewhat worse.

    Attributes:
        threshold: a scan whose probability of abnormal is at least this is called abnormal.
        sensitivity: share of the abnormal scans that are called so, with Wilson's interval.
        specificity: share of the normal scans that are not, with Wilson's interval; undefined without normal scans.
    """

    threshold: float
    sensitivity: Estimate
    specificity: Estimate

    @property
    def n(self) -> int:
        """Number of scans."""
        return self.sensitivity.n + self.specificity.n


def choose_threshold(outputs: Outputs, sensitivity: float) -> OperatingPoint:
    """Choose the highest threshold whose sensitivity on these scans is at least the wished one.

    It is the probability of one of the abnormal scans: a threshold any higher would miss that one. Scans with the same
    probability are called alike, so the sensitivity may be more than wished. Every wish can be met, if need be by
    calling nearly every scan abnormal: look at the specificity. Research software; not a medical device.

    Args:
        outputs: of scans that the network was not trained on and that nothing is quoted of later.
        sensitivity: the wish, above 0 and at most 1.

    Raises:
        ConfigError: the wish is not in that range.
        DataError: no scan is abnormal.
        WorkError: an output is no number.
    """
    if not 0 < sensitivity <= 1:
        raise ConfigError(f"sensitivity: must be above 0 and at most 1, got {sensitivity}")
    if not outputs.finite:
        raise WorkError("operating point: every output must be a number, some are not; train again")
    probabilities = np.sort(outputs.probabilities[outputs.labels == 1])[::-1]
    if not probabilities.size:
        raise DataError("operating point: a sensitivity needs abnormal scans, got none; choose it on other scans")
    # hits / n is compared as it will be quoted; sensitivity * n, rounded up, can be one scan too many (0.07 * 100).
    enough = np.arange(1, probabilities.size + 1) / probabilities.size >= sensitivity
    threshold = float(probabilities[int(enough.argmax())])
    counts = confusion(outputs, threshold)
    return OperatingPoint(
        threshold,
        sensitivity=proportion(counts.true_positive, counts.true_positive + counts.false_negative),
        specificity=proportion(counts.true_negative, counts.true_negative + counts.false_positive),
    )
