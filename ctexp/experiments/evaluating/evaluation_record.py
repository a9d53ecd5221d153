"""What the run of an evaluation keeps."""

from typing import TYPE_CHECKING

import numpy as np

from ctexp.experiments.evaluating.chosen import WHERE, Chosen, Kind
from ctexp.experiments.evaluating.evaluation_report import KIND, EvaluationReport
from ctexp.experiments.training.record import NOTE_TAG
from ctexp.experiments.training.tables import predictions_table
from ctexp.files import json_text
from ctexp.learning.calibration import reliability
from ctexp.learning.evaluation import Outputs, roc_points
from ctexp.learning.measures import bins_for
from ctexp.project import Project
from ctexp.registry.ledger import Standing, record_look
from ctexp.registry.manifest import PredictorManifest
from ctexp.registry.references import ModelVersion
from ctexp.tracking import figures
from ctexp.tracking.provenance import circumstances
from ctexp.tracking.run import MlflowRun, Run
from ctexp.tracking.store import Store
from ctexp.tracking.tags import DOUBT_TAG, KIND_TAG

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: "Mapping[Kind, str]" = {"validation": "val_", "test": "test_", "site": "site_"}
"""Begins the names of the metrics."""
TABLE: "Mapping[Kind, str]" = {"validation": "validation.csv", "site": "answers.csv"}
"""Each scan's truth and answer; the locked test has none."""


def begin_run(
    store: Store, version: ModelVersion, manifest: PredictorManifest, chosen: Chosen, project: Project
) -> MlflowRun:
    """Begin the run of an evaluation: which version, on which scans, by which code."""
    collection = chosen.collection
    name = f"{version.name} {version.version} on {WHERE[chosen.kind] if chosen.kind != 'site' else collection.source}"
    tags = {
        KIND_TAG: KIND,
        "ctexp.evaluated.model": version.name,
        "ctexp.evaluated.version": version.version,
        "ctexp.evaluated.run": version.run_id,
    }
    run = MlflowRun.start(store, name[:200], tags)
    counts = chosen.counts
    run.log(
        params={
            "evaluation.on": chosen.kind,
            "evaluation.hash": chosen.hash,
            "evaluation.threshold": manifest.threshold,
            "evaluation.temperature": manifest.temperature,
            "data.source": collection.source,
            "data.hash": collection.hash,
            "data.scans": len(chosen.scans),
            "data.patients": chosen.patients,
            "data.synthetic": collection.synthetic,
            **{f"data.{word}": count for word, count in counts.items()},
        },
        tags=circumstances(project.root),
    )
    return run


def look_of(store: Store, run: Run, version: ModelVersion, chosen: Chosen) -> Standing:
    """Write a look at the locked test into the ledger.

    Raises:
        WorkError: the registry does not take it.
    """
    standing = record_look(
        store,
        model=version.name,
        version=version.version,
        run_id=version.run_id,
        evaluation=run.id,
        data_hash=chosen.collection.hash,
        test_hash=chosen.hash,
        scans=len(chosen.scans),
    )
    run.log(tags={"ctexp.look": str(standing.number), "ctexp.look.key": standing.look.key})
    return standing


def log_evaluation(run: Run, report: EvaluationReport, outputs: Outputs) -> None:
    """Keep numbers, pictures, a summary and, but for the locked test, each scan's answer.

    Args:
        run: where.
        report: what is told.
        outputs: the answers, calibrated.
    """
    chosen, estimates = report.chosen, report.estimates
    where, prefix = WHERE[chosen.kind], PREFIX[chosen.kind]
    metrics: dict[str, float] = {}
    for name, one in {**estimates, **report.without_network}.items():
        metrics |= one.as_metrics(f"{prefix}{name}")
    for control in report.controls or ():
        metrics |= control.estimate.as_metrics(f"audit_{control.name}")
    counts = vars(report.counts)
    metrics |= {f"{prefix}{name}": count for name, count in counts.items()}
    metrics |= {f"{prefix}scans": len(chosen.scans), f"{prefix}ece_by_chance": report.chance_error,
                "seconds": report.seconds}  # fmt: skip
    doubts = {f"{DOUBT_TAG}{one.name}": one.sentence for one in report.controls or () if one.found}
    run.log(metrics=metrics, tags={NOTE_TAG: summary(report)} | doubts)

    words = {name: f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f}), n={one.n}" for name, one in estimates.items()}
    side = f"{where[:1].upper()}{where[1:]}"
    run.log_figure(figures.roc(*roc_points(outputs), f"AUC {words['auc']}", side=side), "pictures/roc.png")
    table = np.array([[counts["true_negative"], counts["false_positive"]],
                      [counts["false_negative"], counts["true_positive"]]], dtype=np.int64)  # fmt: skip
    caption = f"accuracy {words['accuracy']}"
    run.log_figure(figures.confusion_matrix(table, caption, side=side), "pictures/confusion.png")
    points = np.array([[one.probability, one.abnormal.value, one.abnormal.low, one.abnormal.high]
                       for one in reliability(outputs, bins_for(len(chosen.scans)))])  # fmt: skip
    caption = f"calibration error {words['ece']}"
    run.log_figure(figures.reliability({"as answered": points}, caption, side=side), "pictures/reliability.png")
    if chosen.kind in TABLE:
        run.log_text(predictions_table(chosen.scans, outputs), TABLE[chosen.kind])
    if chosen.site:
        run.log_text(json_text(chosen.site.as_json()) + "\n", "site.json")
    if report.controls is not None:
        run.log_text(json_text([one.as_json() for one in report.controls]) + "\n", "audit.json")


def summary(report: EvaluationReport) -> str:
    """Give the few lines of Markdown that MLflow's page of the run begins with."""
    model, chosen = report.model, report.chosen
    kind = "**synthetic** scans: nothing is said about patients" if report.synthetic else "scans"
    lines = [
        f"{model.name} version {model.version} (run {model.run_id}) on {WHERE[chosen.kind]}: "
        f"{len(chosen.scans)} {kind} ({chosen.collection.source}).",
        "",
    ]
    if report.standing:
        lines += [f"Look {report.standing.number} of this test set.", ""]
    lines += ["| | value | 95 % interval | n |", "|---|---|---|---|"]
    for name, one in {**report.estimates, **report.without_network}.items():
        if not np.isnan(one.value):  # no PPV where nothing is called abnormal
            lines.append(f"| {name} | {one.value:.3f} | {one.low:.3f} to {one.high:.3f} | {one.n} |")
    if chosen.site:
        lines += ["", *chosen.site.lines()]
    lines += ["", *(f"Doubt: {one.sentence}" for one in report.controls or () if one.found)]
    return "\n".join([*lines, "", "Research software; not a medical device."])
