"""What a model card is made of, and how facts become its cells."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ctexp.registry.card.facts import CardFacts, Evaluation

MISSING = "not logged"


@dataclass(frozen=True)
class Table:
    """Rows under a head; every cell is text."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs and tables."""

    heading: str
    parts: tuple[str | Table, ...]


@dataclass(frozen=True)
class Card:
    """A whole model card."""

    title: str
    lead: str
    sections: tuple[Section, ...]


def listed(*rows: tuple[str, str | None]) -> Table:
    """Give facts as a table; one that is not known is said to be missing."""
    return Table(("item", "value"), tuple((key, value or MISSING) for key, value in rows))


def interval(metrics: Mapping[str, float], name: str) -> str | None:
    """Write a metric as `0.930 (0.840 to 0.971)`; None where it was not logged."""
    value, low, high = (metrics.get(f"{name}{end}", math.nan) for end in ("", "_low", "_high"))
    if math.isnan(value):
        return None
    return f"{value:.3f}" if math.isnan(low) or math.isnan(high) else f"{value:.3f} ({low:.3f} to {high:.3f})"


def scans_behind(metrics: Mapping[str, float], name: str) -> str | None:
    """Write how many scans a metric rests on; None where that was not logged."""
    return count(metrics.get(f"{name}_n"))


def number(value: float | None) -> str | None:
    """Write a metric with three digits; None where there is none."""
    return None if value is None or math.isnan(value) else f"{value:.3f}"


def count(value: Any) -> str | None:
    """Write a whole number; None where there is none."""
    return None if value is None else f"{float(value):,.0f}"


def synthetic_scans(facts: CardFacts) -> bool | None:
    """Tell whether the version was trained on drawn scans; None where nobody says."""
    if facts.manifest is not None:
        return facts.manifest.synthetic
    word = facts.params.get("data.synthetic")
    return None if word is None else word == "true"


def is_ensemble(facts: CardFacts) -> bool:
    """Tell whether the version is the networks of a cross-validation; False where nobody says."""
    return facts.manifest is not None and len(facts.manifest.networks) > 1


def validation_counts(facts: CardFacts) -> tuple[int, int] | None:
    """Give (normal, abnormal) scans that the quoted numbers rest on; an ensemble's rest on both sides."""
    sides = ("train", "validation") if is_ensemble(facts) else ("validation",)
    keys = [[f"data.{side}.{word}" for side in sides] for word in ("normal", "abnormal")]
    if any(key not in facts.params for group in keys for key in group):
        return None
    normal, abnormal = (sum(int(facts.params[key]) for key in group) for group in keys)
    return normal, abnormal


def scans_of(one: Evaluation) -> str:
    """Say in words which scans an evaluation was on."""
    if one.on == "validation":
        return "the validation scans"
    if one.on == "test":
        return f"the locked test (look {one.look or MISSING})"
    return f"other scans ({one.params.get('data.source', MISSING)})"


def side_counts(params: Mapping[str, str], side: str) -> str | None:
    """Write how many scans of each class a side has; None where that was not logged."""
    counts = [params.get(f"data.{side}.{word}") for word in ("normal", "abnormal")]
    patients = count_patients(params, side)
    return None if None in counts else f"{counts[0]} normal, {counts[1]} abnormal{_of_patients(patients)}"


def both_counts(counts: tuple[int, int] | None, patients: int | None) -> str | None:
    """Write (normal, abnormal) scans and their patients; None where there are none."""
    return None if counts is None else f"{counts[0]} normal, {counts[1]} abnormal{_of_patients(patients)}"


def count_patients(params: Mapping[str, str], *sides: str) -> int | None:
    """Count the patients of some sides; None where that was not logged."""
    counts = [params.get(f"data.{side}.patients") for side in sides]
    return None if None in counts else sum(int(count or 0) for count in counts)


def validation_patients(facts: CardFacts) -> int | None:
    """Count the patients that the quoted numbers rest on; None where that was not logged."""
    return count_patients(facts.params, *(("train", "validation") if is_ensemble(facts) else ("validation",)))


def _of_patients(count: int | None) -> str:
    return "" if count is None else f", of {count:,} {'patient' if count == 1 else 'patients'}"
