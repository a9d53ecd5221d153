"""Another site's scans: are they new to a version, and how far are they from what it was trained on?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ctexp.datasets.collection import Collection, LabelledScan
from ctexp.datasets.splits import SIDES
from ctexp.errors import DataError
from ctexp.experiments.evaluating.copies import OwnScans
from ctexp.scans.quality import REFUSAL, Reference
from ctexp.scans.quality.features import FEATURES

TOLD = 3
NEAR = 2.0
"""Standard deviations of the training scans within which a site's middle scan counts as usual."""


@dataclass(frozen=True)
class Deviation:
    """One feature of a site against the training scans.

    Attributes:
        name: of the feature.
        deviation: of the site's median from the training scans' mean, in their standard deviations; positive is more.
        words: the site's median and what is usual, to be read by a person.
    """

    name: str
    deviation: float
    words: str


@dataclass(frozen=True)
class SiteReport:
    """How a site's scans stand to the training scans.

    Attributes:
        scans: how many were measured.
        unlike: how many of them lie beyond the version's limit; None where the version has no reference.
        distance: median distance, in standard deviations.
        limit: beyond which a single scan is called unlike.
        farthest: features, the farthest first.
        warned: of those measured, scans that the quality gate warns of.
        refused: scans that it refused; they were left out.
        unusable: other scans that were left out: unreadable or twice.
        known: scans that were left out because the version was trained or validated on them or on others of their
            patients, or these are in its test.
        own: the version's own scans.
        unsearched: how many of `own` no copy in another form was looked for of.
    """

    scans: int
    unlike: int | None
    distance: float | None
    limit: float | None
    farthest: tuple[Deviation, ...]
    warned: int
    refused: int
    unusable: int
    known: int
    own: int
    unsearched: int

    def lines(self) -> list[str]:
        """Say it in plain words."""
        lines = []
        if self.known:
            lines.append("Left out, this version was trained, validated or is to be tested on them or on their "
                         f"patients: {self.known}.")  # fmt: skip
        if self.unsearched:
            lines.append(f"Copies of the version's own scans that were saved in another form: {self.unsearched} of "
                         f"{self.own} could not be looked for, they are not prepared on this machine.")  # fmt: skip
        if self.refused or self.unusable:
            lines.append(f"Refused as no readable chest CT in HU: {self.refused}; left out as unreadable or there "
                         f"twice: {self.unusable}.")  # fmt: skip
        if self.warned:
            lines.append(f"The quality gate warns of {self.warned} of {self.scans} scans; `ctexp data check` says why.")
        if self.unlike is None or self.distance is None or self.limit is None:
            return [*lines, "This version does not say what it was trained on: how far these scans are is not known."]
        lines.append(f"{self.unlike} of {self.scans} scans are unlike those this version was trained on "
                     f"(median distance {self.distance:.1f}, limit {self.limit:.1f}).")  # fmt: skip
        told = [one for one in self.farthest if abs(one.deviation) > NEAR][:TOLD]
        if not told:
            return [*lines, "In spacing, slices, field and intensity they are as the training scans are."]
        return [*lines, "Farthest from the training scans:", *(f"  {one.words}" for one in told)]

    def as_json(self) -> dict[str, Any]:
        """Give everything as plain values."""
        return {
            "scans": self.scans,
            "unlike": self.unlike,
            "distance": self.distance,
            "limit": self.limit,
            "farthest": [{"name": one.name, "deviation": one.deviation, "words": one.words} for one in self.farthest],
            "warned": self.warned,
            "refused": self.refused,
            "unusable": self.unusable,
            "known": self.known,
            "own": self.own,
            "unsearched": self.unsearched,
        }


def unknown_scans(collection: Collection, own: OwnScans, *, skip: bool) -> tuple[LabelledScan, ...]:
    """Give the scans that a version has not seen and will not be tested on.

    Args:
        collection: the site's.
        own: which of them are the version's own.
        skip: leave out those, and others of their patients, instead of raising.

    Raises:
        DataError: it has seen some and they are not to be left out, or too few are left.
    """
    seen = [scan for scan in collection.scans if scan.sha256 in own.sides]
    if seen and not skip:
        on = {side: sum(own.sides[scan.sha256] == side for scan in seen) for side in SIDES}
        counts = ", ".join(f"{count} in {side}" for side, count in on.items() if count)
        counts += f"; {len(own.copies)} saved in another form" if own.copies else ""
        tested = "; the locked test is looked at by --on test" if on["test"] else ""
        raise DataError(
            f"--on {collection.source}: scans must be new to the version, {len(seen)} of {len(collection.scans)} are "
            f"its own ({counts}), {seen[0].path} among them; remove them, or leave them out by --skip-bad{tested}"
        )
    kept = tuple(scan for scan in collection.scans if scan.patient not in own.patients)
    if {scan.label for scan in kept} != {0, 1}:
        raise DataError(
            f"--on {collection.source}: scans of both classes must be new to the version, only {len(kept)} are new"
        )
    return kept


def describe_site(
    collection: Collection, scans: Sequence[LabelledScan], own: OwnScans, reference: Reference | None
) -> SiteReport:  # fmt: skip
    """Measure how far scans are from what a version was trained on (`Reference`, a Mahalanobis distance)."""
    measured = [one for scan in scans if (one := scan.examination) and one.features]
    rows = [one.features for one in measured if one.features]
    refused = sum(REFUSAL in problem.reason for problem in collection.skipped)
    warned = sum(one.quality.verdict == "warn" for one in measured)
    distances = [reference.distance(row) for row in rows] if reference else []
    known = reference is not None and bool(distances)
    return SiteReport(
        scans=len(rows),
        unlike=sum(one > reference.limit for one in distances) if reference and known else None,
        distance=float(np.median(distances)) if known else None,
        limit=reference.limit if reference and known else None,
        farthest=_deviations(rows, reference) if reference and known else (),
        warned=warned,
        refused=refused,
        unusable=len(collection.skipped) - refused,
        known=len(collection.scans) - len(scans),
        own=own.all,
        unsearched=own.unsearched,
    )


def _deviations(rows: Sequence[tuple[float, ...]], reference: Reference) -> tuple[Deviation, ...]:
    found = []
    middle = np.median(np.array(rows), axis=0).tolist()
    for place, feature in enumerate(FEATURES):
        spread = float(np.sqrt(reference.covariance[place][place]))
        deviation = (feature.scale(middle[place]) - reference.mean[place]) / spread
        low, high = feature.say(reference.low[place]), feature.say(reference.high[place])
        usual = low if low == high else f"{low} to {high}"
        words = f"{feature.words.format(feature.say(middle[place]))} (median), training scans {usual}"
        found.append(Deviation(feature.name, deviation, words))
    return tuple(sorted(found, key=lambda one: -abs(one.deviation)))
