"""The files that a scan may be made of, each with a way to its bytes."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath

from ctexp.errors import ScanError

MAX_PARTS = 50_000
"""More files than any export of one patient; whoever names a whole disk is stopped."""
MAX_BYTES = 4 << 30
"""Of one scan, unpacked."""
HERE = PurePath()


@dataclass(frozen=True, eq=False)
class Part:
    """One file of a folder or of a zip.

    Attributes:
        place: its name for error messages, the path that was typed in front.
        read: gives its first bytes, as many as asked for or, for None, all.
        folder: the sub-folder that it lies in, relative to the folder or the zip that was typed; of that itself, and of
            a lone file, it is `.`.
    """

    place: str
    read: Callable[[int | None], bytes]
    folder: PurePath = HERE

    @property
    def is_named_dicom(self) -> bool:
        """Whether the name promises DICOM."""
        return self.place.lower().endswith((".dcm", ".ima", ".dicom"))


def file_part(path: Path, folder: PurePath = HERE) -> Part:
    """Give a file as a part.

    Args:
        path: the file.
        folder: that it lies in, relative to the one that was typed.

    Raises:
        ScanError: from `read`, when it cannot be read or is larger than 4 GiB.
    """

    def read(limit: int | None) -> bytes:
        try:
            with path.open("rb") as stream:
                if limit is not None:
                    return stream.read(limit)
                size = os.fstat(stream.fileno()).st_size
                if size > MAX_BYTES:
                    raise ScanError(f"{path}: a scan file must be at most 4 GiB, it has {size:,} bytes")
                return stream.read()
        except OSError as error:
            raise ScanError(f"{path}: must be readable: {error.strerror or error}") from error

    return Part(str(path), read, folder)


def folder_parts(folder: Path) -> list[Part]:
    """List the files below a folder, sorted; links to folders are not followed, so a loop ends.

    Raises:
        ScanError: a folder cannot be read, or there are too many files.
    """

    def refuse(error: OSError) -> None:
        raise ScanError(f"{error.filename}: must be a readable folder: {error.strerror}") from error

    found: list[Path] = []
    for place, folders, names in os.walk(folder, followlinks=False, onerror=refuse):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        found += [path for name in sorted(names) if not is_hidden(name) and (path := Path(place, name)).is_file()]
        if len(found) > MAX_PARTS:
            raise ScanError(f"{folder}: a scan must be one series' folder, this one holds over {MAX_PARTS:,} files")
    return [file_part(path, path.parent.relative_to(folder)) for path in found]


def is_hidden(name: str) -> bool:
    """Tell what systems leave behind from what a scanner wrote."""
    return (name.startswith(".") and name != "..") or name == "__MACOSX"
