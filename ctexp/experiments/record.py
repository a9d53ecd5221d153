"""What a run keeps of data and network: facts, tables and pictures."""

import csv
import io
from collections.abc import Mapping, Sequence

import numpy as np

from ctexp.config import Experiment
from ctexp.datasets.augment import apply_change, draw_change
from ctexp.datasets.cache import ScanCache, restore
from ctexp.datasets.collection import Collection, LabelledScan
from ctexp.datasets.splits import Split
from ctexp.learning.evaluation import Outputs, confusion, roc_points
from ctexp.learning.intervals import Estimate
from ctexp.scans.views import montage
from ctexp.tracking import figures
from ctexp.tracking.run import Run
from ctexp.tracking.store import Store

NOTE_TAG = "mlflow.note.content"
"""MLflow shows this tag as the run's description."""
_WORDS = ("normal", "abnormal")


def data_facts(collection: Collection, split: Split) -> dict[str, object]:
    """Give the parameters that say which data a run learned from."""
    facts: dict[str, object] = {
        "data.source": collection.source,
        "data.hash": collection.hash,
        "data.scans": len(collection.scans),
        "data.synthetic": collection.synthetic,
        "data.skipped": len(collection.skipped),
        "split.hash": split.hash,
    }
    facts |= {f"data.class.{name}": count for name, count in collection.class_counts.items()}
    for side, counts in split.counts().items():
        facts |= {f"data.{side}.{word}": count for word, count in counts.items()}
    return facts


def split_table(split: Split) -> str:
    """Give the split as CSV. The locked test's labels are left out: nobody reads them by accident."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "sha256", "side", "label"])
    for side in ("train", "validation", "test"):
        for scan in getattr(split, side):
            writer.writerow([scan.path.name, scan.sha256, side, "" if side == "test" else _WORDS[scan.label]])
    return text.getvalue()


def predictions_table(scans: Sequence[LabelledScan], outputs: Outputs) -> str:
    """Give each validation scan's truth, logit and probability of abnormal as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "sha256", "label", "logit", "abnormal"])
    for scan, logit, probability in zip(scans, outputs.logits, outputs.probabilities, strict=True):
        writer.writerow([scan.path.name, scan.sha256, _WORDS[scan.label], repr(float(logit)), f"{probability:.6f}"])
    return text.getvalue()


def log_inputs(run: Run, cache: ScanCache, split: Split, experiment: Experiment) -> None:
    """Keep a montage of one scan of each class, and of what augmentation makes of one."""
    shown = [next(scan for scan in split.train if scan.label == label) for label in (0, 1)]
    arrays = [restore(cache.load(scan.sha256)) for scan in shown]
    sheets = [
        (f"{_WORDS[scan.label]} ({scan.class_name})", montage(array)) for scan, array in zip(shown, arrays, strict=True)
    ]
    low, high = experiment.scan.window_hu
    size = "x".join(map(str, experiment.scan.shape))
    title = f"What the network reads: {size}, {low:g} to {high:g} HU"
    run.log_figure(figures.pictures(sheets, title), "pictures/inputs.png")
    middle = experiment.scan.shape[2] // 2
    views = [("as prepared", arrays[1][:, :, middle])]
    for number in range(1, 8):
        change = draw_change(experiment.augment, np.random.default_rng([experiment.seed, number]))
        views.append((f"{change.rotation_degrees:+.0f} degrees", apply_change(arrays[1], change)[:, :, middle]))
    run.log_figure(figures.pictures(views, "One scan, augmented", columns=4), "pictures/augmented.png")


def log_results(
    run: Run,
    cache: ScanCache,
    scans: Sequence[LabelledScan],
    outputs: Outputs,
    estimates: Mapping[str, Estimate],
    history: Sequence[Mapping[str, float]],
    best_epoch: int,
) -> None:
    """Keep curves, ROC, confusion matrix, and the validation scans nearest to and farthest from right."""
    run.log_figure(figures.curves(history, best_epoch), "pictures/curves.png")
    area = estimates["auc"]
    run.log_figure(
        figures.roc(*roc_points(outputs), f"AUC {area.value:.3f} ({area.low:.3f} to {area.high:.3f}), n={area.n}"),
        "pictures/roc.png",
    )
    counts = confusion(outputs)
    table = np.array(
        [[counts.true_negative, counts.false_positive], [counts.false_negative, counts.true_positive]], dtype=np.int64
    )
    right = estimates["accuracy"]
    caption = f"accuracy {right.value:.3f} ({right.low:.3f} to {right.high:.3f}), n={right.n}"
    run.log_figure(figures.confusion_matrix(table, caption), "pictures/confusion.png")
    given_to_truth = np.where(outputs.labels == 1, outputs.probabilities, 1 - outputs.probabilities)
    order = np.argsort(given_to_truth, kind="stable")
    surest = order[::-1]
    best = np.concatenate([surest[outputs.labels[surest] == label][:3] for label in (0, 1)])
    for name, title, chosen in (
        ("farthest", "Answered worst (validation)", order[:6]),
        ("nearest", "Answered best (validation)", best),
    ):
        sheets = []
        for number in chosen:
            array = restore(cache.load(scans[number].sha256))
            said = f"P(abnormal) = {outputs.probabilities[number]:.3f}"
            caption = f"{scans[number].path.name}: {_WORDS[scans[number].label]}, {said}"
            sheets.append((caption, montage(array, tiles=6, columns=3)))
        run.log_figure(figures.pictures(sheets, title, columns=2), f"pictures/{name}.png")
    run.log_text(predictions_table(scans, outputs), "validation.csv")


def summary(
    collection: Collection, split: Split, estimates: Mapping[str, Estimate], best_epoch: int, version: str
) -> str:
    """Give the few lines of Markdown that MLflow's page of the run begins with."""
    kind = "**synthetic** scans: nothing is said about patients" if collection.synthetic else "scans"
    lines = [
        f"{len(collection.scans)} {kind} ({collection.source}); {len(split.train)} train, "
        f"{len(split.validation)} validation, {len(split.test)} locked away for the test.",
        "",
        f"Version {version} is the network of epoch {best_epoch}. On the validation scans:",
        "",
        "| | value | 95 % interval | n |",
        "|---|---|---|---|",
    ]
    for name in ("auc", "accuracy", "sensitivity", "specificity"):
        one = estimates[name]
        lines.append(f"| {name} | {one.value:.3f} | {one.low:.3f} to {one.high:.3f} | {one.n} |")
    return "\n".join([*lines, "", "Research software; not a medical device."])


def read_history(store: Store, run_id: str) -> list[dict[str, float]]:
    """Read back the metrics of a run's epochs, first to last, without an epoch that was cut off in the middle."""
    names = ("loss", "accuracy", "val_loss", "val_accuracy", "val_auc", "learning_rate")
    columns = {
        name: {point.step: point.value for point in store.client.get_metric_history(run_id, f"epoch/{name}")}
        for name in names
    }
    whole = 0
    while all(whole + 1 in column for column in columns.values()):
        whole += 1
    return [{name: columns[name][epoch] for name in names} for epoch in range(1, whole + 1)]


def quoted_metrics(estimates: Mapping[str, Estimate], loss: float) -> dict[str, float]:
    """Give the metrics of the saved network as MLflow keeps them: value, low and high end of the 95 % interval."""
    metrics = {"val_loss": loss}
    for name, estimate in estimates.items():
        if estimate.n and not np.isnan(estimate.value):
            metrics |= {
                f"val_{name}": estimate.value,
                f"val_{name}_low": estimate.low,
                f"val_{name}_high": estimate.high,
            }
    return metrics
