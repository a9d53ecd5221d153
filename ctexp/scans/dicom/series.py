"""The slices of a folder told apart into series, and the one that is read."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from ctexp.errors import ScanError
from ctexp.scans.dicom.frames import Frame
from ctexp.scans.dicom.header import Other

MIN_SLICES = 3
MANY_SLICES = 10
"""An original series with as many is taken before any derived one."""
_SAME_DIRECTION = 0.1
"""Unit vectors nearer than this (6 degrees) belong to one series; whether they are one direction is asked later."""


@dataclass(frozen=True, eq=False)
class Group:
    """Slices of one series, one matrix size and one direction."""

    frames: tuple[Frame, ...]

    @property
    def uid(self) -> str:
        """The series' UID."""
        return self.frames[0].header.uid

    @property
    def number(self) -> int | None:
        """The series' number."""
        return self.frames[0].header.number

    @property
    def plane(self) -> str:
        """The plane that the slices lie nearest to."""
        normal = np.cross(*self.frames[0].directions)
        return ("sagittal", "coronal", "axial")[int(np.abs(normal).argmax())]

    @property
    def derived(self) -> bool:
        """Whether the slices were computed from others."""
        return self.frames[0].header.derived

    @property
    def places(self) -> int:
        """Slices at different positions: pictures of one place over time are no volume."""
        return len({tuple(np.round(frame.position, 2)) for frame in self.frames})

    @property
    def name(self) -> str:
        """What the series is called: its number, or the end of its UID."""
        return _name(self.number, self.uid)

    @property
    def words(self) -> str:
        """What a user needs to tell this series from another."""
        plane = f", {self.plane}" if self.plane != "axial" else ""
        count = len(self.frames)
        slices = f"{count} slice{'s' if count != 1 else ''}"
        return f"{self.name} ({slices}{plane}{', derived' if self.derived else ''})"


def tell_apart(frames: Sequence[Frame]) -> list[Group]:
    """Sort slices by series, matrix size and direction."""
    piles: dict[tuple[str, tuple[int, int]], list[list[Frame]]] = {}
    for frame in frames:
        groups = piles.setdefault((frame.header.uid, frame.header.shape), [])
        for group in groups:
            if np.abs(group[0].directions - frame.directions).max() < _SAME_DIRECTION:
                group.append(frame)
                break
        else:
            groups.append([frame])
    return [Group(tuple(group)) for groups in piles.values() for group in groups]


def choose(
    groups: Sequence[Group], others: Sequence[Other], wanted: str | None, place: str
) -> tuple[Group, tuple[str, ...]]:
    """Choose the series that is read: the axial one with most slices, or the one that is wanted.

    Originals come before derived ones unless there are hardly any.

    Args:
        groups: what there is.
        others: what is no CT slice.
        wanted: UID, last digits of it (at least 6), or number.
        place: for error messages.

    Returns:
        The series, and one line that says so when there was something to choose or to pass over.

    Raises:
        ScanError: nothing is a CT series, none is axial, or `wanted` names none or several.
    """
    if not groups:
        raise ScanError(f"{place}: {_no_ct(others)}")
    named = _named(groups, others, wanted, place) if wanted is not None else list(groups)
    best = max(named, key=_rank)
    names = full_words(groups)
    if wanted is None and best.plane != "axial":
        raise ScanError(
            f"{place}: a chest CT must have axial slices, here is {_listing(groups, names)}; "
            "--series reads one all the same"
        )
    rest = [group for group in groups if group is not best]
    if not rest and not others:
        return best, ()
    left = ([_listing(rest, names)] if rest else []) + _counted(others)
    hint = "; --series picks another" if wanted is None and any(group.uid != best.uid for group in rest) else ""
    return best, (f"{names[best]} is read; passed over: {', '.join(left)}{hint}",)


def remainder(groups: Sequence[Group], best: Group) -> str:
    """Say which slices of the same series were told apart from it, for an error that they may explain."""
    words = [
        f"{len(group.frames)} more of {_rows_by_columns(group)}, {group.plane}"
        for group in groups
        if group.uid == best.uid and group is not best
    ]
    return f" (the series has {'; '.join(words)})" if words else ""


def _rank(group: Group) -> tuple[bool, bool, int, int, str]:
    count = group.places
    return (
        group.plane == "axial",
        not group.derived and count >= MANY_SLICES,
        count,
        -(group.number or 0),
        group.uid,
    )


def _named(groups: Sequence[Group], others: Sequence[Other], wanted: str, place: str) -> list[Group]:
    typed = wanted.strip().removeprefix("...")  # as messages write the end of a UID
    found = [group for group in groups if typed in (group.uid, str(group.number))]
    if not found and len(typed) >= 6:
        found = [group for group in groups if group.uid.endswith(typed)]
    if not found:
        for other in others:
            if typed in (other.uid, str(other.number)):
                raise ScanError(
                    f"{place}: --series must name a CT volume, {_name(other.number, other.uid)} is: {other.kind}"
                )
    if len({group.uid for group in found}) != 1:
        shown = typed if len(typed) <= 8 else f"...{typed[-8:]}"
        which = _listing(found or groups, full_words(groups))
        raise ScanError(f"{place}: --series must name one series by number or UID, got {shown}; here is {which}")
    return found


def _name(number: int | None, uid: str) -> str:
    return f"series {number}" if number is not None else f"series ...{uid[-8:]}"


def full_words(groups: Sequence[Group]) -> dict[Group, str]:
    """Give each series' words, with as much of the UID's end as `--series` needs where its name is another's, too."""
    named: dict[str, set[str]] = {}
    for group in groups:
        named.setdefault(group.name, set()).add(group.uid)
    uids = {group.uid for group in groups}
    return {
        group: f"{group.words} ...{_end(group.uid, uids)}" if len(named[group.name]) > 1 else group.words
        for group in groups
    }


def _end(uid: str, uids: Set[str]) -> str:
    """Give the end of a UID, 8 signs or as many as no other UID ends with."""
    lengths = range(8, len(uid))
    return next((uid[-n:] for n in lengths if sum(one.endswith(uid[-n:]) for one in uids) == 1), uid)


def _listing(groups: Sequence[Group], names: Mapping[Group, str]) -> str:
    shown = sorted(groups, key=_rank, reverse=True)[:6]
    words = [names[group] for group in shown]
    more = [f"{len(groups) - len(shown)} more"] if len(groups) > len(shown) else []
    return ", ".join(words + more)


def _counted(others: Sequence[Other]) -> list[str]:
    kinds = Counter(other.kind for other in others)
    return [f"{count} x {kind}" for kind, count in kinds.most_common()]


def _no_ct(others: Sequence[Other]) -> str:
    if not others:
        return "a scan must be a NIfTI file or hold DICOM files, there is none"
    return (
        f"must hold a CT series; it holds {len(others)} DICOM files, none of CT slices: {', '.join(_counted(others))}"
    )


def _rows_by_columns(group: Group) -> str:
    rows, columns = group.frames[0].header.shape
    return f"{columns} x {rows}"
