"""What is done about scans that are there twice: one side for both, so that no number is sweetened by a copy."""

import dataclasses
from collections.abc import Mapping, Sequence, Set

from ctexp.datasets.collection import Collection, LabelledScan
from ctexp.datasets.entries import Problem, Side
from ctexp.datasets.leakage.find import Pair
from ctexp.datasets.patients import join_names
from ctexp.datasets.splits import SIDES, Split
from ctexp.errors import DataError

_TOLD = 8
_NEAREST_TO_TRAINING = {side: place for place, side in enumerate(SIDES)}


def join_copies(
    collection: Collection, pairs: Sequence[Pair], *, fixed: bool, skip_bad: bool = False
) -> tuple[Collection, tuple[str, ...]]:
    """Make the patients of near-duplicates one patient, whom every split and every fold keeps on one side.

    Both scans stay: likeness is measured, not proven, and two scans of one person an hour apart would be as like.

    Args:
        collection: the scans.
        pairs: the near-duplicates among them.
        fixed: whether a manifest or a publication says which side a scan is on; patients are left as they are then,
            since both may be on two sides: `part_copies` looks at these, and `join_on_sides` at the rest.
        skip_bad: leave out copies whose labels contradict each other instead of raising.

    Returns:
        The collection, and a line for each pair of two patients that were joined, the first few at least.

    Raises:
        DataError: copies are labelled both normal and abnormal.
    """
    against = [pair for pair in pairs if pair.first.label != pair.second.label]
    of_two = [pair for pair in pairs if pair.first.patient != pair.second.patient]
    if against:
        reasons = [f"{_words(pair)}, but one is labelled normal and the other abnormal" for pair in against]
        if not skip_bad:
            raise DataError(_listing(collection.source, "contradict each other", "mend the labels", reasons))
        wrong = {scan.sha256 for pair in against for scan in (pair.first, pair.second)}
        problems = [Problem(pair.first.path, reason) for pair, reason in zip(against, reasons, strict=True)]
        kept = tuple(scan for scan in collection.scans if scan.sha256 not in wrong)
        collection = dataclasses.replace(collection, scans=kept, skipped=(*collection.skipped, *problems))
        pairs = [pair for pair in pairs if not {pair.first.sha256, pair.second.sha256} & wrong]
    collection = dataclasses.replace(collection, near_duplicates=len(pairs))
    if fixed:
        return collection, ()
    names = join_names([(pair.first.patient, pair.second.patient) for pair in of_two])
    notes = [f"{_words(pair)}: kept on one side of the split, as of one patient" for pair in of_two if pair in pairs]
    if len(notes) > _TOLD:
        notes[_TOLD:] = [f"and {len(notes) - _TOLD} more pairs of near-duplicates, kept on one side as well"]
    return dataclasses.replace(collection, scans=_renamed(collection.scans, names)), tuple(notes)


def part_copies(
    split: Split, pairs: Sequence[Pair], source: str, *, skip_bad: bool = False
) -> tuple[Split, tuple[Problem, ...]]:
    """Let no near-duplicates lie on two sides of a split.

    Args:
        split: as it was made.
        pairs: the near-duplicates.
        source: what the user calls the collection.
        skip_bad: instead of raising, leave out what the persons of the copies have nearer to training, so that the
            sides that judge stay as they were given.

    Returns:
        The split, and what was left out with the reason.

    Raises:
        DataError: a scan and its copy are on two sides (all of them in one message).
    """
    sides = {scan.sha256: side for side in SIDES for scan in getattr(split, side)}
    torn = []
    for pair in pairs:
        scans = [scan for scan in (pair.first, pair.second) if scan.sha256 in sides]
        if len({sides[scan.sha256] for scan in scans}) == 2:
            near, far = sorted(scans, key=lambda scan: _NEAREST_TO_TRAINING[sides[scan.sha256]])
            on = f"{near.path.name} is on the side {sides[near.sha256]}, {far.path.name} on {sides[far.sha256]}"
            torn.append((near, Problem(near.path, f"{_words(pair)}: {on}")))
    if not torn:
        return split, ()
    if not skip_bad:
        reasons = [problem.reason for _, problem in torn]
        raise DataError(_listing(source, "lie on two sides of the split", "mend the split", reasons))
    left = _of_torn_persons(split, pairs, {scan.patient for scan, _ in torn})
    left |= {scan.sha256: (scan, problem) for scan, problem in torn}
    keep: dict[str, tuple[LabelledScan, ...]] = {
        side: tuple(scan for scan in getattr(split, side) if scan.sha256 not in left) for side in SIDES
    }
    left_out = tuple(scan for scan, _ in left.values())
    return Split(**keep, left_out=(*split.left_out, *left_out)), tuple(problem for _, problem in left.values())


def _of_torn_persons(
    split: Split, pairs: Sequence[Pair], patients: Set[str]
) -> dict[str, tuple[LabelledScan, Problem]]:
    """Give, by content hash, what persons who are on two sides have on others than the one farthest from training."""
    names = join_names([(pair.first.patient, pair.second.patient) for pair in pairs])
    torn = {names[patient] for patient in patients}
    farthest: dict[str, Side] = {}
    for side in SIDES:  # the nearest to training first
        farthest |= dict.fromkeys(torn & {names.get(scan.patient, "") for scan in getattr(split, side)}, side)
    left = {}
    for side in SIDES:
        for scan in getattr(split, side):
            on = farthest.get(names.get(scan.patient, ""), side)
            if on != side:
                reason = f"{scan.path}: copies show that patient {scan.patient} is on {side} and on {on}"
                left[scan.sha256] = (scan, Problem(scan.path, reason))
    return left


def join_on_sides(collection: Collection, split: Split, pairs: Sequence[Pair]) -> tuple[Collection, Split]:
    """Make the patients of near-duplicates that a fixed split has on one side one patient: folds are dealt from it.

    Args:
        collection: the scans.
        split: a fixed one of them, in which `part_copies` has left no copies on two sides.
        pairs: the near-duplicates.
    """
    sides = {scan.sha256: side for side in SIDES for scan in getattr(split, side)}
    both = [pair for pair in pairs if {pair.first.sha256, pair.second.sha256} <= sides.keys()]
    names = join_names([(pair.first.patient, pair.second.patient) for pair in both])
    renamed = {side: _renamed(getattr(split, side), names) for side in SIDES}
    scans = _renamed(collection.scans, names)
    return dataclasses.replace(collection, scans=scans), Split(**renamed, left_out=split.left_out)


def _renamed(scans: Sequence[LabelledScan], patients: Mapping[str, str]) -> tuple[LabelledScan, ...]:
    return tuple(dataclasses.replace(scan, patient=patients.get(scan.patient, scan.patient)) for scan in scans)


def _words(pair: Pair) -> str:
    how = "mirrored, " if pair.mirrored else ""
    return f"{pair.first.path} and {pair.second.path} show the same volume ({how}likeness {pair.similarity:.2f})"


def _listing(source: str, fault: str, mend: str, reasons: Sequence[str]) -> str:
    lines = "\n".join(f"  {reason}" for reason in reasons)
    count = f"{len(reasons)} pair{'s' if len(reasons) > 1 else ''} of near-duplicates {fault}"
    return f"{source}: {count}; {mend}, remove copies, or go on without them by --skip-bad\n{lines}"
