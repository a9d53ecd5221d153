"""A path to a volume: the one door through which every scan file enters."""

from pathlib import Path

from ctexp.errors import ScanError
from ctexp.scans.nifti import decode_nifti
from ctexp.scans.volume import Volume

SUFFIXES = (".nii.gz", ".nii")
MAX_FILE_BYTES = 4 << 30


def scan_suffix(path: Path) -> str | None:
    """Give the part of the name that makes `path` a scan (`.nii`, `.nii.gz`), or None."""
    return next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None)


def read_bytes(path: Path) -> bytes:
    """Read a scan file whole.

    Raises:
        ScanError: it is not there, is no file, cannot be read, or is larger than 4 GiB.
    """
    try:
        if not path.is_file():
            found = "this is a folder" if path.is_dir() else "there is none"
            raise ScanError(f"{path}: a scan must be a file, {found}")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ScanError(f"{path}: a scan file must be at most 4 GiB, it has {size:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise ScanError(f"{path}: must be readable: {error.strerror or error}") from error


def read_scan(path: Path) -> Volume:
    """Read one scan file.

    Raises:
        ScanError: the file is no readable CT volume; the message says why.
    """
    return decode_nifti(read_bytes(path), str(path))
