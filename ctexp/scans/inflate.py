"""Gzip in memory with a bound: never more bytes than asked for, whatever the archive claims."""

from isal import igzip_lib, isal_zlib

from ctexp.errors import ScanError

_IsalError: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]  # the stub calls the class an instance
_WINDOW_BYTES = 1 << 16
_MOST_EMPTY = 1000
"""Empty members in a row; a few are usual, at the end of archives that are made in blocks."""
GZIP_MAGIC = b"\x1f\x8b"


class Inflater:
    """Bytes of a gzip archive (one member or several) handed out front to back, each at most once.

    Args:
        data: the whole archive.
        place: name for error messages.
    """

    def __init__(self, data: bytes, place: str) -> None:
        self._archive = memoryview(data)
        self._data: bytes | memoryview = data
        self._given = len(data)
        self._place = place
        self._stream = isal_zlib.decompressobj(wbits=31)
        self._ended = False
        self._empty = 0

    def read(self, size: int) -> bytes:
        """Give the next `size` bytes.

        Raises:
            ScanError: the archive ends before, or is damaged.
        """
        parts: list[bytes] = []
        missing = size
        while missing > 0 and not self._ended:
            part = self._inflate(missing)
            parts.append(part)
            missing -= len(part)
        if missing > 0:
            raise ScanError(
                f"{self._place}: the gzip archive is cut short, it holds {size - missing:,} of {size:,} bytes that "
                "must be there; copy or download the file again"
            )
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Read to the end of the current member, so that its checksum is verified, and drop what follows.

        Raises:
            ScanError: the archive is cut short or its checksum is wrong.
        """
        dropped = 0
        while not self._ended and not self._stream.eof:
            dropped += len(self._inflate(1 << 20))
            if dropped > 64 << 20:  # a scan with 64 MiB behind its last voxel is a bomb, not a scan
                raise ScanError(f"{self._place}: the gzip archive must end with its voxels, over 64 MiB follow")
        if not self._stream.eof:
            raise ScanError(f"{self._place}: the gzip archive is cut short; copy or download the file again")

    def _inflate(self, limit: int) -> bytes:
        if self._stream.eof and not self._next_member():
            return b""
        if not self._data:
            self._data = self._archive[self._given : self._given + _WINDOW_BYTES]
            self._given += len(self._data)
        try:
            part = self._stream.decompress(self._data, limit)
        except _IsalError as error:
            raise ScanError(
                f"{self._place}: the gzip archive is damaged ({error}); copy or download the file again"
            ) from error
        self._data = self._stream.unconsumed_tail
        if part:
            self._empty = 0
        elif not self._data and not self._stream.eof and self._given == len(self._archive):
            self._ended = True
        return part

    def _next_member(self) -> bool:
        """Go on behind the member that has ended; False where nothing follows.

        The stream hands back, as a copy, what it was given and did not need. So only the first member, mostly the only
        one, is given all there is: an archive of many would be copied as many times.
        """
        self._given -= len(self._stream.unused_data)
        if bytes(self._archive[self._given : self._given + 2]) != GZIP_MAGIC:
            self._ended = True
            return False
        self._empty += 1
        if self._empty > _MOST_EMPTY:
            raise ScanError(f"{self._place}: a gzip archive must hold a scan, {_MOST_EMPTY} empty members lie in a row")
        self._data = b""
        self._stream = isal_zlib.decompressobj(wbits=31)
        return True
