"""A zip's own list of members, measured before Python's reader holds all of it in memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAX_LIST_BYTES = 16 << 20
"""Room for 100,000 members; held in memory while an archive is open."""

_END, _LOCATOR, _LARGE_END = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"
_END_BYTES, _LOCATOR_BYTES, _LARGE_END_BYTES = 22, 20, 56
_MAX_COMMENT = 1 << 16


@dataclass(frozen=True)
class MemberList:
    """What an archive announces of its list of members.

    Attributes:
        size: bytes that it takes.
        is_zip64: the archive is of the kind for over 65,535 members or 4 GiB.
    """

    size: int
    is_zip64: bool


def measure_list(path: Path) -> MemberList | None:
    """Read the records at an archive's end, where `zipfile` looks for them; None where no archive ends.

    A record within a comment or within another record deceives neither: the last whole one counts, as there.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        length = stream.seek(0, 2)
        begins = stream.seek(max(0, length - _MAX_COMMENT - _END_BYTES))
        tail = stream.read()
        end = len(tail) - _END_BYTES
        if end < 0 or tail[end : end + 4] != _END or tail[-2:] != b"\0\0":
            end = tail.rfind(_END)
        if end < 0 or len(tail) < end + _END_BYTES:
            return None
        size = int.from_bytes(tail[end + 12 : end + 16], "little")
        locator = _read(stream, begins + end - _LOCATOR_BYTES, _LOCATOR_BYTES)
        if locator[:4] != _LOCATOR:
            return MemberList(size, is_zip64=False)
        # Readers differ in where they take the record from: before the locator, or where the locator points to.
        places = (begins + end - _LOCATOR_BYTES - _LARGE_END_BYTES, int.from_bytes(locator[8:16], "little"))
        records = [_read(stream, place, _LARGE_END_BYTES) for place in places]
        sizes = [int.from_bytes(one[40:48], "little") for one in records if one[:4] == _LARGE_END]
        return MemberList(max(sizes, default=size), is_zip64=True)


def _read(stream: BinaryIO, place: int, size: int) -> bytes:
    """Give `size` bytes from a place in the file; none where there is no such place."""
    try:
        stream.seek(place)
        data = stream.read(size)
    except (OSError, ValueError, OverflowError):
        return b""
    return data if len(data) == size else b""
