"""Gzip in memory: the bytes, in any pieces, or an error; never other bytes."""

import gzip
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.errors import ScanError
from ctexp.scans.inflate import Inflater

CONTENT = np.random.default_rng(0).integers(0, 9, 3000).astype(np.uint8).tobytes()
ARCHIVE = gzip.compress(CONTENT, mtime=0)


def inflate(data: bytes, size: int = len(CONTENT)) -> bytes:
    """Read `size` bytes and close."""
    stream = Inflater(data, "scan")
    content = stream.read(size)
    stream.close()
    return content


@given(st.lists(st.integers(0, 700), max_size=4), st.integers(1, 3))
def test_pieces_add_up_to_the_content(sizes: list[int], members: int) -> None:
    """Reads of any sizes hand out the content front to back, whether it lies in one gzip member or in several."""
    step = len(CONTENT) // members
    stream = Inflater(b"".join(gzip.compress(CONTENT[i : i + step]) for i in range(0, len(CONTENT), step)), "scan")
    parts = [stream.read(size) for size in sizes if size]
    parts.append(stream.read(len(CONTENT) - sum(sizes)))
    stream.close()
    assert b"".join(parts) == CONTENT


@given(st.lists(st.integers(0, 200_000), min_size=1, max_size=6), st.integers(1, 300_000))
def test_members_of_any_size_add_up(sizes: list[int], step: int) -> None:
    """Archives made in blocks, as `bgzip` makes them: blocks larger and smaller than what is looked at once."""
    noise = np.random.default_rng(len(sizes)).integers(0, 256, sum(sizes)).astype(np.uint8).tobytes()
    ends = np.cumsum([0, *sizes])
    archive = b"".join(gzip.compress(noise[a:b], 1) for a, b in itertools.pairwise(ends))
    stream = Inflater(archive + b"\0" * 9, "scan")
    step = max(step, len(noise) // 50)
    assert b"".join(stream.read(min(step, len(noise) - at)) for at in range(0, len(noise), step)) == noise
    with pytest.raises(ScanError, match="cut short"):
        stream.read(1)


def test_an_archive_of_nothing_is_refused() -> None:
    """Thousands of empty members hold no scan; they would take long to pass. A few, as at an archive's end, do."""
    empty = gzip.compress(b"", mtime=0)
    assert inflate(empty * 100 + ARCHIVE + empty) == CONTENT
    with pytest.raises(ScanError, match="scan: a gzip archive must hold a scan, 1000 empty members lie in a row"):
        inflate(empty * 1002 + ARCHIVE)


def test_every_cut_is_noticed() -> None:
    """An archive cut at any byte, its checksum included, raises."""
    for cut in range(2, len(ARCHIVE)):
        with pytest.raises(ScanError, match=r"^scan: "):
            inflate(ARCHIVE[:cut])


def test_flipped_bits_never_give_other_bytes() -> None:
    """A flipped bit raises, or lies where gzip keeps nothing of the content."""
    harmless = 0
    for place in range(2, len(ARCHIVE)):
        damaged = bytearray(ARCHIVE)
        damaged[place] ^= 1 << place % 8
        try:
            assert inflate(bytes(damaged)) == CONTENT
            harmless += 1
        except ScanError:
            pass
    assert harmless <= 8  # time stamp, flags of the packer, operating system


@pytest.mark.parametrize("tail", [b"\0" * 20, b"garbage", b"\x1f", gzip.compress(b"more", mtime=0)])
def test_what_follows_the_archive_is_dropped(tail: bytes) -> None:
    """Zero padding, garbage or another member behind the content does not matter."""
    assert inflate(ARCHIVE + tail) == CONTENT


def test_reading_past_the_end_says_how_much_is_missing() -> None:
    """The message has the count of bytes asked for and of those missing."""
    with pytest.raises(ScanError, match=r"holds 3,000 of 3,010 bytes that must be there"):
        inflate(ARCHIVE, 3010)


@pytest.mark.slow
def test_an_endless_tail_is_refused() -> None:
    """An archive that goes on for over 64 MiB after what was asked for is refused, not unpacked to its end."""
    bomb = gzip.compress(b"\0" * (66 << 20), 1)
    with pytest.raises(ScanError, match="over 64 MiB follow"):
        inflate(bomb, 10)
