"""Temperature and threshold of a version: fitted, judged by cross-fitting, and said."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.datasets.collection import LabelledScan
from ctexp.errors import ConfigError
from ctexp.experiments.request import TrainingRequest
from ctexp.experiments.training.answers import Answers, cross_fitted, halves, mean_outputs, settle_answers
from ctexp.learning.calibration import fit_temperature
from ctexp.learning.evaluation import Outputs, evaluate
from ctexp.learning.measures import all_estimates, brier_score
from ctexp.presets import PRESETS


def _outputs(rng: np.random.Generator, n: int = 80, *, scale: float = 1.0) -> Outputs:
    labels = np.arange(n) % 2
    return Outputs(labels, scale * (2.0 * (labels - 0.5) + 1.2 * rng.standard_normal(n)))


def _settled(outputs: Outputs, sensitivity: float = 0.0) -> Answers:
    return settle_answers([outputs], [np.arange(len(outputs.labels)) // 2 % 2], sensitivity)


def test_calibration_changes_no_order_and_no_decision(rng) -> None:
    """Without a wished sensitivity the AUC and every decision are those of the network as trained."""
    outputs = _outputs(rng, scale=5)
    answers = _settled(outputs)
    assert answers.threshold == 0.5
    assert answers.temperature > 1.5
    assert answers.operating_point is None
    assert answers.estimates == evaluate(outputs)


def test_too_sure_network_is_mended(rng) -> None:
    """Logits five times too large: by temperatures of the other half the Brier score is better than before."""
    answers = _settled(_outputs(rng, 400, scale=5))
    assert answers.judged is not None
    assert answers.metrics["val_brier_after"] == brier_score(answers.judged).value < answers.metrics["val_brier_before"]
    assert answers.metrics["val_ece_after"] < answers.metrics["val_ece_before"]


def test_calibration_is_told_with_its_intervals_as_an_evaluation_tells_it(rng) -> None:
    """Brier score and ECE before are those of an evaluation of the same answers, n and interval included."""
    outputs = _outputs(rng, 90, scale=3)
    metrics, evaluated = _settled(outputs).metrics, all_estimates(outputs)
    for name in ("brier", "ece"):
        for end in ("", "_low", "_high", "_n"):
            assert metrics[f"val_{name}_before{end}"] == evaluated[name].as_metrics(name)[f"{name}{end}"]
        assert metrics[f"val_{name}_after_low"] <= metrics[f"val_{name}_after"] <= metrics[f"val_{name}_after_high"]


def test_no_scan_is_judged_by_a_temperature_that_it_helped_to_find(rng) -> None:
    """Other labels in one part change the judged outputs of the other parts and not those of its own."""
    outputs, parts = _outputs(rng, 60), np.arange(60) // 2 % 3
    before = cross_fitted(outputs, parts).logits
    after = cross_fitted(
        Outputs(np.where(parts == 1, 1 - outputs.labels, outputs.labels), outputs.logits), parts
    ).logits
    np.testing.assert_array_equal(before[parts == 1], after[parts == 1])
    assert (before[parts != 1] != after[parts != 1]).all()


@given(st.floats(0.01, 1.0), st.integers(0, 1000))
def test_threshold_keeps_the_wished_sensitivity(wish: float, seed: int) -> None:
    """At least the wished share is called abnormal; a threshold above the scan that set it would miss the wish."""
    outputs = _outputs(np.random.default_rng(seed), 24)
    answers = _settled(outputs, wish)
    assert answers.estimates["sensitivity"].value >= wish
    higher = evaluate(answers.calibrated, answers.threshold * (1 + 1e-5))["sensitivity"].value
    assert higher < wish
    point = answers.operating_point
    assert point is not None
    assert point["sensitivity"]["value"] == answers.estimates["sensitivity"].value
    assert (point["scans"], point["sensitivity"]["n"], point["specificity"]["n"]) == (24, 12, 12)


def test_scan_asked_twice_is_one_scan(rng) -> None:
    """Of two repeats the answers are the mean probabilities, n counts scans, T is the geometric mean."""
    first, second = _outputs(rng, 40), _outputs(rng, 40, scale=4)
    parts = np.arange(40) // 2 % 4
    answers = settle_answers([first, second], [parts, parts], 0.0)
    assert answers.n == answers.estimates["auc"].n == 40
    assert answers.temperature == pytest.approx((fit_temperature(first) * fit_temperature(second)) ** 0.5)
    mean = (first.probabilities + second.probabilities) / 2
    np.testing.assert_allclose(answers.raw.probabilities, mean, rtol=1e-12)


def test_mean_of_certainties_is_finite() -> None:
    """Probabilities that round to 1 or 0 have a finite mean logit, which lies between those of the networks."""
    labels = np.array([0, 1, 1])
    mean = mean_outputs(
        [Outputs(labels, np.array([-900.0, 50.0, 800.0])), Outputs(labels, np.array([-800.0, 40, 900]))]
    )
    assert mean.finite
    assert (mean.logits >= [-900, 40, 800]).all()
    assert (mean.logits <= [-800, 50, 900]).all()


def _scans(patients: list[str]) -> list[LabelledScan]:
    return [LabelledScan(Path(), n % 2, "", patient, f"{n:064x}") for n, patient in enumerate(patients)]


def test_halves_hold_patients_together() -> None:
    """Both halves have both classes, and no patient is in two."""
    scans = _scans([f"p{n // 4}" for n in range(32)])
    parts = halves(scans, seed=3)
    assert parts is not None
    of = [
        {(scan.patient, scan.label) for scan, part in zip(scans, parts, strict=True) if part == half} for half in (0, 1)
    ]
    assert not {patient for patient, _ in of[0]} & {patient for patient, _ in of[1]}
    assert all({label for _, label in half} == {0, 1} for half in of)


def test_too_few_patients_are_not_judged(rng) -> None:
    """Where a class has one patient there are no halves, no figures after calibration, and the words say so."""
    assert halves(_scans(["a", "b", "a", "b"]), seed=0) is None
    answers = settle_answers([_outputs(rng, 4)], [None], 0.0)
    assert answers.judged is None
    assert "val_brier_after" not in answers.metrics
    assert "too few patients" in answers.words()[0]


@pytest.mark.parametrize(
    ("facts", "place"),
    [({"folds": 1}, "folds"), ({"folds": 101}, "folds"), ({"repeats": 2}, "repeats"), ({"folds": 2, "repeats": 0},
     "repeats"), ({"folds": 2, "final": "best"}, "final")],
)  # fmt: skip
def test_request_refuses_folds_that_cannot_be(facts: dict, place: str) -> None:
    """One fold, repeats without folds, and an unknown end are refused by a line that names them."""
    with pytest.raises(ConfigError, match=f"^{place}: must be "):
        TrainingRequest(PRESETS["smoke"], **facts)


def test_request_of_an_older_run_has_no_folds() -> None:
    """What a run kept before there were folds is read as a training without them; one with folds comes back whole."""
    import json

    request = TrainingRequest(PRESETS["smoke"], folds=3, repeats=2, final="retrain")
    assert TrainingRequest.from_json(request.to_json(), "test") == request
    old = {key: value for key, value in json.loads(request.to_json()).items()
           if key not in ("folds", "repeats", "final")}  # fmt: skip
    del old["settings"]["answer.sensitivity"]
    assert TrainingRequest.from_json(json.dumps(old), "test") == TrainingRequest(PRESETS["smoke"])
