"""Whether the intervals hold what they promise, whether a worse challenger is kept out, and whether probabilities fit.

    python -m benchmarks.intervals [--draws 2000] [--scans 60]

Scans are drawn from the binormal model: scores of normal scans are N(0, 1), of abnormal ones N(d, 1), half the scans
each; d * (score - d / 2) is then the true logit. Two networks' scores of a scan correlate by 0.7. Coverage of Wilson's
interval is computed over all counts, everything else is simulated. Prints Markdown tables; three minutes on one core.
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import integrate, optimize, special, stats

from ctexp.learning.calibration import TEMPERATURES, fit_temperature, scaled
from ctexp.learning.evaluation import Outputs
from ctexp.learning.intervals import auc, proportion
from ctexp.learning.measures import brier_score, calibration_error, ece, log_loss
from ctexp.learning.paired import PairedTest, delong_test, mcnemar_test, non_inferior, paired_loss

CORRELATION = 0.7
MARGINS = (0.02, 0.05, 0.1)


def auc_of(d: float) -> float:
    """The true AUC of a network whose classes lie d apart."""
    return float(stats.norm.cdf(d / math.sqrt(2)))


def accuracy_of(d: float) -> float:
    """Its true accuracy at a probability of 0.5."""
    return float(stats.norm.cdf(d / 2))


def gain_of(d: float) -> float:
    """Its true mean log loss, negative so that more is better."""

    def loss(score: float) -> float:
        return float(np.logaddexp(0, -d * (score - d / 2)) * stats.norm.pdf(score, d))

    return -integrate.quad(loss, d - 10, d + 10)[0]


def calls(
    test: Callable[..., PairedTest], scores: np.ndarray, labels: np.ndarray, ds: tuple[float, float]
) -> PairedTest:
    """The paired test on what each network decides at a probability of 0.5."""
    return test(labels, scores[0] >= ds[0] / 2, scores[1] >= ds[1] / 2)


def logits(
    test: Callable[..., PairedTest], scores: np.ndarray, labels: np.ndarray, ds: tuple[float, float]
) -> PairedTest:
    """The paired test on either network's logits."""
    return test(labels, *(d * (values - d / 2) for d, values in zip(ds, scores, strict=True)))


@dataclass(frozen=True)
class Figure:
    """Something that two networks are compared by."""

    name: str
    true: Callable[[float], float]
    test: Callable[..., PairedTest]
    prepare: Callable[..., PairedTest]


FIGURES = (
    Figure("AUC", auc_of, delong_test, logits),
    Figure("accuracy", accuracy_of, mcnemar_test, calls),
    Figure("log loss", gain_of, paired_loss, logits),
)


def coverage(draws: int, labels: np.ndarray, rng: np.random.Generator) -> None:
    """Print how often intervals hold the true value, and their mean width."""
    n = len(labels)
    print(f"\n95 % intervals, {n} scans\n")
    head("true value", "holds it", "mean width")
    for true in (0.5, 0.7, 0.8, 0.9, 0.95, 0.99):
        d = math.sqrt(2) * float(stats.norm.ppf(true))
        found = [auc(labels, rng.normal(size=n) + d * labels) for _ in range(draws)]
        held = np.mean([one.low <= true <= one.high for one in found])
        print(f"| AUC {true} | {held:.3f} | {np.mean([one.high - one.low for one in found]):.3f} |")
    intervals = [proportion(hits, n) for hits in range(n + 1)]
    for true in (0.5, 0.7, 0.8, 0.9, 0.95, 0.99):
        chance = stats.binom.pmf(np.arange(n + 1), n, true)
        held = chance @ [one.low <= true <= one.high for one in intervals]
        print(f"| proportion {true} | {held:.3f} | {chance @ [one.high - one.low for one in intervals]:.3f} |")


def probabilities(draws: int, labels: np.ndarray, rng: np.random.Generator) -> None:
    """Print how often the intervals of log loss, Brier score and calibration error hold the true value."""
    n, many = len(labels), np.arange(400_000) % 2
    print(f"\n95 % intervals of the probabilities' measures, {n} scans: true value, share that holds it, mean width\n")
    head("AUC", "too sure", "log loss", "Brier score", "calibration error")
    for true in (0.8, 0.92, 0.98, 0.999):
        d = math.sqrt(2) * float(stats.norm.ppf(true))
        faultless = d * (rng.normal(size=many.size) + d * many - d / 2)
        for sureness in (1, 2, 4):
            all_scans = Outputs(many, sureness * faultless)
            off = float(np.abs(all_scans.probabilities - special.expit(faultless)).mean())
            cells = []
            for measure, value in ((log_loss, all_scans.loss), (brier_score, brier_score(all_scans).value),
                                   (calibration_error, off)):  # fmt: skip
                found = [measure(Outputs(labels, sureness * d * (rng.normal(size=n) + d * labels - d / 2)))
                         for _ in range(draws)]  # fmt: skip
                held = np.mean([one.low <= value <= one.high for one in found])
                cells.append(f"{value:.3f}, {held:.3f}, {np.mean([one.high - one.low for one in found]):.3f}")
            print(f"| {true} | {sureness} times | {' | '.join(cells)} |")


