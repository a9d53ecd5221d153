"""`ctexp evaluate --audit`: could the answers rest on something that is no disease?

Networks for chest images have been found to read the hospital instead of the lung (Zech et al. 2018, "Variable
generalization performance of a deep learning model to detect pneumonia in chest radiographs"; DeGrave, Janizek and Lee
2021, "AI for radiographic COVID-19 detection selects shortcuts over signal"). These controls look for the plainest
shortcuts; that they find none proves nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ctexp.datasets.cache import ScanCache, restore
from ctexp.datasets.collection import LabelledScan
from ctexp.datasets.ingest import Progress
from ctexp.learning.baseline import mean_hu_auc
from ctexp.learning.intervals import Estimate, auc
from ctexp.learning.shortcuts import chances, likeness_scores, tells_apart
from ctexp.scans.ablate import Ablations, ablate
from ctexp.scans.quality.features import FEATURES
from ctexp.scans.volume import AIR_HU

Ask = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float64]]
"""Prepared scans (n, rows, columns, slices, 1) to (n,) logits."""
_QUESTIONS = 3
"""Lungs blanked, border, header: together they raise a false alarm in at most 5 %."""
_FACTS = ("pixel_mm", "slice_mm", "height_mm", "field_mm", "padding")
_FACT_WORDS = {
    "pixel_mm": "the size of the pixels",
    "slice_mm": "the distance of the slices",
    "height_mm": "the height of the scan",
    "field_mm": "the width of the field",
    "padding": "the share of padding (-1024 HU or less)",
    "slices": "the number of slices",
    "still_air": "the share of padding, air without noise,",
}
_MEANING = "they were scanned or stored in different ways, and a network can learn that in place of disease."
_USUAL_MM = (350.0, 350.0, 320.0)
"""Extent that is assumed of a scan whose features could not be measured."""


@dataclass(frozen=True)
class Control:
    """One control.

    Attributes:
        name: for programs.
        words: for people.
        estimate: the AUC that is reached.
        found: it does too well.
        sentence: what that means; empty where nothing was found.
        details: more AUCs behind it, by name.
    """

    name: str
    words: str
    estimate: Estimate
    found: bool = False
    sentence: str = ""
    details: dict[str, Estimate] | None = None

    def as_json(self) -> dict[str, Any]:
        """Give everything as plain values."""
        details = {name: vars(one) for name, one in (self.details or {}).items()}
        return {"name": self.name, "auc": vars(self.estimate), "found": self.found, "sentence": self.sentence,
                "details": details}  # fmt: skip


def audit(
    ask: Ask,
    cache: ScanCache,
    scans: Sequence[LabelledScan],
    logits: npt.NDArray[np.float64],
    progress: Progress | None = None,
) -> tuple[Control, ...]:
    """Ask for shortcuts on scans.

    The first two controls, without the lungs and without the patient, are left out where the network is shown the
    lungs alone.

    Args:
        ask: the network.
        cache: holds the prepared scans.
        scans: of both classes.
        logits: (n,) what the network says of the whole scans.
        progress: told after each scan.
    """
    labels = np.array([scan.label for scan in scans], dtype=np.int64)
    whole = cache.whole
    rest = _header_control(whole, labels, scans), *_intensity_controls(whole, scans, auc(labels, logits))
    if cache.settings.geometry == "lungs":  # nothing is left of a scan that such a network could read
        return rest
    nothing = np.full(len(scans), np.nan)
    without = {"lungs": nothing.copy(), "body": nothing.copy()}
    for number, scan in enumerate(scans):
        versions = _ablations(cache, scan)
        if versions is not None:
            without["body"][number] = ask(versions.without_body[None, ..., None])[0]
            if versions.without_lungs is not None:
                without["lungs"][number] = ask(versions.without_lungs[None, ..., None])[0]
        if progress:
            progress(number + 1, len(scans))
    return (
        _network_control(
            "lungs_blanked", "network, lungs blanked", labels, without["lungs"], logits,
            "Without the lungs the network still tells the classes apart, it uses something outside the lungs",
        ),
        _network_control(
            "border_only", "network, only the border", labels, without["body"], logits,
            "Without the patient the network still tells the classes apart, it uses what lies round the body: table, "
            "padding, field",
        ),
        *rest,
    )  # fmt: skip


def _ablations(cache: ScanCache, scan: LabelledScan) -> Ablations | None:
    settings = cache.settings
    extent = settings.extent_mm
    if settings.geometry == "stretch":
        facts = _facts(scan)
        extent = (facts["field_mm"], facts["field_mm"], facts["height_mm"]) if facts else _USUAL_MM
    return ablate(restore(cache.load(scan.sha256)), settings, extent)


def _network_control(
    name: str,
    words: str,
    labels: npt.NDArray[np.int64],
    logits: npt.NDArray[np.float64],
    whole: npt.NDArray[np.float64],
    sentence: str,
) -> Control:
    """Judge by the order of the answers, and say how much they still vary: a tiny answer can order scans, too."""
    there = np.isfinite(logits)
    estimate = auc(labels[there], logits[there])
    found = tells_apart(labels[there], logits[there], _QUESTIONS)
    if found:
        share = float(np.std(logits[there]) / max(float(np.std(whole)), 1e-12))
        sentence = f"{sentence} (its answers vary {100 * share:.2g} % as much as on whole scans)."
    return Control(name, words, estimate, found, sentence if found else "")


def _facts(scan: LabelledScan) -> dict[str, float] | None:
    features = scan.examination.features if scan.examination else None
    if features is None:
        return None
    values = {one.name: value for one, value in zip(FEATURES, features, strict=True)}
    return {**{name: values[name] for name in _FACTS}, "slices": round(values["height_mm"] / values["slice_mm"])}


def _still_air(cache: ScanCache, scan: LabelledScan) -> float:
    """Give the share of a prepared scan that is air without noise: no scanner measured it.

    The feature `padding` counts what is -1024 HU or less, noisy air among it; here only what was filled in remains.
    """
    low, high = cache.settings.window_hu
    air = np.clip((AIR_HU - low) / (high - low), 0.0, 1.0)
    return float((np.abs(restore(cache.load(scan.sha256)) - air) < 1e-5).mean())


def _header_control(cache: ScanCache, labels: npt.NDArray[np.int64], scans: Sequence[LabelledScan]) -> Control:
    """See what can be told from the scan's size, spacing and padding alone, together and one by one."""
    name, words = "header", "no network: header facts"
    rows = [(facts := _facts(scan)) and {**facts, "still_air": _still_air(cache, scan)} for scan in scans]
    there = np.array([row is not None for row in rows])
    truth = labels[there]
    if min(int((truth == 1).sum()), int((truth == 0).sum())) < 2:
        return Control(name, words, auc(truth, np.zeros(truth.size)))
    names = tuple(_FACT_WORDS)
    values = np.array([[row[fact] for fact in names] for row in rows if row is not None])
    tolerances = {one.name: one for one in FEATURES}
    columns = []
    for place, fact in enumerate(names):
        # The number of slices is compared by ratio as the height is, air without noise as padding is.
        feature = tolerances.get(fact, tolerances["padding" if fact == "still_air" else "height_mm"])
        compared = np.array([feature.scale(value) for value in values[:, place]])
        columns.append(compared / max(float(compared.std()), feature.tolerance))
    stacked = np.stack(columns, axis=1)
    together = likeness_scores(truth, stacked)
    single = {fact: auc(truth, values[:, place]) for place, fact in enumerate(names)}
    *each, combined = (float(chance) < 0.05 / _QUESTIONS for chance in chances(truth, stacked))
    telling = [fact for fact, tells in zip(names, each, strict=True) if tells]
    sentence = ""
    if telling:
        alone = {fact: auc(truth, likeness_scores(truth, stacked[:, [names.index(fact)]])) for fact in telling}
        reached = {fact: max(alone[fact].value, single[fact].value, 1 - single[fact].value) for fact in telling}
        most = max(telling, key=lambda fact: reached[fact])
        fact_words = f"{_FACT_WORDS[most][:1].upper()}{_FACT_WORDS[most][1:]}"
        sentence = f"{fact_words} alone tells the classes apart (AUC {reached[most]:.3f}): {_MEANING}"
    elif combined:
        sentence = f"Size, spacing and padding together tell the classes apart: {_MEANING}"
    return Control(name, words, auc(truth, together), bool(telling) or combined, sentence, single)


def _intensity_controls(cache: ScanCache, scans: Sequence[LabelledScan], network: Estimate) -> list[Control]:
    """Pneumonia makes a lung denser: mean density may do well, but not as well as the network."""
    controls = []
    for name, estimate in mean_hu_auc(cache, scans).items():
        where = "lung's HU" if name == "auc_lung_hu" else "mean HU"
        found = bool(estimate.low > 0.5 and estimate.value >= network.value)
        sentence = f"A threshold on {where} orders these scans at least as well as the network: it adds nothing here."
        controls.append(
            Control(name.removeprefix("auc_"), f"no network: {where}", estimate, found, sentence if found else "")
        )
    return controls
