"""`ctexp train --folds K`: each fold a child run, what they say together, and the version that comes of them."""

import copy
import dataclasses
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ctexp.datasets.collection import LabelledScan
from ctexp.datasets.folds import make_folds, mean_and_error
from ctexp.datasets.splits import Split
from ctexp.experiments.data import Prepared
from ctexp.experiments.request import TrainingRequest
from ctexp.experiments.training.answers import Answers, Parts, settle_answers
from ctexp.experiments.training.epochs import run_epochs
from ctexp.experiments.training.fold import QUOTED, Fold, fetch_network, train_fold
from ctexp.experiments.training.learn import TrainingReport, answer_report, conclude, data_report, register_answers
from ctexp.experiments.watch import Watch
from ctexp.learning.evaluation import Outputs
from ctexp.learning.intervals import Estimate

if TYPE_CHECKING:
    from ctexp.tracking.run import Run
    from ctexp.tracking.store import Store

_ALONE = (
    "Temperature and threshold are fitted to what a network says alone, one a repeat. The mean of all keeps nearer to "
    "the middle than that. No scan outside the locked test is left to measure it on."
)


def deal_folds(request: TrainingRequest, split: Split) -> tuple[Split, ...]:
    """Deal the scans outside the locked test into the folds of a request; none where it asks for none.

    They are those of a sweep with as many folds and the same seed.

    Raises:
        DataError: too few patients for the folds.
    """
    if not request.folds:
        return ()
    return make_folds(split, request.folds, request.experiment.seed, repeats=request.repeats)


def taught(request: TrainingRequest, split: Split) -> Split:
    """Give the split as it teaches what is registered: all but the locked test teach an ensemble of folds."""
    if not request.folds or request.final != "ensemble":
        return split
    return dataclasses.replace(split, train=(*split.train, *split.validation), validation=())


def learn_folds(
    request: TrainingRequest,
    store: "Store",
    run: "Run",
    data: Prepared,
    splits: Sequence[Split],
    watch: Watch,
    began: float,
) -> TrainingReport:
    """Train the folds that are not done yet, sum them up, register. The run's context ends the run, not the folds'.

    Args:
        request: the settings.
        store: where the runs are kept.
        run: the parent, begun and with its data logged.
        data: scans and split.
        splits: from `deal_folds`.
        watch: somebody who looks on.
        began: `time.monotonic()` at the start of the whole work.

    Raises:
        WorkError: training, export or store failed.
    """
    from ctexp.learning.backend import start_backend

    start_backend(request.experiment.seed)  # before anything else imports Keras

    from ctexp.experiments.training.tables import quoted_metrics
    from ctexp.learning.baseline import mean_hu_auc
    from ctexp.tracking.figures import fold_curves

    folds = [
        train_fold(request, store, run, data, split, number, watch) for number, split in enumerate(splits, start=1)
    ]
    trained_seconds = time.monotonic() - began
    answers = _out_of_fold(folds, request)
    scans = _everyone(data.split)
    without_network = mean_hu_auc(data.cache, scans)
    quoted = quoted_metrics({**answers.estimates, **without_network}, answers.raw.loss)
    means = _means(folds, request.folds)
    metrics = {f"oof_{name.removeprefix('val_')}": value for name, value in quoted.items()}
    for name, (mean, error) in means.items():
        metrics |= {f"cv_{name}": mean, f"cv_{name}_error": error}
    run.log(metrics=metrics)
    run.log_figure(fold_curves([one.history for one in folds], [one.standing.best_epoch for one in folds]),
                   "pictures/folds.png")  # fmt: skip
    if request.final == "retrain":
        watch.say("training on the split's own sides what will be registered")
        experiment = request.experiment
        learned = run_epochs(experiment, store, run, data.cache, data.split, copy.copy(watch))
        note = _words(request, means, answers)
        report = conclude(experiment, store, run, data, learned, began, time.monotonic() - began, note=note)
    else:
        metrics |= quoted | answers.metrics
        note = f"{_ALONE}\n\n{_words(request, means, answers)}"
        report = _register_ensemble(
            request, store, run, data, scans, folds, answers, metrics, note, began, trained_seconds
        )
    return dataclasses.replace(
        report,
        metrics={**metrics, **report.metrics},
        data=data_report(data, taught(request, data.split).train),
        folds=tuple({"run_id": one.run_id, "metrics": one.metrics, "best_epoch": one.standing.best_epoch}
                    for one in folds),
        cross_validation=_summary(request, means, answers.estimates),
    )  # fmt: skip


