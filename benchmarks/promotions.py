"""How often the gate lets a challenger pass that it should, and that it should not.

    python -m benchmarks.promotions [--comparisons 200] [--scans 32 60 120 400]

Both networks' scores are drawn from the binormal model of `benchmarks.intervals`, half the scans abnormal; the gate is
`ctexp.experiments.evaluating.judge.compare_outputs` with its default margins, AUC and log loss both. Five kinds of
challenger:

    the same network     its answers are the champion's
    as good              another network of the same AUC and calibration
    worse by the AUC     its AUC is lower by the margin, its probabilities fit: a wrong promotion
    too sure             the same AUC, logits so much too large that its log loss is worse by the margin: a wrong one
    a coin               its answers have nothing to do with the scans: a wrong one

Prints a Markdown table of the shares that pass, with Wilson's intervals; a minute on one core.
"""

import argparse
import math

import numpy as np
from scipy import optimize, stats

from benchmarks.intervals import CORRELATION, FIGURES, auc_of, worse_by
from ctexp.experiments.evaluating.judge import Margins, compare_outputs
from ctexp.learning.evaluation import Outputs
from ctexp.learning.intervals import proportion

KINDS = ("the same network", "as good", "worse by the AUC", "too sure", "a coin")


def sureness(d: float, margin: float) -> float:
    """Give the factor on true logits that makes the mean log loss worse by the margin."""
    scores, weights = np.polynomial.hermite_e.hermegauss(60)
    logits = d * (scores + d / 2)  # of abnormal scans; normal ones mirror them

    def loss(factor: float) -> float:
        return float(weights @ np.logaddexp(0, -factor * logits) / weights.sum())

    return float(optimize.brentq(lambda factor: loss(factor) - loss(1) - margin, 1, 100))


def draw(kind: str, d: float, worse: float, factor: float, labels: np.ndarray, rng: np.random.Generator
         ) -> tuple[Outputs, Outputs]:  # fmt: skip
    """Draw the champion's answers and the challenger's; `worse` is how far apart a worse network's classes lie."""
    shared, own = rng.normal(size=len(labels)), rng.normal(size=(2, len(labels)))
    noise = math.sqrt(CORRELATION) * shared + math.sqrt(1 - CORRELATION) * own
    ds = (d, worse if kind == "worse by the AUC" else d)
    champion, challenger = (one * (values + one * labels - one / 2) for one, values in zip(ds, noise, strict=True))
    if kind == "the same network":
        challenger = champion
    elif kind == "too sure":
        challenger = challenger * factor
    elif kind == "a coin":
        challenger = rng.permutation(champion)
    return Outputs(labels, champion), Outputs(labels, challenger)


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=200)
    parser.add_argument("--scans", type=int, nargs="+", default=[32, 60, 120, 400])
    wished = parser.parse_args()
    margins, rng = Margins(), np.random.default_rng(20240517)
    print(f"{wished.comparisons} comparisons each; margins {margins.auc} in AUC, {margins.loss} nats in log loss\n")
    print(f"| scans | champion's AUC | {' | '.join(KINDS)} |\n|{'---|' * (len(KINDS) + 2)}")
    for scans in wished.scans:
        labels = np.arange(scans) % 2
        for area in (0.8, 0.9, 0.95, 0.99):
            d = math.sqrt(2) * float(stats.norm.ppf(area))
            worse, factor = worse_by(margins.auc, FIGURES[0], d), sureness(d, margins.loss)
            cells = []
            for kind in KINDS:
                passed = 0
                for _ in range(wished.comparisons):
                    checks, _ = compare_outputs(*draw(kind, d, worse, factor, labels, rng), margins)
                    passed += all(one.passed for one in checks)
                share = proportion(passed, wished.comparisons)
                cells.append(f"{share.value:.3f} ({share.low:.3f} to {share.high:.3f})")
            print(f"| {scans} | {auc_of(d):.2f} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
