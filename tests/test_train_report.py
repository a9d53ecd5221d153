"""What `ctexp train` prints at its end."""

import numpy as np
import pytest

from ctexp.cli.train import _print_report
from ctexp.experiments.training.answers import Answers, settle_answers
from ctexp.experiments.training.learn import TrainingReport, answer_report
from ctexp.experiments.training.tables import quoted_metrics
from ctexp.learning.evaluation import Outputs


def printed(
    rng: np.random.Generator, capsys: pytest.CaptureFixture[str], patients: int
) -> tuple[list[str], Answers, dict[str, float]]:
    """What is printed of 60 validation scans of so many patients, the answers and the metrics."""
    labels = np.arange(60) % 3 // 2
    outputs = Outputs(labels, 3.0 * (labels - 0.5 + rng.normal(0, 0.7, 60)))
    answers = settle_answers([outputs], [np.arange(60) // 3 % 2], 0.0)
    metrics = quoted_metrics(answers.estimates, outputs.loss) | answers.metrics
    model = {"name": "ctexp", "version": "1", "alias": "champion"}
    data = {"synthetic": False, "patients": {"train": 90, "validation": patients, "test": 30}}
    _print_report(TrainingReport("0" * 32, model, metrics, 7, data, 3, 4, 1.0, answer_report(answers)))
    return capsys.readouterr().out.splitlines(), answers, metrics


def test_several_scans_of_a_patient_are_told(rng, capsys: pytest.CaptureFixture[str]) -> None:
    """Intervals take scans as independent: where they are of fewer patients, the reader is told, else not."""
    words = "The 60 scans are of 25 patients: the intervals take scans as independent, so they are too narrow."
    assert words in " ".join(printed(rng, capsys, 25)[0])
    assert "patients:" not in " ".join(printed(rng, capsys, 60)[0])


def test_every_metric_has_its_interval_and_its_n(rng, capsys: pytest.CaptureFixture[str]) -> None:
    """AUC, rates, PPV and NPV, Brier score and ECE before and after: value, interval, n, in 80 columns."""
    lines, answers, metrics = printed(rng, capsys, 60)
    assert max(map(len, lines)) <= 80
    for words, name, n in (
        ("AUC", "auc", 60),
        ("sensitivity", "sensitivity", 20),
        ("specificity", "specificity", 40),
        ("PPV", "ppv", answers.estimates["ppv"].n),
        ("NPV", "npv", answers.estimates["npv"].n),
        ("Brier score, as trained", "brier_before", 60),
        ("Brier score, calibrated", "brier_after", 60),
        ("ECE, as trained", "ece_before", 60),
        ("ECE, calibrated", "ece_after", 60),
    ):
        low, high = (metrics[f"val_{name}{end}"] for end in ("_low", "_high"))
        assert f"  {words:<29} {metrics[f'val_{name}']:.3f}   {low:.3f} to {high:.3f} {n:>6}" in lines
