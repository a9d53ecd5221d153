"""A zip's members in memory: nothing is written to disk, and nothing larger than it may be is unpacked."""

import zipfile
import zlib
from pathlib import Path, PurePath, PurePosixPath

from ctexp.errors import ScanError
from ctexp.scans.dicom.parts import MAX_BYTES, MAX_PARTS, Part, is_hidden
from ctexp.scans.zips import MAX_LIST_BYTES, measure_list

_FAULTS = (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError, NotImplementedError, KeyError)


def zip_parts(path: Path) -> list[Part]:
    """List a zip's members, sorted by name.

    Raises:
        ScanError: it is damaged, encrypted, packed by another method than deflate, or claims too much.
    """
    try:
        _check_list(path)
        archive = zipfile.ZipFile(path)  # closed when the last of its parts is gone
        members = [info for info in archive.infolist() if not info.is_dir() and not _is_hidden(info.filename)]
    except ScanError:
        raise
    except _FAULTS as error:
        raise ScanError(f"{path}: the zip archive is damaged; copy or download it again") from error
    total = sum(info.file_size for info in members)
    if len(members) > MAX_PARTS or total > MAX_BYTES:
        raise ScanError(
            f"{path}: a zip must hold at most {MAX_PARTS:,} files and 4 GiB unpacked, "
            f"it claims {len(members):,} and {total:,} bytes"
        )
    if any(info.flag_bits & 1 for info in members):
        raise ScanError(f"{path}: must not be encrypted; unpack it first")
    if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in members):
        raise ScanError(f"{path}: its files must be stored or deflated, they are packed otherwise; unpack it first")
    return [_part(path, archive, info) for info in sorted(members, key=lambda info: info.filename)]


def _part(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Part:
    place = f"{path}: {info.filename.encode('ascii', 'replace').decode()[-80:]}"

    def read(limit: int | None) -> bytes:
        size = info.file_size if limit is None else min(limit, info.file_size)
        try:
            with archive.open(info) as stream:  # a size is always given: without one zipfile unpacks what there is
                data = stream.read(size)
        except _FAULTS as error:
            raise ScanError(f"{place}: damaged in the zip archive; copy or download the archive again") from error
        if len(data) < size:
            raise ScanError(f"{place}: cut short in the zip archive; copy or download the archive again")
        return data

    steps = [step for step in PurePosixPath(info.filename.replace("\\", "/")).parts if step not in ("/", "..")]
    return Part(place, read, PurePath(*steps[:-1]))


def _is_hidden(name: str) -> bool:
    return any(is_hidden(step) for step in name.split("/"))


def _check_list(path: Path) -> None:
    """Refuse a list of members that would fill the memory, before zipfile reads it whole.

    Archives of the kind for over 65,535 members or 4 GiB (zip64) are refused with it: both are beyond what is read.
    """
    members = measure_list(path)
    if members is None:
        raise ScanError(f"{path}: the zip archive is cut short; copy or download it again")
    if members.is_zip64 or members.size > MAX_LIST_BYTES:
        raise ScanError(f"{path}: a zip must hold at most {MAX_PARTS:,} files and 4 GiB unpacked; unpack it first")
