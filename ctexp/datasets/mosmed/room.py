"""How much may come, and whether the disk has room for it."""

import shutil
from pathlib import Path

from ctexp.errors import WorkError

MAX_BYTES = 64 << 30
"""Of one archive, packed or unpacked; 1,110 scans of 10 MB, all of MosMedData, are 11 GB."""
SPARE_BYTES = 256 << 20
"""What is left free, for the other programs that write to the disk."""


def check_room(folder: Path, size: int) -> None:
    """Check that `size` more bytes fit onto the disk of a folder.

    Raises:
        WorkError: they do not.
    """
    free = shutil.disk_usage(folder).free
    if size + SPARE_BYTES > free:
        raise WorkError(
            f"{folder.parent}: must have room for {size / 1e6:,.0f} MB and some more, {free / 1e6:,.0f} MB are free; "
            "give another place by --out"
        )
