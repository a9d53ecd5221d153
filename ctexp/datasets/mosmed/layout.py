"""Where a scan of MosMedData belongs, told by the path it has in an archive or a folder."""

from pathlib import PurePosixPath

from ctexp.scans.read import SUFFIXES

CLASSES = ("CT-0", "CT-1", "CT-2", "CT-3", "CT-4", "CT-23")
"""MosMedData's five classes, and the one that the 200-scan subset makes of `CT-2` and `CT-3`."""
_PASSED_OVER = frozenset({"masks", "__macosx"})


def class_of(name: str) -> str | None:
    """Give the class that a folder's or an archive's name stands for, in MosMedData's spelling, or None."""
    return name.upper() if name.upper() in CLASSES else None


def place_of(parts: tuple[str, ...], hint: str | None) -> PurePosixPath | None:
    """Give the path that a file gets in the collection.

    Args:
        parts: the folders above the file, outermost first, and its name.
        hint: the class of files that lie in no class folder.

    Returns:
        `CT-0/study_0001.nii.gz`, what lay deeper in the class folder still deeper; None for what is no scan: masks,
        hidden files, other suffixes.

    Raises:
        ValueError: a scan of no class.
    """
    *folders, name = parts
    if not name.lower().endswith(SUFFIXES):
        return None
    if any(part.startswith(".") or part.casefold() in _PASSED_OVER for part in parts):
        return None
    for depth in reversed(range(len(folders))):
        found = class_of(folders[depth])
        if found:
            return PurePosixPath(found, *folders[depth + 1 :], name)
    if hint is None:
        raise ValueError(f"a scan must lie in a class folder ({', '.join(CLASSES)})")
    return PurePosixPath(hint, name)  # a folder kept here would make one patient of all scans in it


def unfit(classes: set[str], others: set[str]) -> set[str]:
    """Give those of the others that hold scans of these classes, too: `CT-23` is made of `CT-2` and `CT-3`."""
    twice = set(classes)
    if "CT-23" in classes:
        twice |= {"CT-2", "CT-3"}
    if classes & {"CT-2", "CT-3"}:
        twice.add("CT-23")
    return twice & others
