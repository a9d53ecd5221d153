"""A folder with one sub-folder a class, as MosMedData and most downloads come."""

import os
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

from ctexp.datasets.entries import Entry, Problem
from ctexp.datasets.labels import KNOWN_NAMES, first_names, label_of
from ctexp.errors import DataError
from ctexp.scans.dicom import is_dicom
from ctexp.scans.read import peek, scan_suffix

IGNORED_FOLDERS = frozenset({"masks"})
"""Lesion masks lie beside the scans in MosMedData and in the synthetic scans; they are no class."""
_NO_SCAN = "a scan must be .nii or .nii.gz, or DICOM (a folder of slices, a .zip, a multi-frame file), this is none"
_IGNORED_SUFFIXES = frozenset({".txt", ".md", ".json", ".csv", ".tsv", ".xlsx", ".pdf", ".html", ".db", ".ini"})


def list_folder(folder: Path, positive: str | None = None) -> tuple[list[Entry], list[Problem]]:
    """List the scans of a collection in folders.

    A class folder's scans may lie deeper. A scan's patient is the sub-folder it lies in, or itself when it lies
    directly in the class folder; for patients with scans in both classes there is the manifest. A sub-folder that holds
    DICOM files, at any depth, and neither NIfTI files nor zips is one scan; so is a zip and a DICOM file of its own.

    Args:
        folder: holds one sub-folder a class (a single folder `studies` round them, as in MosMedData, is entered).
        positive: name of the abnormal class when the names are the user's own.

    Returns:
        Entries sorted by path, and the files that are no scans.

    Raises:
        DataError: no class folders, a folder whose name is no label, or `positive` names none of them.
    """
    classes = [place.name for place in class_folders(folder)]
    folder = _without_wrapper(folder)
    above = _hint_above(folder, classes, positive)
    if not classes:
        raise DataError(f"{folder}: must hold one sub-folder a class ({KNOWN_NAMES}), it has no sub-folder{above}")
    if positive is not None:
        if len(classes) != 2 or positive.strip().casefold() not in {name.casefold() for name in classes}:
            raise DataError(
                f"{folder}: with --positive {positive} there must be that sub-folder and one other, "
                f"got {first_names(classes)}{above}"
            )
    else:
        unknown = [name for name in classes if label_of(name) is None]
        if unknown:
            raise DataError(
                f"{folder}: sub-folders must be named as a class ({KNOWN_NAMES}), got {first_names(unknown)}"
                f"{above or '; name your own with --positive, or write a manifest'}"
            )
    entries: list[Entry] = []
    problems: list[Problem] = []
    for name in classes:
        label = label_of(name, positive)
        assert label is not None  # noqa: S101 - unknown names were refused above
        depth = len((folder / name).parts)
        for patient, files in groupby(_files_below(folder / name), key=_part_of(depth)):
            scans, rest = _scans_of(folder / name / patient, list(files))
            entries += [Entry(path, label, name, f"{name}/{patient}") for path in scans]
            problems += [Problem(path, f"{path}: {_NO_SCAN}") for path in rest]
    return entries, problems


def class_folders(folder: Path) -> list[Path]:
    """List the sub-folders that are to be classes, sorted by name; `studies` is entered as by `list_folder`.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        folder = _without_wrapper(folder)
        return sorted(
            folder / entry.name
            for entry in os.scandir(folder)
            if entry.is_dir() and not entry.name.startswith(".") and entry.name.casefold() not in IGNORED_FOLDERS
        )
    except OSError as error:
        raise DataError(f"{folder}: must be a readable folder: {error.strerror or error}") from error


def _hint_above(folder: Path, classes: Sequence[str], positive: str | None) -> str:
    """Give the remedy where none of the sub-folders is a class, and so the folder may be one of a collection's classes.

    Empty where it is not so, or where they are two: those may be classes of the user's own.
    """
    if any(label_of(name) is not None for name in classes):
        return ""
    own = folder.absolute().name
    if label_of(own) is not None or (positive is not None and own.casefold() == positive.strip().casefold()):
        return "; this folder is itself named as a class, name the folder above it"
    if positive is None and len(classes) > 2:
        return "; if these are scans name the folder above, if they are classes write a manifest"
    return ""


def list_unlabelled(folder: Path) -> tuple[list[Path], list[Problem]]:
    """List the scans below a folder whose sub-folders are no classes; a folder of DICOM slices is one scan.

    Returns:
        Scans sorted by path, and the files that are none.

    Raises:
        DataError: a folder cannot be read.
    """
    files = _files_below(folder)
    if _scans_of(folder, [path for path in files if path.parent == folder])[0] == [folder]:
        return [folder], []
    scans: list[Path] = []
    problems: list[Problem] = []
    for part, group in groupby(files, key=_part_of(len(folder.parts))):
        found, rest = _scans_of(folder / part, list(group))
        scans += found
        problems += [Problem(path, f"{path}: {_NO_SCAN}") for path in rest]
    return scans, problems


def _part_of(depth: int) -> Callable[[Path], str]:
    return lambda path: path.parts[depth]


def _scans_of(place: Path, files: list[Path]) -> tuple[list[Path], list[Path]]:
    """Tell the scans of a file or a sub-folder of a class from the files that are none."""
    named = {path: scan_suffix(path) is not None or path.suffix.lower() == ".zip" for path in files}
    if not any(named.values()) and any(is_dicom(peek(path)) for path in files):
        return [place], []
    return [path for path in files if named[path]], [path for path in files if not named[path]]


def _without_wrapper(folder: Path) -> Path:
    inner = folder / "studies"
    return inner if inner.is_dir() else folder


def _refuse(error: OSError) -> None:
    """Raise for a folder that cannot be read: passed over in silence, its scans would be missing from every count."""
    raise DataError(f"{error.filename}: must be a readable folder: {error.strerror}") from error


def _files_below(folder: Path) -> list[Path]:
    """List files at any depth, sorted; links to folders are not followed, so a loop ends."""
    found = []
    for place, folders, names in os.walk(folder, followlinks=False, onerror=_refuse):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name.casefold() not in IGNORED_FOLDERS
        )
        for name in names:
            path = Path(place) / name
            if not name.startswith(".") and path.suffix.lower() not in _IGNORED_SUFFIXES:
                found.append(path)
    return sorted(found)