def promotions(draws: int, labels: np.ndarray, rng: np.random.Generator) -> None:
    """Print how often a challenger passes as not worse by a margin: one as good, and one worse by the margin."""
    n = len(labels)
    print(f"\nChallengers passed as not worse by the margin, {n} scans (last column: without `margin_error`)\n")
    head("figure", "champion", "margin", "as good", "worse by the margin", "the same, `error` alone")
    for figure in FIGURES:
        for level in (0.8, 0.9, 0.95, 0.99):
            d = math.sqrt(2) * float(stats.norm.ppf(level))
            equal = compare(figure, labels, (d, d), draws, rng)
            for margin in MARGINS:
                worse = compare(figure, labels, (d, worse_by(margin, figure, d)), draws, rng)
                passed = np.mean([one.non_inferior(margin) for one in equal])
                false = np.mean([one.non_inferior(margin) for one in worse])
                plain = np.mean([non_inferior(one.difference, one.error, margin) for one in worse])
                true = abs(figure.true(d))
                print(f"| {figure.name} | {true:.3f} | {margin} | {passed:.3f} | {false:.3f} | {plain:.3f} |")


def worse_by(margin: float, figure: Figure, d: float) -> float:
    """How far apart the classes of a network lie that is worse by the margin."""
    return float(optimize.brentq(lambda x: figure.true(x) - figure.true(d) + margin, 0.01, d))


def compare(
    figure: Figure, labels: np.ndarray, ds: tuple[float, float], draws: int, rng: np.random.Generator
) -> list[PairedTest]:
    """Draw scans for two networks and test the second against the first."""
    tests = []
    for _ in range(draws):
        shared, own = rng.normal(size=len(labels)), rng.normal(size=(2, len(labels)))
        scores = math.sqrt(CORRELATION) * shared + math.sqrt(1 - CORRELATION) * own + np.outer(ds, labels)
        tests.append(figure.prepare(figure.test, scores, labels, ds))
    return tests


def calibration(draws: int, labels: np.ndarray, rng: np.random.Generator) -> None:
    """Print what a fitted temperature loses on fresh scans to the true probabilities, and the ECE that is chance."""
    n = len(labels)
    print(f"\nLog loss (nats) on fresh scans above that of the true probabilities, temperatures fitted to {n} scans\n")
    head("AUC", "too sure", "not scaled", "least log loss", "`fit_temperature`")
    errors = []
    fresh = np.arange(4000) % 2
    for true in (0.8, 0.92, 0.98, 0.999):
        d = math.sqrt(2) * float(stats.norm.ppf(true))
        faultless = [Outputs(labels, d * (rng.normal(size=n) + d * labels - d / 2)) for _ in range(draws)]
        unseen = Outputs(fresh, d * (rng.normal(size=len(fresh)) + d * fresh - d / 2))
        errors.append([true, *(np.mean([ece(one, bins) for one in faultless]) for bins in (5, 10, 15))])
        for sureness in (0.5, 1, 2, 4):
            seen = [scaled(one, 1 / sureness) for one in faultless]
            losses = [
                np.mean([scaled(unseen, temperature(one) / sureness).loss for one in seen]) - unseen.loss
                for temperature in (lambda _: 1.0, plain_temperature, fit_temperature)
            ]
            print(f"| {true} | {sureness} times | {' | '.join(f'{value:.3f}' for value in losses)} |")
    print(f"\nECE of a faultless network, {n} scans\n")
    head("AUC", "5 bins", "10 bins", "15 bins")
    for true, *found in errors:
        print(f"| {true} | {' | '.join(f'{value:.3f}' for value in found)} |")


def head(*columns: str) -> None:
    """Print the head of a Markdown table."""
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")


def plain_temperature(outputs: Outputs) -> float:
    """The temperature of the least log loss, within the same bounds."""

    def slope(log_temperature: float) -> float:
        scaled_logits = outputs.logits * math.exp(-log_temperature)
        return float(np.mean(outputs.logits * (special.expit(scaled_logits) - outputs.labels)))

    low, high = map(math.log, TEMPERATURES)
    if slope(low) <= 0:
        return TEMPERATURES[0]
    return TEMPERATURES[1] if slope(high) >= 0 else math.exp(float(optimize.brentq(slope, low, high)))


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--scans", type=int, default=60)
    wished = parser.parse_args()
    rng = np.random.default_rng(20240517)
    labels = np.arange(wished.scans) % 2
    print(f"{wished.draws} draws; by chance a share near 0.05 varies by {1.96 * math.sqrt(0.0475 / wished.draws):.3f}")
    coverage(wished.draws, labels, rng)
    probabilities(max(1, wished.draws // 5), labels, rng)
    promotions(wished.draws, labels, rng)
    calibration(max(1, wished.draws // 10), labels, rng)


if __name__ == "__main__":
    main()
