"""The one file of a request's body, to a path of ours: its kind is seen from its first bytes, its name is a label."""

import re
from pathlib import Path
from types import TracebackType

from ctexp.scans.dicom.recognise import PEEK_BYTES, is_dicom, is_zip
from ctexp.scans.inflate import GZIP_MAGIC
from ctexp.service.refusals import RefusalError

KINDS = "a NIfTI file (.nii, .nii.gz), a zipped DICOM series or a multi-frame DICOM file"
_NIFTI_HEADERS = {size.to_bytes(4, order) for size in (348, 540) for order in ("little", "big")}
_LONGEST_NAME = 100


def label(name: str | None) -> str:
    """Make a client's file name into what answers call the scan: no folder, nothing that cannot be printed."""
    last = re.split(r"[/\\]", name or "")[-1]
    printable = "".join(letter for letter in last if letter.isprintable()).strip()
    return printable[-_LONGEST_NAME:] if printable.strip(".") else "scan"


def is_scan(head: bytes) -> bool:
    """Tell from a file's first bytes, 132 of them where it has so many, whether it may hold a scan."""
    return head[:2] == GZIP_MAGIC or head[:4] in _NIFTI_HEADERS or is_zip(head) or is_dicom(head)


class Sink:
    """Writes a file and refuses it as soon as it is none that may hold a scan.

    Args:
        path: to write; must not exist.

    Raises:
        OSError: the disk does not take it.
        RefusalError: from `write` and `finish`, status 415 or 400.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=1 << 20)
        self._head = b""
        self._known = False
        self.size = 0

    def __enter__(self) -> "Sink":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        """Take the next bytes of the file."""
        if not self._known:
            self._head += data[:PEEK_BYTES]
            if len(self._head) >= PEEK_BYTES:
                self._check()
        self.size += len(data)
        self._file.write(data)

    def finish(self) -> None:
        """Take the end of the file."""
        if self.size == 0:
            raise RefusalError(400, "malformed", f"upload: must hold a scan, it is empty; send {KINDS}")
        if not self._known:
            self._check()
        self._file.close()

    def _check(self) -> None:
        if not is_scan(self._head):
            raise RefusalError(415, "wrong type", f"upload: must be {KINDS}, its first bytes are of none of them")
        self._known, self._head = True, b""
