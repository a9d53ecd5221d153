"""A path to a volume: the one door through which every scan enters, NIfTI or DICOM."""

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from ctexp.errors import ScanError
from ctexp.scans.dicom import is_dicom, is_zip, open_series
from ctexp.scans.dicom.parts import MAX_PARTS
from ctexp.scans.dicom.recognise import PEEK_BYTES
from ctexp.scans.nifti import decode_nifti
from ctexp.scans.volume import Volume

SUFFIXES = (".nii.gz", ".nii")
MAX_FILE_BYTES = 4 << 30
_TOLD_FILES = 1000


@dataclass(frozen=True)
class ReadOptions:
    """How a DICOM series is read; a NIfTI file leaves no choice.

    Attributes:
        series: UID or number of the series to take; None for the axial CT with most slices.
        allow_gaps: interpolate missing or unevenly spaced slices where that is sound.
        one_patient: a collection says that the path is of one patient, so of scans in several sub-folders one is taken.
            Without it they are refused: they may be of as many patients.
    """

    series: str | None = None
    allow_gaps: bool = False
    one_patient: bool = False


class OpenedScan(Protocol):
    """A scan that was found and looks readable: what it is known by, and the way to its volume."""

    @property
    def sha256(self) -> str:
        """64 hex digits over the bytes that the volume is made of, wherever and under whatever name they lie."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What had to be decided to read it, a line each; for a person, not for a record."""

    def decode(self) -> Volume:
        """Decode it.

        Raises:
            ScanError: it is no readable CT volume.
        """


@dataclass(frozen=True, eq=False)
class NiftiFile:
    """A NIfTI file's bytes."""

    place: str
    data: bytes
    notes: tuple[str, ...] = ()

    @cached_property
    def sha256(self) -> str:
        """Hash of the bytes."""
        return hashlib.sha256(self.data).hexdigest()

    def decode(self) -> Volume:
        """Decode the bytes.

        Raises:
            ScanError: they are no readable CT volume.
        """
        return decode_nifti(self.data, self.place)


def scan_suffix(path: Path) -> str | None:
    """Give the part of the name that makes `path` a NIfTI file (`.nii`, `.nii.gz`), or None."""
    return next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None)


def peek(path: Path) -> bytes:
    """Give a file's first bytes; none where it cannot be read or is no file."""
    try:
        if not path.is_file():  # a pipe would keep the reader waiting
            return b""
        with path.open("rb") as stream:
            return stream.read(PEEK_BYTES)
    except OSError:
        return b""


def read_bytes(path: Path) -> bytes:
    """Read a scan file whole.

    Raises:
        ScanError: it is not there, is no file, cannot be read, or is larger than 4 GiB.
    """
    try:
        if not path.is_file():
            found = "a file, this is a folder" if path.is_dir() else "a file or a folder, there is none"
            raise ScanError(f"{path}: a scan must be {found}")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ScanError(f"{path}: a scan file must be at most 4 GiB, it has {size:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise ScanError(f"{path}: must be readable: {error.strerror or error}") from error


def open_scan(path: Path, options: ReadOptions = ReadOptions()) -> OpenedScan:
    """Find out what a path holds: a NIfTI file, or a DICOM series in a folder, a zip or one file.

    Raises:
        ScanError: it holds no scan, or one that breaks a rule; the message says which.
    """
    head = peek(path)
    if is_dicom(head) or is_zip(head) or _is_folder(path):
        _refuse_nifti_files(path)
        return open_series(path, series=options.series, allow_gaps=options.allow_gaps, one_patient=options.one_patient)
    opened = NiftiFile(str(path), read_bytes(path))
    if options.series is not None:
        raise ScanError(f"{path}: --series picks a series of a DICOM folder or zip, this is neither")
    return opened


def read_scan(path: Path, options: ReadOptions = ReadOptions()) -> Volume:
    """Read one scan.

    Raises:
        ScanError: it is no readable CT volume; the message says why.
    """
    return open_scan(path, options).decode()


def _refuse_nifti_files(path: Path) -> None:
    """Tell who names a folder of NIfTI files that each of them is a scan; a DICOM series may have some beside it."""
    scans: list[Path] = []
    looked = 0
    for folder, _, names in os.walk(path):
        files = [Path(folder) / name for name in sorted(names)]
        scans += [file for file in files if scan_suffix(file)]
        others = (file for file in files if not scan_suffix(file))
        if any(is_dicom(head) or is_zip(head) for head in map(peek, others)):
            return  # mostly the first file that is looked at
        looked += len(files)
        if len(scans) > _TOLD_FILES or looked > MAX_PARTS:  # whoever names a whole disk is told so by `open_series`
            break
    if scans and looked <= MAX_PARTS:
        some = f"more than {_TOLD_FILES}" if len(scans) > _TOLD_FILES else f"{len(scans)}"
        raise ScanError(
            f"{path}: a scan must be a NIfTI file or hold DICOM files, this folder holds NIfTI files ({some}); "
            f"name the file: {scans[0]}"
        )


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False
