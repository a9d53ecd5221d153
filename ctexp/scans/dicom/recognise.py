"""What a file is, by its first bytes and never by its name."""

import struct

from ctexp.errors import ScanError

PEEK_BYTES = 132
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
"""Value representations whose length takes 4 bytes behind 2 that are reserved."""
_FIRST_TAGS = {struct.pack("<HH", 8, element) for element in (0, 1, 5, 6, 8, 0x12, 0x14, 0x16, 0x18)}


def is_dicom(head: bytes) -> bool:
    """Tell a DICOM file by its magic, or, where an old program left preamble and magic out, by its first element."""
    if head[128:132] == b"DICM":
        return True
    if len(head) < 12 or head[:4] not in _FIRST_TAGS:
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return bool(explicit or int.from_bytes(head[4:8], "little") <= 256)


def is_zip(head: bytes) -> bool:
    """Tell a zip archive by its first bytes."""
    return head[:4] in (b"PK\x03\x04", b"PK\x05\x06")


def refuse_deflated(head: bytes, place: str) -> None:
    """Refuse the one transfer syntax whose header itself is packed: unpacking it has no bound, and no CT uses it.

    Raises:
        ScanError: the file is of that kind, or its first group of elements has no end.
    """
    offset = 132 if head[128:132] == b"DICM" else 0
    while head[offset : offset + 2] == b"\x02\x00":
        kind = head[offset + 4 : offset + 6]
        if not (kind.isalpha() and kind.isupper()):  # written without value representations, against the standard
            start, length = offset + 8, int.from_bytes(head[offset + 4 : offset + 8], "little")
        elif kind in _LONG:
            start, length = offset + 12, int.from_bytes(head[offset + 8 : offset + 12], "little")
        else:
            start, length = offset + 8, int.from_bytes(head[offset + 6 : offset + 8], "little")
        if head[start : start + length].startswith(_DEFLATED):
            raise ScanError(f"{place}: must not be packed as a whole (deflated DICOM); export the series otherwise")
        offset = start + length
    if offset >= len(head):
        raise ScanError(f"{place}: the DICOM file is cut short or damaged, its header has no end; copy it again")
