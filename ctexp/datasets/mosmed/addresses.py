"""Where MosMedData's scans come from: the published addresses, or what `--from` names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from ctexp.datasets.mosmed.layout import CLASSES, class_of
from ctexp.errors import DataError

BASE = "https://github.com/hasibzunair/3D-image-classification-tutorial/releases/download/v0.2"
"""The 200-scan subset, about 1 GB a file. Its checksums were never published: see `record`."""
FILES = ("CT-0.zip", "CT-23.zip")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_KEPT_SIGNS = ":/?#[]@!$&'()*+,;=%~"
"""Signs that have a meaning in an address: quoted, they would lose it."""


@dataclass(frozen=True)
class Origin:
    """One thing that scans are taken from.

    Attributes:
        kind: a zip to download, a zip on this disk, or a folder on this disk.
        place: the address, or the absolute path; what it is recorded under.
        name: the file's or folder's own name.
        hint: the class of all its scans, where the name says it (`CT-0.zip`).
        sha256: the checksum that the user insists on.
    """

    kind: Literal["address", "zip", "folder"]
    place: str
    name: str
    hint: str | None = None
    sha256: str | None = None


def find_origins(typed: Sequence[str], checksums: Sequence[str] = ()) -> list[Origin]:
    """Find what to fetch from.

    Args:
        typed: what `--from` was given, nothing for the published addresses: base addresses of a mirror, addresses of
            zips, local zips, folders with class folders or with the zips.
        checksums: `NAME=HEX`, the SHA-256 of the file of that name.

    Raises:
        DataError: an address or a path that cannot be one of these, two of one name, or a wrong checksum argument.
    """
    origins = [origin for text in typed or [BASE] for origin in _origins_of(text)]
    names = [origin.name for origin in origins]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"--from: names must differ, got {name} twice; give one of the two")
    insisted = _checksums(checksums, {origin.name for origin in origins if origin.kind != "folder"})
    return [replace(origin, sha256=insisted.get(origin.name)) for origin in origins]


def _origins_of(text: str) -> list[Origin]:
    if _SCHEME.match(text):
        address = _checked_address(text)
        if address.lower().endswith(".zip"):
            return [_address(address)]
        return [_address(f"{address.rstrip('/')}/{name}") for name in FILES]
    path = Path(text).expanduser()
    try:
        path = path.resolve(strict=True)
        if path.is_dir():
            return _folder(path)
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: links in a circle, a home that is not known
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"--from {text}: must be an address, a zip or a folder: {reason}") from error
    return [Origin("zip", str(path), path.name, class_of(path.stem))]


def _checked_address(text: str) -> str:
    """Check an address and write what is no ASCII in percent."""
    try:
        parts = urlsplit(text)
        sound = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError as error:
        raise DataError(f"--from: must be an address that can be read: {error}") from error
    if parts.scheme.lower() not in ("http", "https"):
        raise DataError(f"--from: an address must be http or https, got {parts.scheme}; give local files by their path")
    if parts.username is not None or parts.password is not None:
        raise DataError(f"--from: an address must be without user name and password, got one for {parts.hostname}")
    if not sound:
        raise DataError(f"--from {text}: an address must name a host, such as https://example.org/mosmed")
    return quote(parts._replace(fragment="").geturl(), safe=_KEPT_SIGNS)


def _address(address: str) -> Origin:
    name = re.sub(r"[^A-Za-z0-9._-]", "_", unquote(address.rpartition("/")[2]))[-80:]
    return Origin("address", address, name, class_of(name[: -len(".zip")]))


def _folder(path: Path) -> list[Origin]:
    """A folder is a mirror where it holds the zips and no class folder, else scans that are unpacked already."""
    zips = [path / f"{name}.zip" for name in CLASSES if (path / f"{name}.zip").is_file()]
    if zips and not any((path / name).is_dir() for name in (*CLASSES, "studies")):
        return [Origin("zip", str(file), file.name, class_of(file.stem)) for file in zips]
    return [Origin("folder", str(path), path.name, class_of(path.name))]


def _checksums(typed: Sequence[str], names: set[str]) -> dict[str, str]:
    found = {}
    for text in typed:
        name, _, digits = text.rpartition("=")
        if not re.fullmatch(r"[0-9a-fA-F]{64}", digits):
            raise DataError(f"--sha256: must be NAME=HEX with 64 hexadecimal digits, got {text}")
        if name not in names:
            raise DataError(f"--sha256 {name}: must name a file that is fetched, these are {', '.join(sorted(names))}")
        found[name] = digits.lower()
    return found
