"""The size that a compressed picture claims, read from made-up streams before any decoder sees them."""

import struct

from ctexp.scans.dicom.codestream import claimed_size

START = b"\xff\xd8"
SEGMENT = b"\xff\xe0\x00\x06abcd"
FRAME = b"\xff\xc3\x00\x0b\x10" + struct.pack(">HHB", 512, 384, 1) + b"\x01\x11\x00"


def test_jpeg_says_rows_columns_and_components() -> None:
    """Other segments, fill bytes and tables with a frame's number are passed over on the way to the frame."""
    tables = b"\xff\xc4\x00\x04\x00\x00"
    for before in (b"", SEGMENT, b"\xff\xff" + SEGMENT, tables + SEGMENT):
        assert claimed_size(START + before + FRAME) == (512, 384, 1)
    lossless = FRAME.replace(b"\xff\xc3", b"\xff\xf7")
    assert claimed_size(START + lossless) == (512, 384, 1)


def test_what_has_no_frame_claims_nothing() -> None:
    """A stream without a frame, one that is cut short and one that is no picture are left to their decoder."""
    for stream in (START + SEGMENT, START, START + b"junk that is no segment", b"RIFF", b""):
        assert claimed_size(stream) is None
    assert claimed_size(START + FRAME[:9]) == (512, 384, 0)  # cut within the frame: no component is claimed


def test_jpeg_2000_says_its_size_without_its_offset() -> None:
    """The reference grid less the offset, also within a JP2 file's boxes; a cut header claims nothing."""
    header = b"\xff\x4f\xff\x51" + struct.pack(">HHIIII", 47, 0, 400, 520, 16, 8) + bytes(16) + struct.pack(">H", 3)
    assert claimed_size(header + bytes(8)) == (512, 384, 3)
    assert claimed_size(b"\x00\x00\x00\x0cjP  \r\n\x87\n" + header) == (512, 384, 3)
    assert claimed_size(header[:-1]) is None
