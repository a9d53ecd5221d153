"""What is done about scans that are there twice: one side for both, so that no number is sweetened by a copy."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

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
        pairs: the near-duplicates among them, and what was among them.
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
    have = {scan.sha256 for scan in collection.scans}
    pairs = [pair for pair in pairs if {pair.first.sha256, pair.second.sha256} <= have]
    collection = dataclasses.replace(collection, near_duplicates=len(pairs))
    if fixed:
        return collection, ()
    names = join_names([(pair.first.patient, pair.second.patient) for pair in of_two])
    notes = [f"{_words(pair)}: kept on one side of the split, as of one patient" for pair in of_two if pair in pairs]
    if len(notes) > _TOLD:
        notes[_TOLD:] = [f"and {len(notes) - _TOLD} more pairs of near-duplicates, kept on one side as well"]
    return dataclasses.replace(collection, scans=_renamed(collection.scans, names)), tuple(notes)


def keep_to_sides(collection: Collection) -> Collection:
    """Leave out what persons whom exact copies show to be on two of a manifest's sides have nearer to training.

    Args:
        collection: the scans with their sides; the patients of copies are one patient in it already.
    """
    farthest = _farthest((scan.patient, scan.side) for scan in collection.scans if scan.side)
    problems = []
    for scan in collection.scans:
        if scan.side and scan.side != farthest[scan.patient]:
            reason = f"copies show that patient {scan.patient} is on {scan.side} and on {farthest[scan.patient]}"
            problems.append((scan, Problem(scan.path, f"{scan.path}: a patient must be on one side, {reason}")))
    left = {scan.sha256 for scan, _ in problems}
    return dataclasses.replace(
        collection,
        scans=tuple(scan for scan in collection.scans if scan.sha256 not in left),
        skipped=(*collection.skipped, *(problem for _, problem in problems)),
    )


def part_copies(
    split: Split, pairs: Sequence[Pair], source: str, *, skip_bad: bool = False
) -> tuple[Split, tuple[Problem, ...]]:
    """Let nobody whom near-duplicates show to be one person lie on two sides of a split.

    Args:
        split: as it was made.
        pairs: the near-duplicates; also those of which a scan, or both, was left out: they show persons all the same.
        source: what the user calls the collection.
        skip_bad: instead of raising, leave out what the persons of the copies have nearer to training, so that the
            sides that judge stay as they were given.

    Returns:
        The split, and what was left out with the reason.

    Raises:
        DataError: a person is on two sides (all pairs that show one in one message).
    """
    names = join_names([(pair.first.patient, pair.second.patient) for pair in pairs])
    on = [(scan, side) for side in SIDES for scan in getattr(split, side) if scan.patient in names]
    farthest = _farthest((names[scan.patient], side) for scan, side in on)
    left: dict[str, tuple[LabelledScan, Problem]] = {}
    torn: dict[str, str] = {}
    for scan, side in on:
        person = names[scan.patient]
        if side != farthest[person]:
            torn[person] = f"{side} and on {farthest[person]}"
            reason = f"{scan.path}: copies show that patient {scan.patient} is on {torn[person]}"
            left[scan.sha256] = scan, Problem(scan.path, reason)
    if not torn:
        return split, ()
    sides = {scan.sha256: side for scan, side in on}
    reasons = []
    for pair in (pair for pair in pairs if names[pair.first.patient] in torn):
        scans = [scan for scan in (pair.first, pair.second) if scan.sha256 in sides]
        if len({sides[scan.sha256] for scan in scans}) == 2:
            near, far = sorted(scans, key=lambda scan: _NEAREST_TO_TRAINING[sides[scan.sha256]])
            words = f"{near.path.name} is on the side {sides[near.sha256]}, {far.path.name} on {sides[far.sha256]}"
            left[near.sha256] = near, Problem(near.path, f"{_words(pair)}: {words}")
        else:
            words = f"their person is on {torn[names[pair.first.patient]]}"
        reasons.append(f"{_words(pair)}: {words}")
    if not skip_bad:
        raise DataError(_listing(source, "lie on two sides of the split", "mend the split", reasons))
    keep: dict[str, tuple[LabelledScan, ...]] = {
        side: tuple(scan for scan in getattr(split, side) if scan.sha256 not in left) for side in SIDES
    }
    left_out = tuple(scan for scan, _ in left.values())
    return Split(**keep, left_out=(*split.left_out, *left_out)), tuple(problem for _, problem in left.values())


def join_on_sides(collection: Collection, split: Split, pairs: Sequence[Pair]) -> tuple[Collection, Split]:
    """Make the patients of near-duplicates one patient in a fixed split, too: folds are dealt from it.

    Args:
        collection: the scans.
        split: a fixed one of them, in which `part_copies` has left nobody on two sides.
        pairs: the near-duplicates, as `part_copies` had them.
    """
    names = join_names([(pair.first.patient, pair.second.patient) for pair in pairs])
    renamed = {side: _renamed(getattr(split, side), names) for side in SIDES}
    scans = _renamed(collection.scans, names)
    return dataclasses.replace(collection, scans=scans), Split(**renamed, left_out=split.left_out)


def _farthest(on: Iterable[tuple[str, Side]]) -> dict[str, Side]:
    """Give for each patient the side that is farthest from training of those that he or she is on."""
    found: dict[str, Side] = {}
    for patient, side in on:
        found[patient] = max(found.get(patient, side), side, key=_NEAREST_TO_TRAINING.__getitem__)
    return found


def _renamed(scans: Sequence[LabelledScan], patients: Mapping[str, str]) -> tuple[LabelledScan, ...]:
    return tuple(dataclasses.replace(scan, patient=patients.get(scan.patient, scan.patient)) for scan in scans)


def _words(pair: Pair) -> str:
    how = "mirrored, " if pair.mirrored else ""
    return f"{pair.first.path} and {pair.second.path} show the same volume ({how}likeness {pair.similarity:.2f})"


def _listing(source: str, fault: str, mend: str, reasons: Sequence[str]) -> str:
    lines = "\n".join(f"  {reason}" for reason in reasons)
    count = f"{len(reasons)} pair{'s' if len(reasons) > 1 else ''} of near-duplicates {fault}"
    return f"{source}: {count}; {mend}, remove copies, or go on without them by --skip-bad\n{lines}"
