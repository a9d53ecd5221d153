"""What a run keeps of data and network: pictures, its description, and what is read back of it."""

import csv
import io
from collections.abc import Sequence

import mlflow
import numpy as np
import numpy.typing as npt
from mlflow.exceptions import MlflowException

from ctexp.config import Experiment
from ctexp.datasets.augment import apply_change, draw_change
from ctexp.datasets.cache import ScanCache, restore
from ctexp.datasets.collection import Collection, LabelledScan
from ctexp.datasets.labels import LABEL_WORDS
from ctexp.datasets.splits import Split
from ctexp.errors import WorkError
from ctexp.experiments.training.answers import Answers
from ctexp.experiments.training.tables import predictions_table
from ctexp.learning.calibration import reliability
from ctexp.learning.evaluation import Outputs, confusion, roc_points
from ctexp.scans.views import montage
from ctexp.tracking import figures
from ctexp.tracking.run import Run
from ctexp.tracking.store import Store

NOTE_TAG = "mlflow.note.content"
"""MLflow shows this tag as the run's description."""


def read_outputs(run_id: str, scans: Sequence[LabelledScan]) -> Outputs:
    """Read a run's `validation.csv` back, to the last bit.

    Raises:
        WorkError: it is missing, damaged, or about other scans.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(mlflow.artifacts.load_text(f"runs:/{run_id}/validation.csv"))))
        logits = {row["sha256"]: float(row["logit"]) for row in rows}
        values = [logits[scan.sha256] for scan in scans]
    except (MlflowException, OSError, ValueError, KeyError, TypeError) as error:
        raise WorkError(
            f"run {run_id}: validation.csv must be whole: {error}; delete the run to train it again"
        ) from error
    return Outputs(np.array([scan.label for scan in scans], dtype=np.int64), np.array(values, dtype=np.float64))


def log_inputs(run: Run, cache: ScanCache, split: Split, experiment: Experiment) -> None:
    """Keep a montage of one scan of each class, and of what augmentation makes of one."""
    shown = [next(scan for scan in split.train if scan.label == label) for label in (0, 1)]
    arrays = [restore(cache.load(scan.sha256)) for scan in shown]
    sheets = [
        (f"{LABEL_WORDS[scan.label]} ({scan.class_name})", montage(array))
        for scan, array in zip(shown, arrays, strict=True)
    ]
    low, high = experiment.scan.scale_hu
    size = "x".join(map(str, experiment.scan.shape))
    over = " from the lungs' level" if experiment.scan.geometry == "lungs" else ""
    title = f"What the network reads: {size}, {low:g} to {high:g} HU{over}"
    run.log_figure(figures.pictures(sheets, title), "pictures/inputs.png")
    middle = experiment.scan.shape[2] // 2
    views = [("as prepared", arrays[1][:, :, middle])]
    for number in range(1, 8):
        change = draw_change(experiment.augment, np.random.default_rng([experiment.seed, number]))
        views.append(
            (
                f"{change.rotation_degrees:+.0f} degrees",
                apply_change(arrays[1], change, experiment.scan.empty)[:, :, middle],
            )
        )
    run.log_figure(figures.pictures(views, "One scan, augmented", columns=4), "pictures/augmented.png")


def log_results(
    run: Run, cache: ScanCache, scans: Sequence[LabelledScan], answers: Answers, *, side: str = "Validation"
) -> None:
    """Keep ROC, confusion matrix, reliability, table, and the scans answered nearest to and farthest from right.

    Args:
        run: where.
        cache: the prepared scans.
        scans: in the order of the answers; none of them taught the network that answers on it.
        answers: what is said of them.
        side: names them in the titles.
    """
    outputs, estimates = answers.calibrated, answers.estimates
    area = estimates["auc"]
    caption = f"AUC {area.value:.3f} ({area.low:.3f} to {area.high:.3f}), n={area.n}"
    run.log_figure(figures.roc(*roc_points(outputs), caption, side=side), "pictures/roc.png")
    counts = confusion(outputs, answers.threshold)
    table = np.array(
        [[counts.true_negative, counts.false_positive], [counts.false_negative, counts.true_positive]], dtype=np.int64
    )
    right = estimates["accuracy"]
    caption = f"accuracy {right.value:.3f} ({right.low:.3f} to {right.high:.3f}), n={right.n}"
    if answers.sensitivity:
        caption = f"called abnormal from {answers.threshold:.3f} on\n{caption}"
    run.log_figure(figures.confusion_matrix(table, caption, side=side), "pictures/confusion.png")
    series = {"as trained": answers.raw, f"calibrated, T = {answers.temperature:.2f} (cross-fitted)": answers.judged}
    points = {name: _points(one, answers.bins) for name, one in series.items() if one is not None}
    caption = f"{answers.bins} bins of about {answers.n / answers.bins:.0f} scans, n={answers.n}"
    run.log_figure(figures.reliability(points, caption, side=side), "pictures/reliability.png")
    given_to_truth = np.where(outputs.labels == 1, outputs.probabilities, 1 - outputs.probabilities)
    order = np.argsort(given_to_truth, kind="stable")
    surest = order[::-1]
    best = np.concatenate([surest[outputs.labels[surest] == label][:3] for label in (0, 1)])
    for name, title, chosen in (
        ("farthest", f"Answered worst ({side.lower()})", order[:6]),
        ("nearest", f"Answered best ({side.lower()})", best),
    ):
        sheets = []
        for number in chosen:
            array = restore(cache.load(scans[number].sha256))
            said = f"P(abnormal) = {outputs.probabilities[number]:.3f}"
            caption = f"{scans[number].path.name}\n{LABEL_WORDS[scans[number].label]}, {said}"
            sheets.append((caption, montage(array, tiles=6, columns=3)))
        run.log_figure(figures.pictures(sheets, title, columns=2), f"pictures/{name}.png")
    run.log_text(predictions_table(scans, answers.raw, outputs), "validation.csv")


def _points(outputs: Outputs, bins: int) -> npt.NDArray[np.float64]:
    """Give (bins, 4) float64: mean probability, share of abnormal scans, and the ends of its interval."""
    points = reliability(outputs, bins)
    return np.array([[one.probability, one.abnormal.value, one.abnormal.low, one.abnormal.high] for one in points])


def summary(collection: Collection, split: Split, answers: Answers, *, made: str, judged: str) -> str:
    """Give the few lines of Markdown that MLflow's page of the run begins with.

    Args:
        collection: the scans.
        split: their sides.
        answers: of the registered version.
        made: what the version is, a sentence.
        judged: which scans the answers are about and how, the words before a colon.
    """
    kind = "**synthetic** scans: nothing is said about patients" if collection.synthetic else "scans"
    lines = [
        f"{len(collection.scans)} {kind} ({collection.source}); {len(split.train)} train, "
        f"{len(split.validation)} validation, {len(split.test)} locked away for the test.",
        "",
        f"{made} {judged}:",
        "",
        "| | value | 95 % interval | n |",
        "|---|---|---|---|",
    ]
    named = {**answers.estimates, **{name.replace("_", " "): one for name, one in answers.calibration.items()}}
    for name, one in named.items():
        if not np.isnan(one.value):
            lines.append(f"| {name} | {one.value:.3f} | {one.low:.3f} to {one.high:.3f} | {one.n} |")
    return "\n".join([*lines, "", *answers.words(), "", "Research software; not a medical device."])


def read_history(store: Store, run_id: str) -> list[dict[str, float]]:
    """Read back the metrics of a run's epochs, first to last, without an epoch that was cut off in the middle."""
    names = ("loss", "accuracy", "val_loss", "val_accuracy", "val_auc", "learning_rate")
    latest = store.run(run_id).data.metrics
    if not all(f"epoch/{name}" in latest for name in names):  # one question instead of six, before each new run
        return []
    columns = {
        name: {point.step: point.value for point in store.client.get_metric_history(run_id, f"epoch/{name}")}
        for name in names
    }
    whole = 0
    while all(whole + 1 in column for column in columns.values()):
        whole += 1
    return [{name: columns[name][epoch] for name in names} for epoch in range(1, whole + 1)]
