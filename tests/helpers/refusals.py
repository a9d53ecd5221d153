"""Scans that must be refused."""

import tracemalloc
from pathlib import Path

import pytest

from ctexp.errors import ScanError
from ctexp.scans.read import read_scan


def refused(path: Path, says: str) -> None:
    """Check that a scan is refused in one line and in little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(ScanError, match=says) as caught:
            read_scan(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
