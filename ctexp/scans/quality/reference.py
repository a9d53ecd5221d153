"""The training scans' features as a distribution, and how far from it a new scan lies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from ctexp.scans.quality.features import FEATURES, Feature
from ctexp.scans.quality.findings import Finding

FEWEST_SCANS = 4
CHANCE = 0.001
"""Share of scans of the same kind that lie beyond the limit, were the features normal."""
QUANTILE = 0.99
"""Of the training scans' own distances, each measured from the others: features are not normal, so this counts, too."""
TOLD = 3

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    """What the training scans were like.

    Attributes:
        names: of the features, in order.
        mean: of the compared numbers (logarithms where a feature is compared by ratio).
        covariance: of the same, shrunk, and nowhere narrower than the features' tolerances.
        low, high: 5 % and 95 % quantile of each feature in its own unit, for words.
        limit: distance beyond which a scan is unlike the training scans.
        scans: how many there were.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    limit: float
    scans: int

    @classmethod
    def fit(cls, rows: Sequence[tuple[float, ...]]) -> "Reference | None":
        """Describe training scans by their features (`measure`); None for under 4 scans."""
        if len(rows) < FEWEST_SCANS:
            return None
        values = np.array(rows, dtype=np.float64)
        numbers = _compared(values, FEATURES)
        mean = numbers.mean(axis=0)
        unit = np.maximum(numbers.std(axis=0), [one.tolerance for one in FEATURES])
        spread = (numbers - mean) / unit
        shrinkage = ledoit_wolf_shrinkage(spread)
        covariance = _shrunk(spread, shrinkage)
        own = []
        for number in range(len(spread)):
            others = np.delete(spread, number, axis=0)
            own.append(_distance(spread[number] - others.mean(axis=0), _shrunk(others, shrinkage)))
        normal = math.sqrt(2.0 * special.gammaincinv(len(FEATURES) / 2, 1.0 - CHANCE))
        normal *= math.sqrt(1.0 + len(FEATURES) / len(rows))  # few scans tell little of the mean and the spread
        return cls(
            names=tuple(one.name for one in FEATURES),
            mean=tuple(mean.tolist()),
            covariance=tuple(tuple(row) for row in (covariance * np.outer(unit, unit)).tolist()),
            low=tuple(np.quantile(values, 0.05, axis=0).tolist()),
            high=tuple(np.quantile(values, 0.95, axis=0).tolist()),
            limit=max(normal, float(np.quantile(own, QUANTILE))),
            scans=len(rows),
        )

    def distance(self, features: tuple[float, ...]) -> float:
        """Give the Mahalanobis distance of a scan, in standard deviations."""
        return _distance(self._difference(features), np.array(self.covariance))

    def compare(self, features: tuple[float, ...]) -> Finding | None:
        """Warn of a scan beyond the limit, with what differs most."""
        distance = self.distance(features)
        if not distance > self.limit:
            return None
        single = np.abs(self._difference(features)) / np.sqrt(np.diag(np.array(self.covariance)))
        order = [int(place) for place in np.argsort(-single, kind="stable")[:TOLD]]
        told = [place for place in order if single[place] > 2.0] or order[:1]
        known = {one.name: one for one in FEATURES}
        parts = [self._words(known[self.names[place]], place, features[place]) for place in told]
        text = f"unlike the training scans (distance {distance:.1f}, limit {self.limit:.1f}): {'; '.join(parts)}"
        return Finding("unlike-training", "warn", text)

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> "Reference":
        """Take back what `dataclasses.asdict` and JSON made of one.

        Raises:
            KeyError, TypeError, ValueError: they are no such facts.
        """
        names = tuple(facts["names"])
        if names != tuple(one.name for one in FEATURES):
            raise ValueError(f"features must be those of this ctexp, got {', '.join(map(str, names))}")
        vectors = {key: tuple(map(float, facts[key])) for key in ("mean", "low", "high")}
        covariance = tuple(tuple(map(float, row)) for row in facts["covariance"])
        if any(len(row) != len(names) for row in (*vectors.values(), *covariance, covariance)):
            raise ValueError(f"features must have {len(names)} numbers each")
        return cls(names=names, covariance=covariance, limit=float(facts["limit"]), scans=int(facts["scans"]),
                   **vectors)  # fmt: skip

    def _difference(self, features: tuple[float, ...]) -> Floats:
        difference: Floats = _compared(np.array([features], dtype=np.float64), FEATURES)[0] - np.array(self.mean)
        return difference

    def _words(self, feature: Feature, place: int, value: float) -> str:
        low, high = feature.say(self.low[place]), feature.say(self.high[place])
        usual = low if low == high else f"{low} to {high}"
        return f"{feature.words.format(feature.say(value))}, training scans {usual}"


def _compared(values: Floats, features: Sequence[Feature]) -> Floats:
    return np.array([[one.scale(value) for one, value in zip(features, row, strict=True)] for row in values.tolist()])


def _distance(difference: Floats, covariance: Floats) -> float:
    return math.sqrt(float(difference @ np.linalg.solve(covariance, difference)))


def _shrunk(spread: Floats, shrinkage: float) -> Floats:
    """Give the covariance of (scans, features) in units of their spread, shrunk, no variance below 1.

    A variance below 1 is a feature that the training scans hardly vary in: its tolerance is its spread.
    """
    covariance: Floats = np.atleast_2d(np.cov(spread, rowvar=False, bias=True))
    size = len(covariance)
    covariance = (1.0 - shrinkage) * covariance + shrinkage * np.trace(covariance) / size * np.eye(size)
    covariance[np.diag_indices(size)] = np.maximum(np.diag(covariance), 1.0)
    return covariance


def ledoit_wolf_shrinkage(spread: Floats) -> float:
    """Give the weight, 0 to 1, of a round covariance that makes the mixture's expected error least.

    Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices".

    Args:
        spread: (scans, features).
    """
    count, size = spread.shape
    centred = spread - spread.mean(axis=0)
    covariance = centred.T @ centred / count
    round_part = np.trace(covariance) / size
    from_round = ((covariance - round_part * np.eye(size)) ** 2).sum()
    if from_round == 0.0:
        return 1.0
    squares = (centred**2).sum(axis=1)
    error = ((squares**2).sum() / count - (covariance**2).sum()) / count
    return float(np.clip(error / from_round, 0.0, 1.0))
