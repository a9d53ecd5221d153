"""Scans of several patients in one folder or zip: no answer about one of them may pass for that of the folder."""

from collections.abc import Sequence, Set
from os.path import commonpath
from pathlib import PurePath

from ctexp.errors import ScanError
from ctexp.scans.dicom.series import MANY_SLICES, MIN_SLICES, Group, full_words
from ctexp.scans.dicom.tags import get

_SHOWN = 3


def refuse_several(groups: Sequence[Group], best: Group, place: str) -> None:
    """Refuse a folder with several series that could each be the scan, in sub-folders or of several studies.

    A reformat, a stray slice or a series computed from others of its study is no such series. One series
    whose slices are spread over sub-folders is one scan, and so are several that are of one study, whose
    reconstructions are exported in sub-folders, and several of no named study whose files lie mixed. Names and numbers
    of patients are not read; two studies of one patient are two scans, too.

    Args:
        groups: all series below the folder.
        best: the one that would be read.
        place: the folder, for the message.

    Raises:
        ScanError: two or more sub-folders have a series each, or two or more studies.
    """
    files: dict[str, set[str]] = {}
    studies = {group: _studies(group, place) for group in groups}
    rivals = [
        group
        for group in groups
        if group is best or _could_be_read(group, best, elsewhere=_are_two(studies[group], studies[best]))
    ]
    for group in rivals:
        files.setdefault(group.uid, set()).update(str(frame.header.part.folder) for frame in group.frames)
    studies = {group: studies[group] for group in rivals}
    everywhere = set().union(*studies.values())
    if len(everywhere) == 1 and "" not in everywhere:
        return
    words = full_words(groups)
    homes = {uid: PurePath(commonpath(folders)) for uid, folders in files.items()}
    apart = sorted({home for home in homes.values() if not any(home in other.parents for other in homes.values())})
    if len(apart) > 1:
        found = [f"{words[group]} in {home}" for home in apart for group in rivals if homes[group.uid] == home]
        raise ScanError(
            f"{place}: must hold one scan, it holds {len(apart)} sub-folders with series: "
            f"{_few(found)}; name them one by one, or pick a series with --series"
        )
    if any(_are_two(found, studies[best]) for found in studies.values()):
        raise ScanError(
            f"{place}: must hold one scan, it holds series of {len(everywhere - {''})} studies: "
            f"{_few([words[group] for group in rivals])}; give each a folder of its own, or pick a series with --series"
        )


def _studies(group: Group, place: str) -> set[str]:
    return {str(get(frame.header.dataset, "StudyInstanceUID", place) or "") for frame in group.frames}


def _few(found: Sequence[str]) -> str:
    return ", ".join(found[:_SHOWN]) + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")


def _are_two(some: Set[str], others: Set[str]) -> bool:
    """Tell whether two series are of different studies for sure."""
    return bool(some - {""}) and bool(others - {""}) and not (some & others) - {""}


def _could_be_read(group: Group, best: Group, *, elsewhere: bool) -> bool:
    """Tell a series that is as good a scan as the best one from what is usually beside one.

    A derived series of another study was not derived from this one.
    """
    enough = MANY_SLICES if best.places >= MANY_SLICES else MIN_SLICES
    return group.plane == "axial" and group.places >= enough and (elsewhere or group.derived <= best.derived)
