"""From a network's logits to its answers: temperature and threshold, fitted on scans that did not teach it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ctexp.datasets.collection import LabelledScan
from ctexp.datasets.folds import make_folds
from ctexp.datasets.splits import Split
from ctexp.errors import DataError
from ctexp.learning.calibration import fit_temperature, scaled
from ctexp.learning.evaluation import Outputs, evaluate
from ctexp.learning.intervals import Estimate
from ctexp.learning.measures import bins_for, brier_score, calibration_error
from ctexp.learning.operating_point import choose_threshold
from ctexp.registry.network import mean_logits

_MARGIN = 1e-6
"""The threshold lies by this share below the scan that sets it: another processor's last digits do not flip it."""
Parts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Answers:
    """What a registered version says of scans that did not teach it.

    Attributes:
        raw: as trained.
        calibrated: the answers. Of one network, or of one set of folds, their ROC curve is `raw`'s; repeats of folds
            have a temperature each, and may order the scans otherwise.
        judged: calibrated as well, each part of the scans by a temperature of the others, so that no scan is judged by
            a temperature that it helped to find; None where the patients are too few to be parted.
        temperature: of the version, fitted to all of the scans.
        threshold: probability of abnormal from which a scan is called so.
        sensitivity: that the threshold was chosen for; 0 for none, which is a threshold of 0.5.
        estimates: of `calibrated` at the threshold.
        side: what the scans are.
    """

    raw: Outputs
    calibrated: Outputs
    judged: Outputs | None
    temperature: float
    threshold: float
    sensitivity: float
    estimates: dict[str, Estimate]
    side: str

    @property
    def n(self) -> int:
        """Number of scans."""
        return len(self.raw.labels)

    @property
    def bins(self) -> int:
        """Bins of the reliability diagram and the ECE, the same that an evaluation of these scans has."""
        return bins_for(self.n)

    @cached_property
    def calibration(self) -> dict[str, Estimate]:
        """Brier score and ECE before, and after as `judged`, where that could be done; each with its interval and n."""
        found = {"brier_before": brier_score(self.raw), "ece_before": calibration_error(self.raw)}
        if self.judged is not None:
            found |= {"brier_after": brier_score(self.judged), "ece_after": calibration_error(self.judged)}
        return found

    @property
    def operating_point(self) -> dict[str, Any] | None:
        """What the threshold was chosen for and what it does to the scans that it was chosen on, as plain values."""
        if not self.sensitivity:
            return None
        point: dict[str, Any] = {"wished_sensitivity": self.sensitivity, "side": self.side, "scans": self.n}
        return point | {name: vars(self.estimates[name]).copy() for name in ("sensitivity", "specificity")}

    @property
    def metrics(self) -> dict[str, float]:
        """Temperature, threshold, and `calibration` as a store keeps it."""
        metrics = {"temperature": self.temperature, "threshold": self.threshold}
        for name, one in self.calibration.items():
            metrics |= one.as_metrics(f"val_{name}")
        return metrics

    def words(self) -> list[str]:
        """Say how the answers are calibrated and from where on a scan is called abnormal; paragraphs of Markdown."""
        said = f"Calibrated with temperature {self.temperature:.2f}, fitted to these {self.n} scans; "
        if self.judged is None:
            said += "too few patients to judge it on others than it was fitted to."
        else:
            said += (
                "Brier score and calibration error (ECE) after it are judged by cross-fitting on the same scans, each "
                f"by a temperature that it had no part in. The ECE has {self.bins} bins of about equally many scans."
            )
        if not self.sensitivity:
            return [said]
        point = (
            f"Called abnormal from {100 * self.threshold:.1f} % on, chosen on the same scans for a sensitivity of at "
            f"least {self.sensitivity:g}: on others it will be somewhat lower."
        )
        return [said, "", point]


def settle_answers(
    repeats: Sequence[Outputs], parts: Sequence[Parts | None], sensitivity: float, *, side: str = "validation"
) -> Answers:
    """Fit temperature and threshold.

    Args:
        repeats: outputs on the same scans in the same order, of networks that none of the scans taught: one for a
            network and its validation scans, or the out-of-fold outputs of each repeat of a cross-validation. The
            answer on a scan is the mean of its calibrated probabilities, and the temperature the geometric mean of the
            repeats' own: a scan that was asked about twice is still one scan.
        parts: of each repeat the part, (n,), that each scan is in; no patient is in two. None where nothing was parted.
        sensitivity: the wish; 0 for a threshold of 0.5.
        side: what the scans are, one word or two.

    Raises:
        WorkError: an output is no number.
    """
    temperature = math.prod(fit_temperature(one) for one in repeats) ** (1 / len(repeats))
    calibrated = mean_outputs([scaled(one, temperature) for one in repeats])
    judged = [cross_fitted(one, part) for one, part in zip(repeats, parts, strict=True) if part is not None]
    threshold = choose_threshold(calibrated, sensitivity).threshold * (1 - _MARGIN) if sensitivity else 0.5
    return Answers(
        raw=mean_outputs(repeats),
        calibrated=calibrated,
        judged=mean_outputs(judged) if len(judged) == len(repeats) else None,
        temperature=temperature,
        threshold=threshold,
        sensitivity=sensitivity,
        estimates=evaluate(calibrated, threshold),
        side=side,
    )


def cross_fitted(outputs: Outputs, parts: Parts) -> Outputs:
    """Give the outputs calibrated, each part of the scans by the temperature that fits the other parts."""
    logits = outputs.logits.copy()
    for part in np.unique(parts):
        inside = parts == part
        logits[inside] /= fit_temperature(Outputs(outputs.labels[~inside], outputs.logits[~inside]))
    return Outputs(outputs.labels, logits)


def mean_outputs(several: Sequence[Outputs]) -> Outputs:
    """Give the outputs whose probabilities are the mean of several networks' on the same scans."""
    return Outputs(several[0].labels, mean_logits(np.stack([one.logits for one in several])))


def halves(scans: Sequence[LabelledScan], seed: int) -> Parts | None:
    """Part scans in two, (n,) 0 or 1, by class and by patient; None where a class has fewer than two patients."""
    try:
        first, _ = make_folds(Split(tuple(scans), (), ()), 2, seed)
    except DataError:
        return None
    held = {scan.sha256 for scan in first.validation}
    return np.array([scan.sha256 not in held for scan in scans], dtype=np.int64)
