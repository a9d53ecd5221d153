"""Outputs against the truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.learning.evaluation import Confusion, Outputs, confusion, evaluate, roc_points
from ctexp.learning.intervals import auc, proportion


def outputs(labels: list[int], logits: list[float]) -> Outputs:
    """Outputs from lists."""
    return Outputs(np.array(labels, dtype=np.int64), np.array(logits, dtype=np.float64))


answers = st.lists(st.tuples(st.integers(0, 1), st.integers(-12, 12)), min_size=1, max_size=40).map(
    lambda pairs: outputs([label for label, _ in pairs], [logit / 2 for _, logit in pairs])
)


@given(answers)
def test_loss_is_the_cross_entropy(given_outputs: Outputs) -> None:
    """Where the plain formula is stable, the loss equals it."""
    p, y = given_outputs.probabilities, given_outputs.labels
    assert given_outputs.loss == pytest.approx(float(np.mean(-y * np.log(p) - (1 - y) * np.log(1 - p))), rel=1e-9)


@pytest.mark.filterwarnings("error")
def test_loss_of_a_sure_network_is_finite() -> None:
    """A sure and right output costs nothing, a sure and wrong one its logit."""
    assert outputs([1, 0], [1000.0, -1000.0]).loss == 0.0
    assert outputs([0, 1], [1000.0, -1000.0]).loss == 1000.0
    assert outputs([0, 1], [1000.0, -1000.0]).probabilities.tolist() == [1.0, 0.0]


def test_finite() -> None:
    """One output that is no number is noticed."""
    assert outputs([0, 1], [1000.0, -1000.0]).finite
    assert not outputs([0, 1], [0.0, math.nan]).finite
    assert not outputs([0, 1], [0.0, -math.inf]).finite


def test_confusion() -> None:
    """Each kind of decision is counted once; undecided counts as abnormal."""
    given_outputs = outputs([1, 1, 1, 0, 0, 0, 0, 1], [2, 0, -1, 3, 0, -2, -3, -4])
    assert confusion(given_outputs) == Confusion(2, 2, 2, 2)
    assert confusion(given_outputs, 0.0) == Confusion(4, 4, 0, 0)
    assert confusion(given_outputs, 0.99) == Confusion(0, 0, 4, 4)


@given(answers, st.sampled_from([0.1, 0.5, 0.9]))
def test_evaluation_is_made_of_counts(given_outputs: Outputs, threshold: float) -> None:
    """Every share is hits of a count that add up to all scans, with its interval; the area is that of the logits."""
    counts = confusion(given_outputs, threshold)
    tp, fp, tn, fn = counts.true_positive, counts.false_positive, counts.true_negative, counts.false_negative
    assert tp + fp + tn + fn == len(given_outputs.labels)
    assert tp + fn == given_outputs.labels.sum()
    expected = {
        "auc": auc(given_outputs.labels, given_outputs.logits),
        "accuracy": proportion(tp + tn, tp + fp + tn + fn),
        "sensitivity": proportion(tp, tp + fn),
        "specificity": proportion(tn, tn + fp),
        "ppv": proportion(tp, tp + fp),
        "npv": proportion(tn, tn + fn),
    }
    assert {name: str(value) for name, value in evaluate(given_outputs, threshold).items()} == {
        name: str(value) for name, value in expected.items()
    }


@given(answers)
def test_roc_curve(given_outputs: Outputs) -> None:
    """The curve runs from (0, 0) to (1, 1), never back, and the area under it is the AUC."""
    if given_outputs.labels.min() == given_outputs.labels.max():
        return
    alarms, hits = roc_points(given_outputs)
    assert (alarms[0], hits[0], alarms[-1], hits[-1]) == (0, 0, 1, 1)
    assert (np.diff(alarms) >= 0).all()
    assert (np.diff(hits) >= 0).all()
    assert len(alarms) == len(np.unique(given_outputs.logits)) + 1
    assert np.trapezoid(hits, alarms) == pytest.approx(auc(given_outputs.labels, given_outputs.logits).value)
