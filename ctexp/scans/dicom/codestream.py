"""The size that a compressed picture claims for itself, read before a decoder asks memory for it."""

_NO_FRAME = {0xC4, 0xC8, 0xCC}
_JPEG_2000 = b"\xff\x4f\xff\x51"


def claimed_size(stream: bytes) -> tuple[int, int, int] | None:
    """Give rows, columns and components of a JPEG, JPEG-LS or JPEG 2000 stream; None for what is none of these."""
    if stream[:2] == b"\xff\xd8":
        return _jpeg(stream)
    start = stream.find(_JPEG_2000, 0, 4096)
    if start < 0 or len(stream) < start + 42:
        return None
    sizes = [int.from_bytes(stream[start + 8 + 4 * n : start + 12 + 4 * n], "big") for n in range(4)]
    return sizes[1] - sizes[3], sizes[0] - sizes[2], int.from_bytes(stream[start + 40 : start + 42], "big")


def _jpeg(stream: bytes) -> tuple[int, int, int] | None:
    offset = 2
    while offset + 4 <= len(stream) and stream[offset] == 0xFF:
        marker = stream[offset + 1]
        if marker == 0xFF:  # fill byte
            offset += 1
            continue
        if (0xC0 <= marker <= 0xCF and marker not in _NO_FRAME) or marker == 0xF7:
            frame = stream[offset + 5 : offset + 10]
            return (
                int.from_bytes(frame[:2], "big"),
                int.from_bytes(frame[2:4], "big"),
                frame[4] if len(frame) > 4 else 0,
            )
        offset += 2 + int.from_bytes(stream[offset + 2 : offset + 4], "big")
    return None
