"""What is to be checked: the scans of sources, with labels or without, and what their listing alone shows."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from ctexp.datasets.entries import Entry, Problem
from ctexp.datasets.folders import class_folders, list_unlabelled
from ctexp.datasets.ingest import Progress
from ctexp.datasets.labels import LABEL_WORDS, first_names, label_of
from ctexp.datasets.load import list_source
from ctexp.datasets.sources import find_source
from ctexp.errors import DataError
from ctexp.project import Project


@dataclass(frozen=True)
class ListedScan:
    """A scan to check; `entry` where the source gives a label."""

    path: Path
    entry: Entry | None = None


@dataclass
class Checklist:
    """The scans of all sources.

    Attributes:
        scans: what can be opened.
        problems: files that are no scans.
        warnings: what listing shows, a line each.
        patients_named: a manifest says whom scans are of.
    """

    scans: list[ListedScan] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    patients_named: bool = False

    @property
    def labels(self) -> dict[str, int]:
        """Scans of each class, and patients where they are named or have several scans; empty without labels."""
        entries = self._entries
        if not entries:
            return {}
        counts = Counter(entry.label for entry in entries)
        patients = len({entry.patient for entry in entries})
        shown = {word: counts[label] for label, word in LABEL_WORDS.items()}
        return shown | ({"patients": patients} if self.patients_named or patients < len(entries) else {})

    def missing_classes(self, usable: Set[Path]) -> Iterator[str]:
        """Say which class no training could learn, for want of scans that can be used."""
        entries = self._entries
        for label, word in LABEL_WORDS.items():
            of_class = [entry.path for entry in entries if entry.label == label]
            if entries and usable.isdisjoint(of_class):
                have = f"none of the {len(of_class)} {word} scans can be used" if of_class else f"no {word} scans"
                yield f"{have}; a training needs both classes"

    @property
    def _entries(self) -> list[Entry]:
        return [scan.entry for scan in self.scans if scan.entry]


def list_all(
    sources: Sequence[str],
    project: Project,
    positive: str | None,
    progress: Callable[[str], Progress] | None,
) -> Checklist:
    """List the scans of sources, of scans, and of folders without classes.

    Args:
        sources: as the user typed them.
        project: where built-in sources lie.
        positive: name of the abnormal class when the names are the user's own.
        progress: makes a progress function for the stage it is told.

    Raises:
        DataError: a source is not there or holds no scans.
    """
    found = Checklist()
    for name in sources:
        place = Path(name).expanduser()
        if place.is_file() and place.suffix.lower() != ".csv":
            found.scans.append(ListedScan(place))
            continue
        source = find_source(name, project)
        try:
            entries, problems = list_source(source, positive=positive, progress=progress)
        except DataError:
            if positive is not None or not source.place.is_dir():
                raise
            paths, problems = list_unlabelled(source.place)
            if not paths:
                raise
            found.scans += [ListedScan(path) for path in paths]
            found.warnings += _perhaps_classes(source.place, paths)
        else:
            found.scans += [ListedScan(entry.path, entry) for entry in entries]
            if source.place.is_dir():
                found.warnings += _empty_classes(
                    source.place, [*(one.path for one in entries), *(one.path for one in problems)]
                )
            elif any(entry.patient != str(entry.path) for entry in entries):
                found.patients_named = True
        found.problems += problems
    if not found.scans and not found.problems:
        raise DataError(f"{' '.join(sources)}: must hold scans (NIfTI or DICOM), found none")
    return found


def _empty_classes(place: Path, files: Sequence[Path]) -> list[str]:
    return [
        f"{folder}: this class has no scans"
        for folder in class_folders(place)
        if not any(folder in file.parents for file in files)
    ]


def _perhaps_classes(place: Path, paths: Sequence[Path]) -> list[str]:
    """Warn where sub-folders that were taken for scans or patients may be classes of the user's own.

    Some are known classes, or one holds several scans or folders, as a class does and a series' folder does not.
    """
    if list(paths) == [place]:
        return []
    folders = class_folders(place)
    unknown = [folder for folder in folders if label_of(folder.name) is None]
    if len(unknown) == len(folders):
        unknown = [folder for folder in unknown if _holds_several(folder, paths)]
    if not unknown:
        return []
    names = first_names([folder.name for folder in unknown])
    return [
        f"{place}: taken for scans or patients without labels, not for classes: {names}; "
        "if they are classes, name the abnormal one with --positive, or write a manifest"
    ]


def _holds_several(folder: Path, paths: Sequence[Path]) -> bool:
    below = sum(folder in path.parents for path in paths)
    return below > 1 or (below == 0 and bool(class_folders(folder)))  # a folder of DICOM is one path, whatever is in it
