"""Outputs of a network against the truth: loss, accuracy, AUC, sensitivity, specificity, with intervals."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from ctexp.learning.intervals import Estimate, auc, proportion

_SUREST = 1e-15


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a network said about scans whose truth is known.

    Attributes:
        labels: (n,) int, 0 normal or 1 abnormal.
        logits: (n,) float64; 0 is undecided, positive leans to abnormal.
    """

    labels: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float64]

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """(n,) probability of abnormal."""
        result: npt.NDArray[np.float64] = special.expit(self.logits)
        return result

    @property
    def loss(self) -> float:
        """Mean binary cross-entropy in nats, computed from logits so that it is exact however sure the network is."""
        return float(np.mean(self.losses))

    @property
    def loss_error(self) -> float:
        """Standard error of the loss; NaN for a single scan."""
        n = len(self.labels)
        return float(np.std(self.losses, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")

    @property
    def losses(self) -> npt.NDArray[np.float64]:
        """(n,) binary cross-entropy of each scan in nats."""
        result: npt.NDArray[np.float64] = np.logaddexp(0.0, self.logits) - self.labels * self.logits
        return result

    @property
    def finite(self) -> bool:
        """Whether every output is a number."""
        return bool(np.isfinite(self.logits).all())


def sure_logits(probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Give the logits of probabilities; one that was rounded to 0 or 1 counts as 1e-15 from it, 34.5 nats if wrong."""
    logits: npt.NDArray[np.float64] = special.logit(np.clip(probabilities, _SUREST, 1 - _SUREST))
    return logits


@dataclass(frozen=True)
class Confusion:
    """Counts of a decision at one threshold."""

    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int


def confusion(outputs: Outputs, threshold: float = 0.5) -> Confusion:
    """Count right and wrong decisions; a probability of exactly the threshold is called abnormal."""
    called = outputs.probabilities >= threshold
    truth = outputs.labels == 1
    return Confusion(
        true_positive=int((called & truth).sum()),
        false_positive=int((called & ~truth).sum()),
        true_negative=int((~called & ~truth).sum()),
        false_negative=int((~called & truth).sum()),
    )


def evaluate(outputs: Outputs, threshold: float = 0.5) -> dict[str, Estimate]:
    """Give AUC, accuracy, sensitivity, specificity, PPV and NPV, each with its 95 % interval."""
    counts = confusion(outputs, threshold)
    right = counts.true_positive + counts.true_negative
    return {
        "auc": auc(outputs.labels, outputs.logits),
        "accuracy": proportion(right, len(outputs.labels)),
        "sensitivity": proportion(counts.true_positive, counts.true_positive + counts.false_negative),
        "specificity": proportion(counts.true_negative, counts.true_negative + counts.false_positive),
        "ppv": proportion(counts.true_positive, counts.true_positive + counts.false_positive),
        "npv": proportion(counts.true_negative, counts.true_negative + counts.false_negative),
    }


def roc_points(outputs: Outputs) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Give the ROC curve's corners: false positive rate and true positive rate, from (0, 0) to (1, 1)."""
    order = np.argsort(-outputs.logits, kind="stable")
    truth = outputs.labels[order] == 1
    # One corner where the score changes: scans with equal scores are called together.
    last_of_score = np.append(np.diff(outputs.logits[order]) != 0, True)
    hits = np.cumsum(truth)[last_of_score] / max(1, int(truth.sum()))
    alarms = np.cumsum(~truth)[last_of_score] / max(1, int((~truth).sum()))
    return np.insert(alarms, 0, 0.0), np.insert(hits, 0, 0.0)
