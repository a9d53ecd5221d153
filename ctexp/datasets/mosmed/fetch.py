"""MosMedData's scans into a folder, from wherever they come: what `ctexp data fetch mosmed` does."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ctexp.datasets.mosmed.addresses import Origin
from ctexp.datasets.mosmed.connection import Patience
from ctexp.datasets.mosmed.download import Watch, download
from ctexp.datasets.mosmed.folder import Folder, look_through
from ctexp.datasets.mosmed.layout import unfit
from ctexp.datasets.mosmed.place import Place
from ctexp.datasets.mosmed.record import Received, check_sum
from ctexp.datasets.mosmed.unpack import Archive, open_archive
from ctexp.errors import DataError, WorkError

NOTICE = """\
MosMedData: Chest CT Scans With COVID-19 Related Findings (Morozov et al. 2020, arXiv 2005.06465).
Licence CC BY-NC-ND 3.0: name the authors, no commercial use, pass on nothing that you made of the scans.
https://creativecommons.org/licenses/by-nc-nd/3.0/"""


def fetch_mosmed(
    out: Path, origins: Sequence[Origin], watch: Watch, patience: Patience | None = None
) -> dict[str, int]:
    """Fetch scans into a folder with one sub-folder a class; what is there already is not fetched again.

    The collection appears, or changes, when everything that was asked for is whole. After an error, Ctrl-C or a kill
    the same call goes on where it was.

    Args:
        out: the collection's folder, usually `data/mosmed`.
        origins: what to fetch from, as `find_origins` gives it.
        watch: told the licence first, then how the work goes.
        patience: timeouts and attempts of downloads.

    Returns:
        How many scans each class of the collection has.

    Raises:
        DataError: an archive, a folder or a checksum that is wrong, or classes that do not go together.
        WorkError: the network or the disk failed.
    """
    watch.say(NOTICE)
    try:
        place = Place(out)
        with place.locked(watch.say):
            todo = [origin for origin in origins if not _is_there(origin, place, watch)]
            for origin in todo:
                if origin.kind == "address" and origin.hint is None:
                    _refuse_company(origin, place)
            try:
                for origin in todo:
                    _receive(origin, place, watch, patience or Patience())
            except BaseException:
                if place.unfinished:
                    watch.say("what has come is kept; the same command goes on with it")
                raise
            place.publish()
            return {name: place.count(name) for name in sorted(place.published())}
    except OSError as error:
        raise WorkError(f"{error.filename or out}: must be readable and writable: {error.strerror or error}") from error


def _is_there(origin: Origin, place: Place, watch: Watch) -> bool:
    """Tell whether nothing is to be fetched from an origin.

    Raises:
        DataError: scans are there, but not those that were fetched or are insisted on.
    """
    known = place.record().get(origin.place)
    there = place.published() | place.staged()
    if known and set(known.scans) <= there:
        for name, number in known.scans.items():
            if place.count(name) != number:
                raise DataError(
                    f"{place.out / name}: must hold the {number} scans that were fetched, it has {place.count(name)}; "
                    "remove the folder to fetch them again"
                )
        if known.sha256:
            check_sum(origin.name, known.sha256, origin.sha256, None)
        watch.say(f"{origin.name}: is there ({_listed(known.scans)})")
        return True
    if not known and origin.hint in there:
        number = place.count(origin.hint)
        if origin.sha256:
            raise DataError(
                f"--sha256 {origin.name}: must be compared with what is fetched, but {origin.hint} is there from "
                "elsewhere; remove the folder to fetch it, or leave --sha256 out"
            )
        watch.say(f"{origin.name}: is there, from elsewhere ({origin.hint} {number} scans); it is left as it is")
        return True
    return False


def _refuse_company(origin: Origin, place: Place) -> None:
    """Refuse an address whose classes are known only after a long download, when they may be there already."""
    known = place.record().get(origin.place)
    others = place.published() - set(known.scans if known else ())
    if others:
        raise DataError(
            f"{place.out}: must be empty for {origin.name}, whose classes cannot be told beforehand, "
            f"it has {', '.join(sorted(others))}; give another --out"
        )


def _receive(origin: Origin, place: Place, watch: Watch, patience: Patience) -> None:
    """Get one origin's scans staged."""
    if origin.kind == "folder":
        path = Path(origin.place)
        if place.out == path or place.out in path.parents:
            raise DataError(f"--from {path}: must be another folder than the one to fetch into")
        _stage(origin, look_through(path, origin.hint), None, place, watch)
    elif origin.kind == "zip":
        _open_and_stage(origin, Path(origin.place), place, watch)
    else:
        part = place.part(origin.name)
        if not part.is_whole(origin.place):
            watch.say(f"{origin.name}: from {origin.place}")
            download(origin.place, part, watch, patience, origin.name)
        try:
            _open_and_stage(origin, part.path, place, watch)
        except DataError as error:  # the server's fault and not the user's; kept, it would be found again each time
            part.discard()
            raise WorkError(f"{error}; the download was removed") from error
        part.discard()


def _open_and_stage(origin: Origin, path: Path, place: Place, watch: Watch) -> None:
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    known = place.record().get(origin.place)
    check_sum(origin.name, sha256, origin.sha256, known.sha256 if known else None)
    with open_archive(path, origin.hint, origin.name) as archive:
        _stage(origin, archive, (path.stat().st_size, sha256), place, watch)


def _stage(origin: Origin, scans: Archive | Folder, file: tuple[int, str] | None, place: Place, watch: Watch) -> None:
    """Unpack or copy, and hand over; `file` is the zip's size in bytes and its SHA-256."""
    known = place.record().get(origin.place)
    others = (place.published() | place.staged()) - set(known.scans if known else ())
    twice = place.give_way(unfit(scans.classes, others))
    if twice:
        raise DataError(
            f"{origin.name}: must bring classes that are not there yet, {', '.join(sorted(twice))} came from elsewhere "
            "(and CT-23 is made of CT-2 and CT-3); give another --out"
        )
    with place.fresh() as folder:
        if isinstance(scans, Archive):
            counts = scans.unpack(folder, watch.stage(f"unpacking {origin.name}"))
        else:
            counts = scans.copy(folder, watch.stage(f"copying {origin.name}"))
        size, sha256 = file or (scans.bytes, None)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        place.stage(folder, Received(origin.place, origin.name, size, sha256, origin.sha256 is not None, now, counts))


def _listed(scans: dict[str, int]) -> str:
    return ", ".join(f"{name} {number} scans" for name, number in sorted(scans.items()))
