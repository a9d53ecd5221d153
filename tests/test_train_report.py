"""What `ctexp train` prints at its end."""

import numpy as np
import pytest

from ctexp.cli.train import _print_report
from ctexp.experiments.training.answers import settle_answers
from ctexp.experiments.training.learn import TrainingReport, answer_report
from ctexp.experiments.training.tables import quoted_metrics
from ctexp.learning.evaluation import Outputs


def test_every_metric_has_its_interval_and_its_n(rng, capsys: pytest.CaptureFixture[str]) -> None:
    """AUC, rates, PPV and NPV, Brier score and ECE before and after: value, interval, n, in 80 columns."""
    labels = np.arange(60) % 3 // 2
    outputs = Outputs(labels, 3.0 * (labels - 0.5 + rng.normal(0, 0.7, 60)))
    answers = settle_answers([outputs], [np.arange(60) // 3 % 2], 0.0)
    metrics = quoted_metrics(answers.estimates, outputs.loss) | answers.metrics
    model, data = {"name": "ctexp", "version": "1", "alias": "champion"}, {"synthetic": False}
    _print_report(TrainingReport("0" * 32, model, metrics, 7, data, 3, 4, 1.0, answer_report(answers)))
    lines = capsys.readouterr().out.splitlines()
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
