"""A file from an address to this disk, over connections that drop, servers that stumble, and kills in between."""

import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from ctexp.datasets.mosmed.connection import Answer, PassingTroubleError, Patience, RangeGoneError, ask
from ctexp.datasets.mosmed.part import Belonging, Part
from ctexp.datasets.mosmed.room import MAX_BYTES, check_room
from ctexp.errors import WorkError

MB = 1_000_000
_CHUNK = 1 << 18
_ZIP_BEGINS = b"PK\x03\x04"


class Watch(Protocol):
    """Who is told how the work goes."""

    def say(self, text: str) -> None:
        """Take a line."""

    def stage(self, name: str) -> Callable[[int, int], None]:
        """Begin a stage; what it returns is told (done, all)."""


def download(address: str, part: Part, watch: Watch, patience: Patience, label: str) -> None:
    """Download a zip into its part; what is there already is continued if the server can.

    Args:
        address: http or https.
        part: where the bytes go; whole when this returns, kept for the next time when it raises.
        watch: told of progress and of every attempt that failed.
        patience: timeouts and attempts.
        label: what messages call the file.

    Raises:
        WorkError: the server has no such file, sends something that is no zip, or fails too often.
        OSError: the disk does not take it.
    """
    failures, most = 0, part.size
    while not part.is_whole(address):
        try:
            _attempt(address, part, watch, patience, label)
        except PassingTroubleError as error:
            if isinstance(error, RangeGoneError):
                part.discard()
            if part.size >= most + patience.progress_bytes:
                failures, most = 0, part.size
            failures += 1
            if failures >= patience.attempts:
                raise WorkError(
                    f"{address}: must be downloadable, {error}, {failures} times; try again later, or --from a mirror"
                ) from error
            wait = max(error.wait_s, patience.pause_s * 2 ** (failures - 1))
            watch.say(f"{label}: {error}; trying again in {wait:.3g} s")
            time.sleep(wait)


def _attempt(address: str, part: Part, watch: Watch, patience: Patience, label: str) -> None:
    """Ask once and write what comes; returns when the file is whole."""
    old = part.belonging(address)
    start = part.size if old and old.validator and part.size <= (old.total or MAX_BYTES) else 0
    answer = ask(address, start, old.validator if old else None, patience.timeout_s)
    with answer.body:
        if answer.start and old:
            new = replace(old, total=old.total or answer.total)
            if answer.total not in (None, new.total):
                raise RangeGoneError("the file has another size than before")
            watch.say(f"{label}: going on after {start / MB:.0f} MB")
            head = b""
        else:
            head = _zip_head(address, answer)  # before the old bytes go: a login page must not cost them
            if start:
                watch.say(f"{label}: the server does not go on where it ended; starting again")
            new = Belonging(address, answer.validator, answer.total)
        if new.total and new.total > MAX_BYTES:
            raise WorkError(f"{address}: must have at most {MAX_BYTES >> 30} GiB, got {new.total:,} bytes announced")
        check_room(part.path.parent, max(0, (new.total or 0) - answer.start))
        if not answer.start:
            part.begin(new)
        _write(address, part, answer, head, new.total, watch.stage(f"downloading {label}, MB"), patience)
    if new.total is None:
        if not zipfile.is_zipfile(part.path):  # without a length only the zip itself can tell that it is whole
            raise PassingTroubleError("the file ended too early")
        new = replace(new, total=part.size)
    elif part.size != new.total:
        raise PassingTroubleError(f"the connection ended after {part.size:,} of {new.total:,} bytes")
    part.note(new)


def _zip_head(address: str, answer: Answer) -> bytes:
    """Read the first bytes, which must be a zip's: error pages, too, come with status 200."""
    head = b""
    while len(head) < len(_ZIP_BEGINS):
        more = answer.read(len(_ZIP_BEGINS) - len(head))
        if not more:
            break
        head += more
    if len(head) < min(len(_ZIP_BEGINS), answer.total or 0):
        raise PassingTroubleError("the connection ended at once")
    if head != _ZIP_BEGINS:
        raise WorkError(
            f"{address}: must be a zip, the server sent {ascii(answer.kind)[1:-1]} that begins with {head!r}; "
            "look at the address in a browser, or give another --from"
        )
    return head


def _write(
    address: str,
    part: Part,
    answer: Answer,
    head: bytes,
    total: int | None,
    progress: Callable[[int, int], None],
    patience: Patience,
) -> None:
    """Append the body to the part. Progress counts from where this answer begins, so that the time left is right."""
    size, told = answer.start, -1
    window_began, window_size = time.monotonic(), size
    with part.path.open("ab") as stream:
        chunk = head or answer.read(_CHUNK)
        while chunk:
            stream.write(chunk)
            stream.flush()  # a kill loses next to nothing that was received
            size += len(chunk)
            if size > MAX_BYTES:
                part.discard()
                raise WorkError(f"{address}: must have at most {MAX_BYTES >> 30} GiB, more came")
            done = (size - answer.start) // MB
            if total and done != told:
                told = done
                progress(done, max(1, (total - answer.start) // MB))
            if time.monotonic() - window_began > patience.stall_s:
                if size - window_size < patience.stall_bytes:
                    raise PassingTroubleError("the server sends next to nothing")
                window_began, window_size = time.monotonic(), size
            chunk = answer.read(_CHUNK)
