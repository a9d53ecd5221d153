"""A file's bytes to the stored numbers of its slices: checked for size first, one slice at a time."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ctexp.errors import ScanError
from ctexp.scans.dicom.codestream import claimed_size
from ctexp.scans.dicom.header import Header

Stored = npt.NDArray[np.integer[Any]]
NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "")
_RLE = "1.2.840.10008.1.2.5"
_PLUGIN = {_RLE: "pydicom"}
"""pydicom's own decoder of run lengths is as quick as it need be, and damage cannot make it panic."""


def stored_dtype(header: Header) -> np.dtype[np.integer[Any]]:
    """Give the type of a file's numbers, in this machine's byte order."""
    return np.dtype(f"{'i' if header.signed else 'u'}{header.bits[0] // 8}")


class PixelData:
    """The voxels of one file.

    Args:
        header: of the file.
        data: the whole file.

    Raises:
        ScanError: the file ends before its voxels do, or is packed in a way that cannot be read.
    """

    def __init__(self, header: Header, data: bytes) -> None:
        self._header = header
        self._place = header.part.place
        rows, columns = header.shape
        self._frame_bytes = rows * columns * header.bits[0] // 8
        kind = data[header.pixel_offset + 4 : header.pixel_offset + 6]
        start = header.pixel_offset + (12 if kind in (b"OW", b"OB", b"UN") else 8)
        if header.syntax in NATIVE:
            missing = start + header.frames * self._frame_bytes - len(data)
            if missing > 0:
                raise ScanError(f"{self._place}: the file ends {missing} bytes before its voxels do; copy it again")
            self._voxels = memoryview(data)[start:]
            self._packed: list[bytes] = []
        else:
            self._packed = self._split(data[start:])

    def read(self, index: int) -> Stored:
        """Give one slice, (rows, columns), every bit as it was written.

        Raises:
            ScanError: the packed slice is damaged, or none of the size that the header says.
        """
        header = self._header
        if self._packed:
            return self._unpack(self._packed[index])
        dtype = stored_dtype(header).newbyteorder("<" if header.little_endian else ">")
        flat = np.frombuffer(self._voxels, dtype, header.shape[0] * header.shape[1], index * self._frame_bytes)
        return flat.reshape(header.shape).astype(stored_dtype(header), copy=False)

    def _split(self, value: bytes) -> list[bytes]:
        """Cut the packed voxels into slices, each of the size that the header says."""
        from pydicom.encaps import generate_frames

        header = self._header
        rows, columns = header.shape
        try:
            frames = list(generate_frames(value, number_of_frames=header.frames)) if _items_are_whole(value) else []
        except Exception:  # pydicom stumbles over damage in many ways
            frames = []
        if len(frames) < header.frames:
            raise ScanError(
                f"{self._place}: must hold {header.frames} packed slices, they are cut short; copy it again"
            )
        if not all(self._is_of_size(frame) for frame in frames):
            raise ScanError(f"{self._place}: packed slices must be {columns} x {rows} of one colour as the header says")
        return frames

    def _is_of_size(self, frame: bytes) -> bool:
        """Compare what a packed slice claims with the header. Run lengths claim nothing, but have their longest."""
        if self._header.syntax == _RLE:
            return len(frame) <= self._frame_bytes * 65 // 64 + 1024
        return claimed_size(frame) == (*self._header.shape, 1)

    def _unpack(self, frame: bytes) -> Stored:
        from pydicom.encaps import encapsulate
        from pydicom.pixels import get_decoder

        header = self._header
        rows, columns = header.shape
        try:
            decoder = get_decoder(header.syntax)
            usable = decoder.is_available
        except NotImplementedError:
            raise ScanError(
                f"{self._place}: its voxels are packed in a way that is not read; export it otherwise"
            ) from None
        if not usable:
            raise ScanError(f'{self._place}: its packed voxels need the whole extra: pip install "ctexp[dicom]"')
        try:
            array, _ = decoder.as_array(
                encapsulate([frame]),
                index=0,
                raw=True,
                decoding_plugin=_PLUGIN.get(header.syntax, ""),
                correct_unused_bits=False,
                rows=rows,
                columns=columns,
                number_of_frames=1,
                samples_per_pixel=1,
                photometric_interpretation="MONOCHROME2",
                bits_allocated=header.bits[0],
                bits_stored=header.bits[1],
                pixel_keyword="PixelData",
                pixel_representation=int(header.signed),
            )
        except Exception:  # decoders stumble over damage in many ways
            raise ScanError(f"{self._place}: a packed slice is damaged and cannot be unpacked; copy it again") from None
        if array.shape != header.shape:
            raise ScanError(f"{self._place}: a packed slice must be {columns} x {rows}, it is {array.shape}")
        unpacked: Stored = array.astype(stored_dtype(header), copy=False)
        return unpacked


def _items_are_whole(value: bytes) -> bool:
    """Tell whether every item of the packed voxels ends within the file: decoders make up what is missing."""
    offset = 0
    while value[offset : offset + 4] == b"\xfe\xff\x00\xe0":
        offset += 8 + int.from_bytes(value[offset + 4 : offset + 8], "little")
    return 0 < offset <= len(value)
