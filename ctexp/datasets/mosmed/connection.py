"""One HTTP request for a file or the rest of it: http and https only, no wait without an end, certificates checked."""

import contextlib
import functools
import http
import http.client
import re
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urlsplit

from ctexp import __version__
from ctexp.address import SERVERS
from ctexp.errors import WorkError

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be another a moment later."""
_LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True)
class Patience:
    """How long a download goes on when the network does not.

    Attributes:
        timeout_s: to connect, and between two packets.
        attempts: one after the other without progress.
        pause_s: before the second attempt; it doubles with each.
        progress_bytes: so many new bytes and the attempts are counted anew.
        stall_s: a window of time in which `stall_bytes` must come, or the connection counts as dropped.
        stall_bytes: see `stall_s`.
    """

    timeout_s: float = 30.0
    attempts: int = 5
    pause_s: float = 1.0
    progress_bytes: int = 1 << 20
    stall_s: float = 60.0
    stall_bytes: int = 64 << 10


class PassingTroubleError(Exception):
    """A failure that may be gone at the next attempt.

    Args:
        reason: in words.
        wait_s: how long the server asks to be left alone.
    """

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class RangeGoneError(PassingTroubleError):
    """What is there cannot be continued; the next attempt must start again."""


@dataclass(frozen=True)
class Answer:
    """A server's answer whose body is to be read.

    Attributes:
        body: at most `total - start` bytes.
        start: the offset of the body in the file; 0 when the server sends it all.
        total: bytes of the whole file, where the server says so.
        validator: ETag or Last-Modified, by which a later request continues this very file.
        kind: the Content-Type.
    """

    body: http.client.HTTPResponse
    start: int
    total: int | None
    validator: str | None
    kind: str

    def read(self, size: int) -> bytes:
        """Read what has come, at most `size` bytes; nothing at the end.

        Raises:
            PassingTroubleError: the connection was dropped.
        """
        try:
            return self.body.read1(size)
        except (OSError, http.client.HTTPException) as error:
            raise PassingTroubleError(_reason(error)) from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows the redirects that GitHub's releases consist of, but never out of https nor to another scheme."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        old, new = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if new not in SERVERS or (old == "https" and new == "http"):
            raise WorkError(f"{req.full_url}: must not lead from {old} to {new or newurl}; give another --from")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@functools.cache
def _opener() -> urllib.request.OpenerDirector:
    """Only what http and https need: urllib's own opener would also read file:, ftp: and data: addresses."""
    context = ssl.create_default_context()
    with contextlib.suppress(ImportError, OSError):  # some Pythons on macOS come without certificates
        import certifi

        context.load_verify_locations(certifi.where())
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=context),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener


def ask(address: str, start: int, validator: str | None, timeout_s: float) -> Answer:
    """Ask for a file, from byte `start` on if it is still the one that `validator` names.

    Raises:
        PassingTroubleError: no answer, or one that may be another a moment later.
        WorkError: an answer that will not change, such as 404.
    """
    if urlsplit(address).scheme not in SERVERS:
        raise WorkError(f"{address}: must be http or https; give another --from")
    headers = {"User-Agent": f"ctexp/{__version__}", "Accept-Encoding": "identity"}
    if start and validator:
        headers |= {"Range": f"bytes={start}-", "If-Range": validator}
    try:
        body = _opener().open(urllib.request.Request(address, headers=headers), timeout=timeout_s)  # noqa: S310 - the opener knows http and https only
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(address, error) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = getattr(error, "reason", error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise WorkError(f"{address}: must have a valid certificate: {cause.verify_message}") from error
        if isinstance(error, http.client.InvalidURL) or not isinstance(error, (OSError, http.client.HTTPException)):
            raise WorkError(f"{address}: must be an address that can be asked: {error}") from error
        raise PassingTroubleError(_reason(cause if isinstance(cause, Exception) else error)) from error
    try:
        return _understand(address, body, start)
    except BaseException:
        body.close()
        raise


def _understand(address: str, body: http.client.HTTPResponse, start: int) -> Answer:
    headers = body.headers
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise WorkError(f"{address}: must be sent as it is, got Content-Encoding {headers['Content-Encoding']}")
    etag, modified = headers.get("ETag", ""), headers.get("Last-Modified")
    validator = etag if etag.startswith('"') else modified  # a weak ETag does not promise the same bytes
    kind = headers.get_content_type() if "Content-Type" in headers else "no content type"
    if body.status == http.client.PARTIAL_CONTENT:
        given = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", headers.get("Content-Range", "").strip())
        if not start or not given or int(given[1]) != start:
            raise RangeGoneError("the server sent another range than it was asked for")
        return Answer(body, start, None if given[3] == "*" else int(given[3]), validator, kind)
    if body.status != http.client.OK:
        raise WorkError(f"{address}: must be a file, the server answered {_words(body.status)}")
    return Answer(body, 0, body.length, validator, kind)


def _refusal(address: str, error: urllib.error.HTTPError) -> Exception:
    answer = f"the server answered {_words(error.code)}"
    if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
        return RangeGoneError(answer)
    if error.code in _PASSING:
        wait = error.headers.get("Retry-After", "")
        return PassingTroubleError(answer, min(float(wait), _LONGEST_PAUSE_S) if re.fullmatch(r"\d{1,9}", wait) else 0)
    return WorkError(f"{address}: must be a file, {answer}; --from takes a mirror or local files")


def _words(status: int) -> str:
    """Name a status in our own words: the server's would be printed on the user's terminal."""
    try:
        return f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "the server did not answer in time"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(f"the connection failed: {text}".split())
