"""Cross-validation: what the split leaves outside its locked test, dealt into folds by class, by patient, by seed."""

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from ctexp.datasets.collection import LabelledScan
from ctexp.datasets.labels import LABEL_WORDS
from ctexp.datasets.splits import Split
from ctexp.errors import ConfigError, DataError

_ATTEMPTS = 100
"""Draws for a repeat until it is taken that no partition is left that earlier repeats do not have."""


def make_folds(split: Split, folds: int, seed: int, *, repeats: int = 1) -> tuple[Split, ...]:
    """Deal the train and validation scans into folds, each of which is the validation side once a repeat.

    The locked test and what the split leaves out are handed on untouched; no label of theirs is read. Content and seed
    decide, not the order or the names of files. Each fold has scans of both classes, and so has the rest of it. Where
    no patient has scans of both classes, the folds' counts of a class differ by at most the scans of one patient;
    where some have, patients of one class even the counts out as far as they reach.

    Args:
        split: whose train and validation sides are dealt anew.
        folds: number of folds, at least 2; as many patients are needed with scans of each class.
        seed: another seed is another partition.
        repeats: number of partitions, all different; the first is the same however many are asked for.

    Returns:
        folds * repeats splits, the folds of a repeat one after the other, sides sorted by content hash.

    Raises:
        ConfigError: folds below 2 or repeats below 1.
        DataError: too few patients for the folds, or for so many different partitions.
    """
    if folds < 2:
        raise ConfigError(f"folds: must be >= 2, got {folds}")
    if repeats < 1:
        raise ConfigError(f"repeats: must be >= 1, got {repeats}")
    scans = sorted((*split.train, *split.validation), key=lambda scan: scan.sha256)
    by_patient: dict[str, list[LabelledScan]] = {}
    for scan in scans:
        by_patient.setdefault(scan.patient, []).append(scan)
    patients = list(by_patient.values())
    _check(patients, folds)
    partitions: list[dict[str, int]] = []
    seen = set()
    for repeat in range(repeats):
        for attempt in range(_ATTEMPTS):
            partition = _deal(patients, folds, f"folds {seed} {repeat} {attempt}")
            groups = frozenset(frozenset(one for one in partition if partition[one] == fold) for fold in range(folds))
            if groups not in seen:
                break
        else:
            raise DataError(
                f"folds: every repeat needs another partition, {len(patients)} patients in {folds} folds "
                f"gave {len(partitions)} in {_ATTEMPTS} draws; take {len(partitions)} repeats or add patients"
            )
        seen.add(groups)
        partitions.append(partition)
    return tuple(
        Split(
            train=tuple(scan for scan in scans if partition[scan.sha256] != fold),
            validation=tuple(scan for scan in scans if partition[scan.sha256] == fold),
            test=split.test,
            left_out=split.left_out,
        )
        for partition in partitions
        for fold in range(folds)
    )


def mean_and_error(scores: Sequence[float], *, folds: int) -> tuple[float, float]:
    """Give the mean of the folds' scores and its standard error.

    Any two folds share most of their training scans, so their scores are not independent and s / sqrt(n) is too small.
    The error is that of Nadeau and Bengio (2003, "Inference for the generalization error", section 3), with which
    Bouckaert and Frank (2004) compare repeated cross-validation: sqrt((1/n + test/train) * s^2), where test/train is
    1 / (folds - 1). No unbiased estimate exists (Bengio and Grandvalet 2004); this one errs to the careful side.
    It says how the score would vary with other scans, so more repeats cannot bring it to 0.

    Args:
        scores: one a fold, of all repeats or of the first folds only.
        folds: number of folds that the scans were dealt into, at least 2.

    Returns:
        The mean and its standard error, which is NaN for a single score.

    Raises:
        ValueError: no scores, or folds below 2.
    """
    if not scores or folds < 2:
        raise ValueError(f"mean_and_error: needs a score and folds >= 2, got {len(scores)=} and {folds=}")
    mean = float(np.mean(scores))
    if len(scores) == 1:
        return mean, math.nan
    variance = float(np.var(scores, ddof=1)) * (1 / len(scores) + 1 / (folds - 1))
    return mean, math.sqrt(variance)


def _check(patients: Sequence[Sequence[LabelledScan]], folds: int) -> None:
    """Refuse folds that cannot all have both classes; `_deal` fills every fold whenever there are patients enough."""
    for label, word in LABEL_WORDS.items():
        having = sum(any(scan.label == label for scan in scans) for scans in patients)
        if having < folds:
            remedy = f"take at most {having} folds or add patients" if having > 1 else "add patients"
            raise DataError(
                f"folds: each of {folds} needs scans of both classes, only {having} patients outside the locked test "
                f"have {word} ones; {remedy}"
            )


def _deal(patients: Sequence[Sequence[LabelledScan]], folds: int, draw: str) -> dict[str, int]:
    """Give each patient to the fold that has fewest scans of that patient's classes, then fewest scans at all.

    The order is drawn by hashing, but patients with both classes come first and those with one scan last, so that they
    can even out the counts. It is not by size: patients who all differ in size would then meet in the same folds for
    every seed.

    Returns:
        The fold of each content hash.
    """

    def turn(scans: Sequence[LabelledScan]) -> tuple[bool, bool, int, str]:
        labels = {scan.label for scan in scans}
        text = " ".join([draw, *(scan.sha256 for scan in scans)])
        return len(labels) == 1, len(scans) == 1, min(labels), hashlib.sha256(text.encode()).hexdigest()

    counts = np.zeros((folds, 2), dtype=np.int64)
    placed: dict[str, int] = {}
    for scans in sorted(patients, key=turn):
        own = np.bincount([scan.label for scan in scans], minlength=2)
        # The least product is the least growth of the sum of squared counts.
        fold = min(range(folds), key=lambda fold: (int(counts[fold] @ own), int(counts[fold].sum()), fold))
        counts[fold] += own
        placed |= {scan.sha256: fold for scan in scans}
    return placed
