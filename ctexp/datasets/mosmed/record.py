"""What was fetched, and its checksums, in `source.json` beside the scans.

The true checksums of the published files are known to nobody who could tell us. So they are pinned by the first fetch
(trust on first use): the same address may later give nothing else, unless a user insists on a checksum by `--sha256`.
"""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

from ctexp.errors import DataError
from ctexp.files import atomic_write

FILE = "source.json"
_ABOUT = {
    "collection": "MosMedData: Chest CT Scans With COVID-19 Related Findings",
    "reference": "Morozov et al. 2020, arXiv 2005.06465",
    "licence": "CC BY-NC-ND 3.0",
}


@dataclasses.dataclass(frozen=True)
class Received:
    """One thing that was fetched whole.

    Attributes:
        address: of the zip, or the path of the zip or folder.
        name: its file name.
        size: bytes of the zip, or of the folder's scans.
        sha256: of the zip; None for a folder.
        insisted: whether the user gave the checksum; else it was pinned as it came.
        date: when, ISO 8601 with time zone.
        scans: how many of each class.
    """

    address: str
    name: str
    size: int
    sha256: str | None
    insisted: bool
    date: str
    scans: dict[str, int]


def read_record(folder: Path) -> dict[str, Received]:
    """Read what was fetched into a folder, by address; empty where there is no record.

    Raises:
        DataError: there is a record that cannot be read.
    """
    path = folder / FILE
    try:
        entries = [Received(**entry) for entry in json.loads(path.read_bytes())["sources"]]
        for entry in entries:
            if not (isinstance(entry.address, str) and isinstance(entry.sha256, str | None)):
                raise TypeError("an address and a checksum must be text")
            if not all(isinstance(number, int) for number in entry.scans.values()):
                raise TypeError("scans must be counted")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: must be the record that a fetch wrote ({error}); move it away") from error
    return {entry.address: entry for entry in entries}


def write_record(folder: Path, entries: Iterable[Received]) -> None:
    """Write the record of a folder, whole or not at all.

    Raises:
        OSError: the disk does not take it.
    """
    value = {**_ABOUT, "sources": [dataclasses.asdict(entry) for entry in entries]}
    with atomic_write(folder / FILE) as stream:
        stream.write((json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def check_sum(name: str, found: str, insisted: str | None, pinned: str | None) -> None:
    """Compare a file's checksum with what it must be; what the user insists on outweighs what was pinned.

    Raises:
        DataError: it is another.
    """
    if insisted is not None and found != insisted:
        raise DataError(f"{name}: SHA-256 must be {insisted} as --sha256 says, got {found}")
    if insisted is None and pinned is not None and found != pinned:
        raise DataError(
            f"{name}: SHA-256 must be {pinned} as at the first fetch, got {found}: the file has changed at its source; "
            f"if that is right, say --sha256 {name}={found}"
        )
