"""The few tags of a file that say what it is, where its slices lie and how its numbers are meant."""

import io
from dataclasses import dataclass
from typing import Any

from ctexp.errors import ScanError
from ctexp.scans.dicom.kinds import other_kind
from ctexp.scans.dicom.library import require_pydicom
from ctexp.scans.dicom.parts import Part
from ctexp.scans.dicom.recognise import is_dicom, refuse_deflated
from ctexp.scans.dicom.tags import get, several, whole
from ctexp.scans.nifti import MAX_VOXELS

TAGS = [
    "SOPClassUID", "Modality", "ImageType", "SeriesInstanceUID", "SeriesNumber", "ImagePositionPatient",
    "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel",
    "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept", "RescaleType",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "StudyInstanceUID",
]  # fmt: skip
"""All that is read. No name, id, date or institution is among them; the study's UID is compared and not kept."""
HEAD_BYTES = 1 << 16
"""Most slices' headers end within; where one does not the whole file is read for it."""
MAX_SIDE = 2048
"""Of a slice, in voxels; the finest scanners there are make as many."""
MAX_READS = 500_000
"""By the parser, of one header: a slice's takes some hundreds, that of 2,000 frames in one file some ten thousands. To
a parser every eight zeros are an empty element; unbounded, a small archive of zeros would keep it busy for long."""
_PIXEL_DATA = {True: b"\xe0\x7f\x10\x00", False: b"\x7f\xe0\x00\x10"}


@dataclass(frozen=True, eq=False)
class Header:
    """What is known of a CT file.

    Attributes:
        part: the file.
        dataset: the tags of `TAGS`.
        uid: of the series; empty where there is none.
        number: of the series.
        derived: the pictures were computed from others.
        shape: rows and columns.
        frames: slices in the file.
        bits: allocated, stored and the highest one.
        signed: whether numbers are signed.
        padding: lowest and highest number that stand for no measurement.
        syntax: the transfer syntax.
        little_endian: the byte order.
        pixel_offset: where the element with the voxels begins.
    """

    part: Part
    dataset: Any
    uid: str
    number: int | None
    derived: bool
    shape: tuple[int, int]
    frames: int
    bits: tuple[int, int, int]
    signed: bool
    padding: tuple[int, int] | None
    syntax: str
    little_endian: bool
    pixel_offset: int


@dataclass(frozen=True)
class Other:
    """A DICOM file that is no CT slice."""

    kind: str
    uid: str
    number: int | None


def read_header(part: Part) -> Header | Other | None:
    """Read one file's header; None when it is no DICOM file and does not claim to be one.

    Raises:
        ScanError: the header is damaged or claims what no CT has.
    """
    data = part.read(HEAD_BYTES)
    if not is_dicom(data):
        if part.is_named_dicom:
            raise ScanError(
                f"{part.place}: must be a DICOM file as its name says, its first bytes are none; copy it again"
            )
        return None
    refuse_deflated(data, part.place)
    offset = None
    try:
        dataset, offset = _parse(data, part.place)
    except ScanError:
        if len(data) < HEAD_BYTES:
            raise  # else it may be cut off within a sequence, whose end pydicom then misses
    if offset is None and len(data) == HEAD_BYTES:
        dataset, offset = _parse(part.read(None), part.place)
    image_type = tuple(str(word).strip().upper() for word in several(get(dataset, "ImageType", part.place)))
    uid = "".join(sign for sign in str(get(dataset, "SeriesInstanceUID", part.place) or "") if sign in "0123456789.")
    number = _series_number(dataset)
    kind = other_kind(dataset, image_type, offset is not None, part.place)
    if kind is not None or offset is None:
        return Other(kind or "without a picture", uid, number)
    return _ct_header(part, dataset, uid, number, image_type, offset)


def _parse(data: bytes, place: str) -> tuple[Any, int | None]:
    """Parse up to the voxels; give the tags and where the element with the voxels begins."""
    pydicom = require_pydicom(place)
    stream = _Bounded(data)
    try:
        dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=True, specific_tags=TAGS)
        offset = stream.tell()
        little = bool(dataset.original_encoding[1])
    except Exception:  # pydicom stumbles over damage in many ways, and quotes values where it does
        raise ScanError(f"{place}: the DICOM header is damaged; copy the file again") from None
    return dataset, offset if data[offset : offset + 4] == _PIXEL_DATA[little] else None


class _Bounded(io.BytesIO):
    """Bytes that can be read from only so often."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._left = MAX_READS

    def read(self, size: int | None = -1, /) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise ValueError("too many elements")
        return super().read(size)


def _ct_header(
    part: Part, dataset: Any, uid: str, number: int | None, image_type: tuple[str, ...], offset: int
) -> Header:
    place = part.place
    rows, columns = (whole(dataset, name, place, 2, MAX_SIDE) for name in ("Rows", "Columns"))
    frames = whole(dataset, "NumberOfFrames", place, 1, MAX_VOXELS // (rows * columns), 1)
    allocated = whole(dataset, "BitsAllocated", place, 8, 32)
    if allocated not in (8, 16, 32):
        raise ScanError(f"{place}: BitsAllocated must be 8, 16 or 32, the header says {allocated}")
    stored = whole(dataset, "BitsStored", place, 1, allocated, allocated)
    high = whole(dataset, "HighBit", place, stored - 1, allocated - 1, stored - 1)
    signed = whole(dataset, "PixelRepresentation", place, 0, 1, 0) == 1
    little = bool(dataset.original_encoding[1])
    syntax = str(get(dataset.file_meta, "TransferSyntaxUID", place) or "")
    return Header(
        part, dataset, uid, number, "DERIVED" in image_type[:1], (rows, columns), frames, (allocated, stored, high),
        signed, _padding(dataset, place, allocated, signed, little), syntax, little, offset,
    )  # fmt: skip


def _series_number(dataset: Any) -> int | None:
    """Give the number where there is one; it only helps the user to tell series apart."""
    try:
        return int(dataset.get("SeriesNumber"))
    except Exception:  # as in `_parse`
        return None


def _padding(dataset: Any, place: str, bits: int, signed: bool, little: bool) -> tuple[int, int] | None:
    ends = []
    for name in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        value = get(dataset, name, place)
        if isinstance(value, bytes):  # where nothing says whether it is signed
            value = int.from_bytes(value[:2], "little" if little else "big")
        if isinstance(value, int):
            value &= (1 << bits) - 1  # written signed for unsigned numbers, or the other way round, as often as not
            ends.append(value - (1 << bits) if signed and value >> (bits - 1) else value)
        elif name == "PixelPaddingValue":
            return None
    return min(ends), max(ends)
