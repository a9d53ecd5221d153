"""A collection: scans that were read, with labels and patients, told apart by content."""

import hashlib
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from ctexp.datasets.cache import ScanCache
from ctexp.datasets.entries import Entry, Problem, Side
from ctexp.datasets.ingest import Ingested, Progress, ingest
from ctexp.datasets.labels import LABEL_WORDS
from ctexp.datasets.patients import join_names
from ctexp.errors import DataError
from ctexp.scans.quality import Examination
from ctexp.scans.read import ReadOptions

_FROM_TRAINING: dict[Side | None, int] = {None: 0, **{side: place for place, side in enumerate(get_args(Side))}}


@dataclass(frozen=True)
class LabelledScan:
    """One readable scan of a collection; its prepared array is the cache entry of `sha256`.

    `examination` is what the gate found when it was read: doubts, and what kind of scan it is.
    """

    path: Path
    label: int
    class_name: str
    patient: str
    sha256: str
    side: Side | None = None
    examination: Examination | None = None


@dataclass(frozen=True)
class Collection:
    """Scans with labels.

    Attributes:
        source: what the user called it.
        scans: sorted by content hash, so that nothing after this point can depend on names or order.
        synthetic: whether scans, even one, are drawn by a program.
        skipped: what was left out, each with its reason.
        notes: what reading some of the scans had to decide, for a person to read and for no record.
        near_duplicates: pairs of different files that show the same volume.
    """

    source: str
    scans: tuple[LabelledScan, ...]
    synthetic: bool
    skipped: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    near_duplicates: int = 0

    @property
    def hash(self) -> str:
        """64 hex digits over every scan's bytes and label: the same data has the same hash wherever it lies."""
        lines = sorted(f"{scan.sha256} {scan.label}" for scan in self.scans)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def class_counts(self) -> dict[str, int]:
        """Scans of each class, in the source's own words."""
        return dict(sorted(Counter(scan.class_name for scan in self.scans).items()))

    @property
    def doubts(self) -> dict[str, int]:
        """Codes of what the gate warns of, each with the number of scans, the most frequent first."""
        found = [scan.examination.quality.findings for scan in self.scans if scan.examination]
        return dict(Counter(one.code for findings in found for one in findings).most_common())


def gather(
    source: str,
    entries: Sequence[Entry],
    cache: ScanCache,
    *,
    options: ReadOptions = ReadOptions(),  # noqa: B008 - it is frozen
    problems: Sequence[Problem] = (),
    synthetic: bool = False,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> Collection:
    """Read and prepare every scan of a source into a collection.

    Args:
        source: what the user called it.
        entries: the scans that it lists.
        cache: where prepared arrays go.
        options: how DICOM series are read.
        problems: what listing found already.
        synthetic: whether the scans are drawn by a program.
        skip_bad: leave unreadable and duplicate scans out instead of raising.
        progress: told after each scan.

    Raises:
        DataError: no scans; scans that are unreadable or duplicates (all of them in one message); one class only.
        WorkError: the cache cannot be written.
    """
    if not entries and not problems:
        raise DataError(f"{source}: must hold scans (NIfTI or DICOM), found none")
    results = ingest([entry.path for entry in entries], cache, options=options, progress=progress)
    bad = [*problems, *(Problem(one.path, str(one.error)) for one in results if one.error)]
    scans, duplicates = _without_duplicates(entries, results)
    bad += duplicates
    if bad and not skip_bad:
        count = f"{len(bad)} of {len(entries) + len(problems)} files cannot be used"
        listing = "\n".join(f"  {problem.reason}" for problem in bad)
        raise DataError(f"{source}: {count}; mend or remove them, or go on without them by --skip-bad\n{listing}")
    present = {scan.label for scan in scans}
    if len(present) < 2:
        have = " and ".join(LABEL_WORDS[label] for label in present) or "no usable"
        left_out = _left_out(source, entries, scans)
        raise DataError(f"{source}: must hold scans of both classes, got {len(scans)} {have} scans{left_out}")
    notes = tuple(f"{one.path}: {note}" for one in results for note in one.notes)
    drawn = synthetic or any(scan.examination and scan.examination.synthetic for scan in scans)
    return Collection(source, tuple(sorted(scans, key=lambda scan: scan.sha256)), drawn, tuple(bad), notes)


def _left_out(source: str, entries: Sequence[Entry], scans: Sequence[LabelledScan]) -> str:
    """Say how many scans of a class that now has none were left out, and what names them; empty where none was."""
    kept = {scan.label for scan in scans}
    lost = Counter(entry.label for entry in entries if entry.label not in kept)
    counts = " and ".join(f"{lost[label]} {word}" for label, word in LABEL_WORDS.items() if lost[label])
    if not counts:
        return ""
    return f"; --skip-bad left out {counts} ones, `ctexp data check {shlex.quote(source)}` says why"


def _without_duplicates(
    entries: Sequence[Entry], results: Sequence[Ingested]
) -> tuple[list[LabelledScan], list[Problem]]:
    """Keep one scan of each content. Where the copies' labels differ none can be trusted, and none is kept.

    Copies of two patients are of one person, who becomes one patient. Where a manifest gives sides the copy farthest
    from training stays.
    """
    copies: dict[str, list[Entry]] = {}
    examinations: dict[str, Examination | None] = {}
    for entry, result in zip(entries, results, strict=True):
        if result.sha256 is not None:
            copies.setdefault(result.sha256, []).append(entry)
            examinations[result.sha256] = result.examination
    scans, problems = [], []
    couples: list[tuple[str, str]] = []
    for sha256, same in copies.items():
        same.sort(key=lambda entry: (-_FROM_TRAINING[entry.side], str(entry.path)))
        first = same[0]
        contradiction = len({entry.label for entry in same}) > 1
        if not contradiction:
            scans.append(
                LabelledScan(
                    first.path, first.label, first.class_name, first.patient, sha256, first.side, examinations[sha256]
                )
            )
        for entry in same if contradiction else same[1:]:
            other = next(one for one in same if one.label != entry.label) if contradiction else first
            words = f", and labelled {entry.class_name} here and {other.class_name} there" if contradiction else ""
            reason = f"{entry.path}: every scan must be there once, same as {other.path}{words}"
            problems.append(Problem(entry.path, reason))
        couples += [(first.patient, entry.patient) for entry in same if entry.patient != first.patient]
    names = join_names(couples)
    return [replace(scan, patient=names.get(scan.patient, scan.patient)) for scan in scans], problems
