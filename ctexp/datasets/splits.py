"""Train, validation and locked test: by class, by patient, by seed, and never by file order."""

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

from ctexp.config import SplitSettings
from ctexp.datasets.collection import Collection, LabelledScan
from ctexp.datasets.entries import Side
from ctexp.datasets.labels import ABNORMAL, LABEL_WORDS, NORMAL
from ctexp.errors import DataError

SIDES: tuple[Side, Side, Side] = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """The three sides of a collection, each sorted by content hash.

    Attributes:
        left_out: scans of the collection that a fixed split does not name.
    """

    train: tuple[LabelledScan, ...]
    validation: tuple[LabelledScan, ...]
    test: tuple[LabelledScan, ...]
    left_out: tuple[LabelledScan, ...] = ()

    def counts(self) -> dict[str, dict[str, int]]:
        """Count the scans of each side and class: `{"train": {"normal": 64, "abnormal": 64}, ...}`."""
        return {
            side: {
                word: sum(scan.label == label for scan in getattr(self, side)) for label, word in LABEL_WORDS.items()
            }
            for side in SIDES
        }

    def patients(self) -> dict[str, int]:
        """Count the patients of each side: several scans of one say less than as many of several."""
        return {side: count_patients(getattr(self, side)) for side in SIDES}

    @property
    def hash(self) -> str:
        """64 hex digits over which content lies on which side."""
        lines = sorted(f"{side} {scan.sha256}" for side in SIDES for scan in getattr(self, side))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def count_patients(scans: Iterable[LabelledScan]) -> int:
    """Count the patients that some scans are of."""
    return len({scan.patient for scan in scans})


def split_collection(collection: Collection, settings: SplitSettings, seed: int) -> Split:
    """Split a collection.

    Args:
        collection: the scans.
        settings: scheme and shares.
        seed: another seed is another random split; fixed schemes do not use it.

    Raises:
        DataError: a side would lack a class, a patient would be on two sides, or a fixed split does not fit.
    """
    scheme = scheme_of(collection, settings)
    if scheme == "manifest":
        if not any(scan.side for scan in collection.scans):
            raise DataError(f"{collection.source}: split.scheme manifest needs a manifest with a split column")
        sides = {scan.sha256: scan.side for scan in collection.scans}
    elif scheme == "published":
        sides = _published_sides(collection)
    else:
        sides = _random_sides(collection, settings, seed)
    on: dict[Side | None, list[LabelledScan]] = {}
    for scan in collection.scans:
        on.setdefault(sides[scan.sha256], []).append(scan)
    train, validation, test, left_out = (tuple(on.get(side, ())) for side in (*SIDES, None))
    split = Split(train, validation, test, left_out)
    if scheme == "random":
        remedy = "add patients or change split.validation and split.test"
        check_split(split, collection.source, with_test=settings.test > 0, remedy=remedy)
    else:
        remedy = f"mend the {scheme} split or choose split.scheme random"
        # A manifest may keep its test away.
        check_split(split, collection.source, with_test=bool(split.test), remedy=remedy)
    return split


def scheme_of(collection: Collection, settings: SplitSettings) -> str:
    """Say how a collection is split: random, manifest or published."""
    if settings.scheme != "auto":
        return settings.scheme
    return "manifest" if any(scan.side for scan in collection.scans) else "random"


def _random_sides(collection: Collection, settings: SplitSettings, seed: int) -> dict[str, Side | None]:
    """Give patients, in an order drawn by hashing seed and content, to the side that lacks most scans.

    Classes are dealt one after the other; a patient with both classes counts as abnormal. Patients with many scans go
    first, so that those with one can even out the counts.
    """
    patients: dict[str, list[LabelledScan]] = {}
    for scan in collection.scans:
        patients.setdefault(scan.patient, []).append(scan)
    sides: dict[str, Side | None] = {}
    for label in (NORMAL, ABNORMAL):
        group = [scans for scans in patients.values() if max(scan.label for scan in scans) == label]
        total = sum(map(len, group))
        validation, test = round(total * settings.validation), round(total * settings.test)
        missing: dict[Side, int] = {"train": total - validation - test, "validation": validation, "test": test}
        for scans in sorted(group, key=lambda scans: (-len(scans), _draw(seed, scans))):
            side = max(SIDES, key=lambda side: missing[side])
            missing[side] -= len(scans)
            sides |= {scan.sha256: side for scan in scans}
    return sides


def _draw(seed: int, scans: list[LabelledScan]) -> str:
    text = " ".join([str(seed), *sorted(scan.sha256 for scan in scans)])
    return hashlib.sha256(text.encode()).hexdigest()


def _published_sides(collection: Collection) -> dict[str, Side | None]:
    """Look every scan up, by file name, in the table that ships with the package (MosMedData, 424 studies)."""
    text = resources.files("ctexp.datasets").joinpath("mosmed_published_split.csv").read_text(encoding="utf-8")
    rows = {row["file"]: row for row in csv.DictReader(text.splitlines())}
    table: dict[str, Side] = {name: row["split"] for name, row in rows.items()}  # type: ignore[misc]
    found = {scan.path.name: scan for scan in collection.scans}
    wrong = [name for name, scan in found.items() if name in rows and str(scan.label) != rows[name]["label"]]
    if wrong:
        raise DataError(
            f"{collection.source}: the published split's labels must be those of the scans, "
            f"{len(wrong)} differ, {min(wrong)} among them; is this MosMedData?"
        )
    missing = table.keys() - found.keys()
    if missing:
        raise DataError(
            f"{collection.source}: the published split needs all its {len(table)} studies of the full MosMedData "
            f"(CT-0, CT-2, CT-3), {len(missing)} are not here, {min(missing)} among them"
        )
    return {scan.sha256: table.get(scan.path.name) for scan in collection.scans}


def check_split(split: Split, source: str, *, with_test: bool, remedy: str) -> None:
    """Refuse a split from which nothing could be learned, or whose sides share a patient.

    Args:
        split: the sides.
        source: what the user calls the collection.
        with_test: whether the test needs scans of both classes, too.
        remedy: what mends it, the end of the message.

    Raises:
        DataError: a side lacks a class, or a patient is on two.
    """
    patients: dict[str, set[str]] = {}
    for side in SIDES:
        for scan in getattr(split, side):
            patients.setdefault(scan.patient, set()).add(side)
    torn = sorted(patient for patient, on in patients.items() if len(on) > 1)
    if torn:
        raise DataError(
            f"{source}: all scans of one patient must be on one side of the split, "
            f"{len(torn)} patients are on two, {torn[0]!r} among them"
        )
    counts = split.counts()
    for side in SIDES:
        for word, count in counts[side].items():
            if count == 0 and (with_test or side != "test"):
                raise DataError(
                    f"{source}: each side of the split needs scans of both classes, {side} has no {word} ones "
                    f"(train, validation, test: {', '.join(str(counts[one][word]) for one in SIDES)} {word}); "
                    f"{remedy}"
                )
