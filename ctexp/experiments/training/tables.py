"""What a run keeps as parameters, metrics and CSV, worked out without a store."""

import csv
import io
import re
from collections.abc import Mapping, Sequence

from ctexp.datasets.collection import Collection, LabelledScan
from ctexp.datasets.labels import LABEL_WORDS
from ctexp.datasets.splits import SIDES, Split, count_patients
from ctexp.learning.evaluation import Outputs
from ctexp.learning.intervals import Estimate


def data_facts(collection: Collection, split: Split) -> dict[str, object]:
    """Give the parameters that say which data a run learned from."""
    facts: dict[str, object] = {
        "data.source": collection.source,
        "data.hash": collection.hash,
        "data.scans": len(collection.scans),
        "data.patients": count_patients(collection.scans),
        "data.synthetic": collection.synthetic,
        "data.skipped": len(collection.skipped),
        "data.near_duplicates": collection.near_duplicates,
        "split.hash": split.hash,
    }
    if split.left_out:
        facts["data.left_out"] = len(split.left_out)
    for name, count in collection.class_counts.items():
        key = f"data.class.{_as_key(name)}"
        facts[key] = count + int(str(facts.get(key, 0)))  # two names may come to the same key
    for side, counts in split.counts().items():
        facts |= {f"data.{side}.{word}": count for word, count in counts.items()}
    facts |= {f"data.{side}.patients": count for side, count in split.patients().items()}
    return facts


def _as_key(name: str) -> str:
    """Spell a class's name as MLflow takes it in a key: it refuses most signs, and long keys."""
    return re.sub(r"[^\w.\- :]", "_", name)[:150] or "_"


def split_table(split: Split) -> str:
    """Give the split as CSV. The locked test's labels are left out: nobody reads them by accident."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "sha256", "side", "label"])
    for side in SIDES:
        for scan in getattr(split, side):
            writer.writerow([scan.path.name, scan.sha256, side, "" if side == "test" else LABEL_WORDS[scan.label]])
    return text.getvalue()


def predictions_table(scans: Sequence[LabelledScan], outputs: Outputs, answers: Outputs | None = None) -> str:
    """Give each validation scan's truth, logit, and calibrated logit and probability of abnormal as CSV.

    Args:
        scans: the scans.
        outputs: what the network said of them.
        answers: the same calibrated. Several repeats of folds have a temperature each, so that the order of the scans
            may be another than that of `outputs`; None where nothing is calibrated.
    """
    answers = answers or outputs
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "sha256", "label", "logit", "calibrated", "abnormal"])
    for scan, raw, logit, probability in zip(scans, outputs.logits, answers.logits, answers.probabilities, strict=True):
        numbers = [repr(float(raw)), repr(float(logit)), f"{probability:.6f}"]
        writer.writerow([scan.path.name, scan.sha256, LABEL_WORDS[scan.label], *numbers])
    return text.getvalue()


def quoted_metrics(estimates: Mapping[str, Estimate], loss: float) -> dict[str, float]:
    """Give the metrics of the saved network as MLflow keeps them: value, ends of the 95 % interval, and n."""
    metrics = {"val_loss": loss}
    for name, estimate in estimates.items():
        metrics |= estimate.as_metrics(f"val_{name}")
    return metrics
