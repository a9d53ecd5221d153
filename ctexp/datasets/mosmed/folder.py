"""Scans that lie unpacked on this disk, put into a folder: linked where the file system can, else copied."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ctexp.datasets.mosmed.layout import place_of
from ctexp.datasets.mosmed.room import check_room
from ctexp.errors import DataError


@dataclass(frozen=True)
class Folder:
    """A folder that was looked through.

    Attributes:
        scans: the files, each with the path that it gets.
        bytes: of all of them.
    """

    scans: list[tuple[Path, PurePosixPath]]
    bytes: int

    @property
    def classes(self) -> set[str]:
        """The classes that there are scans of."""
        return {place.parts[0] for _, place in self.scans}

    def copy(self, target: Path, progress: Callable[[int, int], None]) -> dict[str, int]:
        """Put the scans into an empty folder; the caller removes it when this raises.

        A hard link costs no room and outlives the file it was made from.

        Returns:
            How many scans each class has.

        Raises:
            WorkError: the disk has no room.
            OSError: a file cannot be read or written.
        """
        copied = 0
        counts: dict[str, int] = {}
        for number, (file, place) in enumerate(self.scans, 1):
            new = target / place
            new.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(file, new)
            except OSError:  # another disk, or a file system without links
                if not copied:
                    check_room(target, self.bytes)
                shutil.copyfile(file, new)
                copied += 1
            counts[place.parts[0]] = counts.get(place.parts[0], 0) + 1
            progress(number, len(self.scans))
        return counts


def look_through(folder: Path, hint: str | None) -> Folder:
    """Find the scans in a folder: `CT-0` ... in it, in `studies`, or itself; masks are left out.

    Args:
        folder: absolute, without links.
        hint: the class of scans that lie in no class folder.

    Raises:
        DataError: no scan, a scan of no class, two for one place, or a folder that cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: must be a readable folder: {error.strerror}") from error

    scans: dict[PurePosixPath, Path] = {}
    size = 0
    for above, folders, names in os.walk(folder, onerror=refuse):
        folders.sort()
        for name in sorted(names):
            file = Path(above, name)
            try:
                place = place_of(file.relative_to(folder).parts, hint)
                if place is None:
                    continue
                file = file.resolve(strict=True)  # a link to a scan is that scan
                size += file.stat().st_size
            except (ValueError, OSError, RuntimeError) as error:
                raise DataError(f"{Path(above, name)}: {getattr(error, 'strerror', None) or error}") from error
            if not file.is_file():
                raise DataError(f"{file}: a scan must be a file, this is something else")
            if place in scans:
                raise DataError(f"{file}: must be there once, {scans[place]} would get the same name {place}")
            scans[place] = file
    if not scans:
        raise DataError(f"{folder}: must hold scans (.nii or .nii.gz) in class folders, it has none")
    return Folder([(file, place) for place, file in scans.items()], size)
