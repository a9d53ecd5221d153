"""Scans of several patients below one folder: no answer about one of them may pass for that of the folder."""

from collections.abc import Sequence
from os.path import commonpath
from pathlib import PurePath

from ctexp.errors import ScanError
from ctexp.scans.dicom.series import MANY_SLICES, MIN_SLICES, Group, full_words
from ctexp.scans.dicom.tags import get

_SHOWN = 3


def refuse_several(groups: Sequence[Group], best: Group, place: str) -> None:
    """Refuse a folder in whose sub-folders lie several series that could each be the scan.

    A reformat, a stray slice or a series computed from others beside an original one is no such series. One series
    whose slices are spread over sub-folders is one scan, and so are several whose files lie mixed, or that are of one
    study: reconstructions of an examination are exported in sub-folders.

    Args:
        groups: all series below the folder.
        best: the one that would be read.
        place: the folder, for the message.

    Raises:
        ScanError: two or more sub-folders have a series each.
    """
    files: dict[str, set[str]] = {}
    rivals = [group for group in groups if group is best or _could_be_read(group, best)]
    for group in rivals:
        files.setdefault(group.uid, set()).update(str(frame.header.part.folder) for frame in group.frames)
    studies = {
        str(get(frame.header.dataset, "StudyInstanceUID", place) or "") for one in rivals for frame in one.frames
    }
    if len(studies) == 1 and "" not in studies:
        return
    homes = {uid: PurePath(commonpath(folders)) for uid, folders in files.items()}
    apart = sorted({home for home in homes.values() if not any(home in other.parents for other in homes.values())})
    if len(apart) < 2:
        return
    words = full_words(groups)
    found = [f"{words[group]} in {home}" for home in apart for group in rivals if homes[group.uid] == home]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise ScanError(
        f"{place}: must hold one scan, it holds {len(apart)} sub-folders with series: "
        f"{', '.join(found[:_SHOWN])}{more}; name them one by one, or pick a series with --series"
    )


def _could_be_read(group: Group, best: Group) -> bool:
    """Tell a series that is as good a scan as the best one from what is usually beside one."""
    enough = MANY_SLICES if best.places >= MANY_SLICES else MIN_SLICES
    return group.plane == "axial" and group.places >= enough and group.derived <= best.derived
