"""Names for files beside scans: after the scan's own, never twice, and never a scan's."""

from collections.abc import Iterable
from pathlib import Path

from ctexp.scans.read import scan_suffix

_LONGEST = 180
"""Bytes of a scan's name that are kept: file systems take 255 with what is appended."""


class FreeNames:
    """The names that are still free in a folder, as far as one call knows.

    Args:
        folder: where the files go.
        ends: what is appended to a stem; each scan gets one file of each.
        inputs: files that must not be overwritten.
    """

    def __init__(self, folder: Path, ends: tuple[str, ...], inputs: Iterable[Path] = ()) -> None:
        self._folder, self._ends = folder, ends
        self._taken = {_same(path) for path in inputs}

    def take(self, scan: Path) -> list[Path]:
        """Give a file for each end, named after a scan; a number is appended where the plain name is taken.

        A file of an earlier call is no hindrance: explaining a scan again replaces what was written.
        """
        name = scan.name or scan.resolve().name or "scan"
        suffix = scan_suffix(scan) or next((one for one in (".zip", ".dcm") if name.lower().endswith(one)), "")
        kept = "".join(letter if letter.isprintable() else "_" for letter in name[: len(name) - len(suffix)])
        base = kept.encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore") or "scan"
        number, files = 1, self._files(base)
        while any(_same(file) in self._taken for file in files):
            number += 1
            files = self._files(f"{base}-{number}")
        self._taken |= {_same(file) for file in files}
        return files

    def _files(self, stem: str) -> list[Path]:
        return [self._folder / f"{stem}{end}" for end in self._ends]


def _same(path: Path) -> str:
    # Some file systems do not tell capitals from small letters.
    return str(path.absolute()).casefold()
