"""`ctexp runs compare --out`: the picture of a comparison, written as a PNG."""

from pathlib import Path

import numpy as np

from ctexp.errors import InputError, WorkError
from ctexp.experiments.comparing.compare import Comparison, scores_of
from ctexp.files import atomic_write
from ctexp.learning.evaluation import Outputs, roc_points


def letters(count: int) -> list[str]:
    """Give runs short names: A, B, C and so on; numbers where there are too many."""
    return [chr(ord("A") + number) for number in range(count)] if count <= 26 else [str(n + 1) for n in range(count)]


def p_words(p: float) -> str:
    """Write a p value with three digits; no p is 0."""
    return "<0.001" if p < 0.001 else f"{p:5.3f}"


def draw_comparison(found: Comparison, out: Path) -> None:
    """Draw metrics, ROC curves and answers of runs on their common scans.

    Raises:
        InputError: there are no common scans.
        WorkError: the picture cannot be written.
    """
    from ctexp.tracking.figures_compare import Shown, comparison

    if not found.common:
        raise InputError(f"--out {out}: a picture needs scans that all runs answered; {found.remarks[0]}")
    names = letters(len(found.sides))
    rows = [[side.answers[sha256] for sha256 in found.common] for side in found.sides]
    labels = np.array([row.label for row in rows[0]], dtype=np.int64)
    shown = []
    for name, side, mine, each in zip(names, found.sides, rows, found.estimates, strict=True):
        intervals = {word: each[key] for key, word in (("auc", "AUC"), ("accuracy", "accuracy"))}
        shown.append(
            Shown(
                name=f"{name} {side.short} {side.name}"[:30].replace("$", r"\$"),  # no formula
                intervals={word: (one.value, one.low, one.high) for word, one in intervals.items()},
                roc=roc_points(Outputs(labels, scores_of(mine))),
                probabilities=np.array([row.abnormal for row in mine]),
                threshold=side.threshold,
            )
        )
    tests = "; ".join(
        f"{name} against {names[0]}: AUC {pair.auc.difference:+.3f}, p {p_words(pair.auc.p)}"
        for name, pair in zip(names[1:], found.pairs, strict=True)
    )
    figure = comparison(shown, labels, f"{len(labels)} common scans; {tests}. Not a medical device.")
    try:
        with atomic_write(out) as stream:
            figure.savefig(stream, format="png", dpi=110)
    except OSError as error:
        raise WorkError(f"{out}: the picture must be writable: {error.strerror or error}") from error
