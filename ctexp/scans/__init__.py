"""One scan: from a file's bytes to a volume in HU with its geometry, and to the array that a network reads.

Nothing here knows labels, collections or networks; of a file's header only geometry and numbers leave this room.
"""

from ctexp.scans.nifti import decode_nifti
from ctexp.scans.prepare import prepare
from ctexp.scans.read import read_scan, scan_suffix
from ctexp.scans.volume import Volume

__all__ = ["Volume", "decode_nifti", "prepare", "read_scan", "scan_suffix"]