def _everyone(split: Split) -> tuple[LabelledScan, ...]:
    """Give all scans outside the locked test, in the order of their content."""
    return tuple(sorted((*split.train, *split.validation), key=lambda scan: scan.sha256))


def _out_of_fold(folds: Sequence[Fold], request: TrainingRequest) -> Answers:
    """Lay the folds' outputs together: every scan is answered, in each repeat by the network that did not see it."""
    outputs: list[Outputs] = []
    parts: list[Parts | None] = []
    for first in range(0, len(folds), request.folds):
        rows = [
            (scan.sha256, scan.label, logit, number)
            for number, fold in enumerate(folds[first : first + request.folds])
            for scan, logit in zip(fold.split.validation, fold.outputs.logits, strict=True)
        ]
        _, labels, logits, numbers = zip(*sorted(rows), strict=True)
        outputs.append(Outputs(np.array(labels, dtype=np.int64), np.array(logits, dtype=np.float64)))
        parts.append(np.array(numbers, dtype=np.int64))
    return settle_answers(outputs, parts, request.experiment.answer.sensitivity, side="out-of-fold")


def _means(folds: Sequence[Fold], count: int) -> dict[str, tuple[float, float]]:
    """Give mean and standard error over the folds of each metric that every fold has."""
    names = [name for name in QUOTED if all(f"val_{name}" in one.metrics for one in folds)]
    return {name: mean_and_error([one.metrics[f"val_{name}"] for one in folds], folds=count) for name in names}


def _summary(
    request: TrainingRequest, means: dict[str, tuple[float, float]], estimates: dict[str, Estimate]
) -> dict[str, Any]:
    return {
        "folds": request.folds,
        "repeats": request.repeats,
        "final": request.final,
        "mean": {name: {"value": mean, "error": error} for name, (mean, error) in means.items()},
        "out_of_fold": {name: vars(one).copy() for name, one in estimates.items()},
    }


def _words(request: TrainingRequest, means: dict[str, tuple[float, float]], answers: Answers) -> str:
    """Say in Markdown what the folds came to."""
    several = f", dealt {request.repeats} times" if request.repeats > 1 else ""
    return "\n".join([
        f"Cross-validation, {request.folds} folds{several}, at a probability of 0.5: "
        + ", ".join(f"{name} {mean:.3f} (standard error {error:.3f})" for name, (mean, error) in means.items())
        + ".",
        "",
        f"Out-of-fold AUC: {answers.estimates['auc']}.",
    ])  # fmt: skip


def _register_ensemble(
    request: TrainingRequest,
    store: "Store",
    run: "Run",
    data: Prepared,
    scans: Sequence[LabelledScan],
    folds: Sequence[Fold],
    answers: Answers,
    metrics: dict[str, float],
    note: str,
    began: float,
    trained_seconds: float,
) -> TrainingReport:
    """Register the folds' networks as one version, quoted by what they said of scans that they had not seen."""
    from ctexp.experiments.training.explained import log_explanations
    from ctexp.experiments.training.record import NOTE_TAG, log_results, summary
    from ctexp.registry.package import package_ensemble

    log_results(run, data.cache, scans, answers, side="Out-of-fold")
    seconds = time.monotonic() - began
    run.log(metrics={**metrics, "seconds_training": trained_seconds, "seconds": seconds})
    with (
        tempfile.TemporaryDirectory(prefix="ctexp-folds-") as name,
        package_ensemble([fetch_network(one, Path(name)) for one in folds]) as folder,
    ):
        files = sorted(folder.glob("*.onnx"))
        log_explanations(run, files, data.cache, scans, answers.calibrated, side="out-of-fold")
        version = register_answers(store, run.id, folder, request.experiment, data, scans, answers, metrics)
    text = summary(
        data.collection,
        data.split,
        answers,
        made=f"Version {version.version} is the {len(folds)} folds' networks, whose mean answers.",
        judged="Out-of-fold, each scan answered by networks that had not seen it",
    )
    run.log(tags={NOTE_TAG: f"{text}\n\n{note}"})
    return TrainingReport(
        run_id=run.id,
        model={"name": version.name, "version": version.version, "alias": version.alias},
        metrics=metrics,
        parameters=sum(one.weights for one in folds),
        data={},
        best_epoch=0,
        epochs=max(one.standing.epoch for one in folds),
        seconds=seconds,
        answer=answer_report(answers),
    )
