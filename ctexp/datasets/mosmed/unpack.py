"""The scans in a zip to a folder: nothing leaves the folder, fills the disk, or is more than a file.

An archive is believed nothing. Its directory is read and judged whole before a byte is written; while writing, what
comes out is counted against what was announced.
"""

import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from ctexp.datasets.mosmed.layout import place_of
from ctexp.datasets.mosmed.room import MAX_BYTES, check_room
from ctexp.errors import DataError
from ctexp.scans.zips import MAX_LIST_BYTES, measure_list

MAX_RATIO = 200
"""CT in 16 bits shrinks to a half; a factor of 200 is a bomb."""
_CHUNK = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The other methods' readers of the standard library do not bound what one read may inflate to."""
_DRIVE = re.compile(r"[A-Za-z]:")
_ENCRYPTED = 0x1 | 0x40
_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's controls, surrogates and line ends: in a name they only deceive."""
_FAULTS = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    RuntimeError,
    OverflowError,
)
"""What Python's reader raises for archives that are broken or made to break it."""


@dataclass(frozen=True)
class Member:
    """A scan in an archive and the path it gets below the collection's folder."""

    info: zipfile.ZipInfo
    place: PurePosixPath


class Archive:
    """A zip whose members were judged.

    Attributes:
        members: the scans, in the archive's order.
        bytes: that they have when they are unpacked, as announced.
    """

    def __init__(self, zip_file: zipfile.ZipFile, label: str, members: list[Member]) -> None:
        self._zip, self._label = zip_file, label
        self.members = members
        self.bytes = sum(member.info.file_size for member in members)

    @property
    def classes(self) -> set[str]:
        """The classes that there are scans of."""
        return {member.place.parts[0] for member in self.members}

    def unpack(self, folder: Path, progress: Callable[[int, int], None]) -> dict[str, int]:
        """Write the scans into an empty folder; the caller removes it when this raises.

        Returns:
            How many scans each class has.

        Raises:
            DataError: a member is broken: its checksum, its length or its data.
            WorkError: the disk has no room.
            OSError: the disk does not take it.
        """
        check_room(folder, self.bytes)
        counts: dict[str, int] = {}
        for number, member in enumerate(self.members, 1):
            target = folder / member.place
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as stream:
                self._write(member, stream)
                stream.flush()
                os.fsync(stream.fileno())
            counts[member.place.parts[0]] = counts.get(member.place.parts[0], 0) + 1
            progress(number, len(self.members))
        return counts

    def _write(self, member: Member, stream: IO[bytes]) -> None:
        room = member.info.file_size
        for chunk in self._chunks(member):
            room -= len(chunk)
            if room < 0:
                raise DataError(f"{self._label}: {_shown(member.info)}: must have the size announced, more comes out")
            stream.write(chunk)
        if room:
            raise DataError(f"{self._label}: {_shown(member.info)}: must have the size announced, {room:,} bytes lack")

    def _chunks(self, member: Member) -> Iterator[bytes]:
        """Inflate a member; its checksum is compared when the last chunk is read."""
        try:
            with self._zip.open(member.info) as source:
                while chunk := source.read(_CHUNK):
                    yield chunk
        except _FAULTS as error:
            raise DataError(f"{self._label}: {_shown(member.info)}: must be whole: {_words(error)}") from error


@contextmanager
def open_archive(path: Path, hint: str | None, label: str) -> Iterator[Archive]:
    """Open a zip and judge it.

    Args:
        path: the zip.
        hint: the class of scans that lie in no class folder.
        label: what messages call the zip.

    Raises:
        DataError: it is no zip, holds no scan, or has a member that no honest archive has.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    members = measure_list(path)
    if members is not None and members.size > MAX_LIST_BYTES:
        raise DataError(f"{label}: must list its members in {MAX_LIST_BYTES >> 20} MiB, got {members.size:,} bytes")
    try:
        archive = zipfile.ZipFile(path)
    except _FAULTS as error:
        raise DataError(f"{label}: must be a zip that can be read: {_words(error)}") from error
    with archive:
        yield Archive(archive, label, _judge(archive, size, hint, label))


def _judge(archive: zipfile.ZipFile, size: int, hint: str | None, label: str) -> list[Member]:
    members: list[Member] = []
    taken: set[str] = set()
    for info in archive.infolist():
        fault = _fault(info)
        try:
            place = None if fault or info.is_dir() else place_of(_parts(info), hint)
        except ValueError as error:
            fault = str(error)
        if fault:
            raise DataError(f"{label}: {_shown(info)}: {fault}; nothing was unpacked")
        if place is None:
            continue
        if info.flag_bits & _ENCRYPTED:
            raise DataError(f"{label}: {_shown(info)}: must not be encrypted; give an archive without a password")
        if info.compress_type not in _METHODS:
            raise DataError(f"{label}: {_shown(info)}: must be stored or deflated, method {info.compress_type} is not")
        key = unicodedata.normalize("NFC", str(place)).casefold()  # what one file is on a Mac
        if key in taken:
            raise DataError(f"{label}: {_shown(info)}: must be there once, another member has the same name")
        taken.add(key)
        members.append(Member(info, place))
    if not members:
        raise DataError(f"{label}: must hold scans (.nii or .nii.gz), it has none")
    total = sum(member.info.file_size for member in members)
    if total > MAX_BYTES or total > MAX_RATIO * size:
        raise DataError(
            f"{label}: must unpack to at most {MAX_BYTES >> 30} GiB and {MAX_RATIO} times its size, "
            f"got {total:,} bytes out of {size:,}"
        )
    return members


def _fault(info: zipfile.ZipInfo) -> str | None:
    """Tell what no honest archive has: a name that leads out of the folder, or a member that is no file."""
    name = info.orig_filename.replace("\\", "/")
    if name.startswith("/") or _DRIVE.match(name):
        return "a name must be relative"
    if ".." in name.split("/"):
        return "a name must not lead upwards"
    if any(unicodedata.category(letter) in _UNSEEN for letter in name):
        return "a name must be without control characters"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a member must be a file or a folder, this is a link or a device"
    return None


def _parts(info: zipfile.ZipInfo) -> tuple[str, ...]:
    return tuple(part for part in info.orig_filename.replace("\\", "/").split("/") if part not in ("", "."))


def _shown(info: zipfile.ZipInfo) -> str:
    """A member's name, fit for a terminal and for one line."""
    return ascii(info.orig_filename)[1:-1][:120]


def _words(error: Exception) -> str:
    return ascii(" ".join(str(error).split()) or type(error).__name__)[1:-1][:200]
