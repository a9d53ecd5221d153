"""A request's body to a file of ours: bounded in size and time, whatever the client says or does."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.requests import ClientDisconnect, Request

from ctexp.service.limits import MEBI, Limits
from ctexp.service.multipart import FormReader
from ctexp.service.refusals import RefusalError
from ctexp.service.sink import KINDS, Sink, label

_FORM = "multipart/form-data"
_PLAIN = frozenset({
    "", "application/octet-stream", "application/zip", "application/x-zip-compressed", "application/gzip",
    "application/x-gzip", "application/dicom", "application/x-nifti", "application/nifti",
})  # fmt: skip
"""Of a body that is the file itself. What the file is, its own first bytes say."""
_FORM_BYTES = 64 << 10
"""Room for what a form has round its file."""


async def receive(request: Request, path: Path, limits: Limits) -> str:
    """Write the file of a request's body to `path`, and give the name that answers call it by.

    The bytes go to the disk's cache as they come: a client is read no faster than that, so that memory stays bounded.

    Args:
        request: POST, its body a multipart form with one file, or the file itself (then named by `?name=`).
        path: where; must not exist.
        limits: of size and time.

    Raises:
        RefusalError: 400, 408, 413, 415; 503 where the disk is full.
    """
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind != _FORM and kind not in _PLAIN:
        raise RefusalError(415, "wrong type", f"upload: Content-Type must be {_FORM} or application/octet-stream, "
                      f"got {label(kind)}; curl sends a file with -F scan=@FILE")  # fmt: skip
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise RefusalError(415, "wrong type", "upload: must come without Content-Encoding; send the file as it is")
    most = limits.upload_bytes + (_FORM_BYTES if kind == _FORM else 0)
    claimed = request.headers.get("content-length", "0")
    if not claimed.isdigit() or int(claimed) > most:
        raise _too_large(limits)
    try:
        with Sink(path) as sink:
            form = FormReader(content_type, sink.write) if kind == _FORM else None
            taken = 0
            async for piece in _pieces(request, limits):
                taken += len(piece)
                if taken > most:
                    raise _too_large(limits)
                if form:
                    form.feed(piece)
                else:
                    sink.write(piece)
            if form:
                form.finish()
            sink.finish()
    except OSError as error:
        raise RefusalError(503, "failed", f"service: must be able to keep an upload while it answers: {error.strerror}",
                      retry_after=30) from error  # fmt: skip
    return label(form.name if form else request.query_params.get("name"))


async def _pieces(request: Request, limits: Limits) -> AsyncIterator[bytes]:
    """Give the body as it comes.

    Raises:
        RefusalError: 408 for a client that is silent or slow, 400 for one that is gone.
    """
    stream = request.stream()
    end = time.monotonic() + limits.body_seconds
    while True:
        left = min(limits.silence_seconds, end - time.monotonic())
        try:
            async with asyncio.timeout(max(0.0, left)):
                piece = await anext(stream, None)
        except TimeoutError as error:
            raise RefusalError(408, "slow body", f"upload: must be sent within {limits.body_seconds:g} s and without a "
                          f"silence of {limits.silence_seconds:g} s, it was not") from error  # fmt: skip
        except ClientDisconnect as error:
            raise RefusalError(400, "gone", "upload: ended before it was whole") from error
        if piece is None:
            return
        yield piece


def _too_large(limits: Limits) -> RefusalError:
    most = limits.upload_bytes / MEBI
    return RefusalError(413, "too large", f"upload: must be at most {most:,.0f} MiB; {KINDS} of one scan is")
