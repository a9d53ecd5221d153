"""Whether two trainings came to the same: to the last bit, within what another seed changes, or not."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

QUOTED = ("val_auc", "val_accuracy", "val_sensitivity", "val_specificity", "val_loss")
"""The metrics that a spread is measured of."""
Word = Literal["identical", "within", "different"]


@dataclass(frozen=True)
class Results:
    """What a training came to.

    Attributes:
        history: the metrics of each epoch, first to last.
        logits: of the quoted network on the validation scans, by content hash; empty where they were not kept.
        metrics: of the quoted network, under the names of the store.
    """

    history: Sequence[Mapping[str, float]]
    logits: Mapping[str, float]
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class MetricSpread:
    """One metric over trainings that differ in their seed.

    Attributes:
        mean: over the seeds.
        deviation: standard deviation of one training (n - 1).
        low: the smallest.
        high: the largest.
    """

    mean: float
    deviation: float
    low: float
    high: float

    @property
    def limit(self) -> float:
        """What the values of two trainings differ by at most in 19 of 20 cases, if only their seeds differ.

        1.96 * sqrt(2) = 2.8 standard deviations: the repeatability limit of ISO 5725-6.
        """
        return 1.96 * math.sqrt(2) * self.deviation


@dataclass(frozen=True)
class Spread:
    """What the seed of weights, order and augmentation changes, the split being the same.

    Attributes:
        run_id: of the reproduction that measured it.
        seeds: number of trainings that it rests on.
        metrics: by name.
    """

    run_id: str
    seeds: int
    metrics: Mapping[str, MetricSpread]

    def as_json(self) -> dict[str, Any]:
        """Give everything as plain values."""
        return {"run_id": self.run_id, "seeds": self.seeds,
                "metrics": {name: {**vars(one), "limit": one.limit} for name, one in self.metrics.items()}}  # fmt: skip


@dataclass(frozen=True)
class MetricPair:
    """A quoted metric of the run and of its reproduction; `limit` is the spread's, None where that is unknown."""

    name: str
    before: float
    now: float
    limit: float | None

    @property
    def difference(self) -> float:
        """Now minus before; 0 where both are undefined."""
        return 0.0 if _same(self.before, self.now) else self.now - self.before

    @property
    def within(self) -> bool:
        """Whether another seed may change as much."""
        return self.difference == 0 or (self.limit is not None and abs(self.difference) <= self.limit)


@dataclass(frozen=True)
class Verdict:
    """How near a reproduction came.

    Attributes:
        word: `identical`: every epoch's metrics, the validation logits and all quoted metrics are equal to the last
            bit. `within`: no quoted metric differs by more than seeds do. `different`: one does, or the spread of
            seeds is unknown.
        epochs: of the run.
        same_epochs: how many of them are equal before the first that is not.
        scans: validation scans whose probabilities were compared; 0 where the run did not keep them.
        largest: largest difference of a scan's probability.
        metrics: the quoted metrics that both have.
        unequal: names of everything in the store that both logged for the quoted network and that is not equal.
        spread: what the differences were held against.
    """

    word: Word
    epochs: int
    same_epochs: int
    scans: int
    largest: float
    metrics: tuple[MetricPair, ...]
    unequal: tuple[str, ...]
    spread: Spread | None = field(default=None)

    def sentence(self, run_id: str) -> str:
        """Say it in words that stand alone.

        Args:
            run_id: of the run that was reproduced.
        """
        if self.word == "identical":
            answers = f"the probabilities of {self.scans} validation scans" if self.scans else "(it keeps no answers)"
            return f"Identical to the last bit: {self.epochs} epochs, the quoted metrics and {answers}."
        apart = [one for one in self.metrics if one.difference]
        words = ", ".join(f"{one.name} by {one.difference:+.3g}" for one in apart)
        if self.word == "within":
            assert self.spread is not None  # noqa: S101 - nothing is within an unknown spread
            by = f"differs by less than seeds do ({words})" if words else "differs"
            no = "no quoted metric " + by
            return f"Within the spread of seeds ({self.spread.seeds} of them): not identical, but {no}."
        if self.spread is None:
            what = words or f"no quoted metric, but {self._elsewhere()}"
            return (f"Different: differs in {what}; spread unknown; measure it with "
                    f"`ctexp reproduce {run_id[:8]} --seeds 5`.")  # fmt: skip
        beyond = ", ".join(
            f"{one.name} by {one.difference:+.3g}"
            + (f" (two seeds: up to {one.limit:.3g})" if one.limit is not None else " (no spread of it is known)")
            for one in apart
            if not one.within
        )
        return f"Different: more than {self.spread.seeds} seeds explain: {beyond}."

    def _elsewhere(self) -> str:
        if self.same_epochs < self.epochs:
            return f"the curves from epoch {self.same_epochs + 1} on"
        if self.largest:
            return f"a scan's probability by up to {self.largest:.2g}"
        return ", ".join(self.unequal) or "the number of epochs"

    def as_json(self) -> dict[str, Any]:
        """Give everything as plain values."""
        facts = {key: value for key, value in vars(self).items() if key not in ("metrics", "spread", "word")}
        metrics = [{**vars(one), "difference": one.difference, "within": one.within} for one in self.metrics]
        return {"verdict": self.word, **facts, "unequal": list(self.unequal), "metrics": metrics,
                "spread": self.spread.as_json() if self.spread else None}  # fmt: skip


def compare_results(before: Results, now: Results, spread: Spread | None) -> Verdict:
    """Compare a run with its reproduction; the metrics of both must have been computed in the same way."""
    pairs = zip(before.history, now.history, strict=False)
    same = next(
        (number for number, (one, other) in enumerate(pairs) if not _equal(one, other)),
        min(len(before.history), len(now.history)),
    )
    common = [name for name in sorted(before.metrics) if name in now.metrics]
    unequal = tuple(name for name in common if not _same(before.metrics[name], now.metrics[name]))
    logits_equal = not before.logits or _equal(before.logits, now.logits)
    whole = len(before.history) == len(now.history) == same
    metrics = tuple(
        MetricPair(name, before.metrics[name], now.metrics[name],
                   spread.metrics[name].limit if spread and name in spread.metrics else None)
        for name in QUOTED
        if name in common
    )  # fmt: skip
    if whole and logits_equal and not unequal:
        word: Word = "identical"
    elif spread is not None and metrics and all(one.within for one in metrics):
        word = "within"
    else:
        word = "different"
    shared = before.logits.keys() & now.logits.keys()
    largest = max((abs(_probability(now.logits[key]) - _probability(before.logits[key])) for key in shared), default=0)
    return Verdict(word, len(before.history), same, len(shared), float(largest), metrics, unequal, spread)


def measure_spread(run_id: str, several: Sequence[Mapping[str, float]]) -> Spread:
    """Give the spread of trainings that differ in their seed.

    Args:
        run_id: of the reproduction that they belong to.
        several: metrics of each, two or more; what not all have, or is undefined in one, has no spread.
    """
    metrics = {}
    for name in QUOTED:
        values = [one[name] for one in several if name in one and math.isfinite(one[name])]
        if len(values) == len(several):
            metrics[name] = MetricSpread(statistics.fmean(values), statistics.stdev(values), min(values), max(values))
    return Spread(run_id, len(several), metrics)


def _equal(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def _probability(logit: float) -> float:
    return 0.5 * (1 + math.tanh(logit / 2))
