"""Downloads over a real HTTP server that misbehaves: what arrives is the file, or one clear error."""

import hashlib
import io
import shutil
import socket
import struct
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ctexp.datasets.mosmed import Patience, find_origins
from ctexp.datasets.mosmed.connection import ask
from ctexp.datasets.mosmed.download import download
from ctexp.datasets.mosmed.part import Part
from ctexp.errors import DataError, WorkError

pytestmark = pytest.mark.slow  # real servers, archives and processes

ETAG = '"one"'
QUICK = Patience(timeout_s=10, attempts=3, pause_s=0.01)
ONCE = Patience(timeout_s=10, attempts=1)


class Told:
    """A watch that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.counts: list[tuple[str, int, int]] = []

    def say(self, text: str) -> None:
        """Remember it."""
        self.lines.append(text)

    def stage(self, name: str) -> Callable[[int, int], None]:
        """Remember each count."""
        return lambda done, every: self.counts.append((name, done, every))


class Web:
    """A server of one file; each request is answered as the next word of `script` says, the last word for ever.

    Attributes:
        data: the file.
        script: words that are methods of the handler below, without their `_`, or a status.
        etag: sent with the file, when there is one.
        modified: the Last-Modified that is sent.
        log: the requests' headers, with the path as `path`.
        arrived: tells how many bytes the client has written.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.script = ["good"]
        self.log: list[dict[str, str]] = []
        self.etag: str | None = ETAG
        self.modified: str | None = None
        self.arrived: Callable[[], int] = lambda: 0
        self.ended = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"web": self}))
        self.server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        self.address = f"{self.base}/CT-0.zip"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def ranges(self) -> list[str | None]:
        """The Range that each request asked for."""
        return [headers.get("Range") for headers in self.log]


class Handler(BaseHTTPRequestHandler):
    """Serves `web.data`, in every wrong way."""

    web: Web

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Do what the script says."""
        web = self.web
        web.log.append({**dict(self.headers), "path": self.path})
        word = web.script.pop(0) if len(web.script) > 1 else web.script[0]
        start = 0
        asked = self.headers.get("Range")
        if asked and self.headers.get("If-Range") in (web.etag, web.modified):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if word.isdigit():
            self.send_error(int(word))
        else:
            getattr(self, f"_{word}")(start)

    def _head(self, start: int, length: int | None, **more: str) -> None:
        total = len(self.web.data)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", more.pop("range", f"bytes {start}-{total - 1}/{total}"))
        if length is not None:
            self.send_header("Content-Length", str(length))
        if self.web.etag:
            self.send_header("ETag", self.web.etag)
        if self.web.modified:
            self.send_header("Last-Modified", self.web.modified)
        for name, value in ({"Content_Type": "application/zip"} | more).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _good(self, start: int) -> None:
        rest = self.web.data[start:]
        self._head(start, len(rest))
        self.wfile.write(rest)

    def _half(self, start: int) -> bytes:
        """Announce everything, send half."""
        rest = self.web.data[start:]
        self._head(start, len(rest))
        self.wfile.write(rest[: len(rest) // 2])
        self.wfile.flush()
        return rest

    _truncate = _half

    def _drop(self, start: int) -> None:
        sent = start + len(self._half(start)) // 2
        ends = time.monotonic() + 5
        while self.web.arrived() < sent and time.monotonic() < ends:  # else the reset overtakes what was sent
            time.sleep(0.002)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _drop_at_once(self, _: int) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _hang(self, start: int) -> None:
        self._half(start)
        self.web.ended.wait(5)

    def _hang_at_once(self, _: int) -> None:
        self.web.ended.wait(5)

    def _trickle(self, start: int) -> None:
        self._head(start, len(self.web.data))
        for at in range(200):
            self.wfile.write(self.web.data[at : at + 1])
            self.wfile.flush()
            if self.web.ended.wait(0.02):
                return

    def _ignore_range(self, _: int) -> None:
        self._good(0)

    def _no_length(self, start: int) -> None:
        self._head(start, None)
        self.wfile.write(self.web.data[start:])

    def _no_length_half(self, start: int) -> None:
        self._head(start, None)
        self.wfile.write(self.web.data[start : (start + len(self.web.data)) // 2])

    def _chunked_half(self, _: int) -> None:
        self.protocol_version = "HTTP/1.1"
        self._head(0, None, Transfer_Encoding="chunked")
        half = self.web.data[: len(self.web.data) // 2]
        self.wfile.write(b"%x\r\n%s\r\n" % (len(half), half))
        self.close_connection = True

    def _other_range(self, start: int) -> None:
        self._head(start, 10, range=f"bytes 0-9/{len(self.web.data)}") if start else self._half(0)
        self.wfile.write(self.web.data[:10] if start else b"")

    def _other_total(self, start: int) -> None:
        self._head(start, 10, range=f"bytes {start}-{start + 9}/{start + 10}") if start else self._half(0)

    def _huge(self, _: int) -> None:
        self._head(0, 65 << 30)
        self.wfile.write(self.web.data)

    def _nothing(self, _: int) -> None:
        self._head(0, 0)

    def _nothing_new(self, _: int) -> None:
        self.send_response(204)
        self.end_headers()

    def _html(self, _: int) -> None:
        page = b"<!DOCTYPE html><title>Log in</title>"
        self._head(0, len(page), Content_Type="text/html; charset=utf-8")
        self.wfile.write(page)

    def _packed(self, _: int) -> None:
        self._head(0, len(self.web.data), Content_Encoding="gzip")

    def _lead(self, to: str) -> None:
        self.send_response(302)
        self.send_header("Location", to)
        self.end_headers()

    def _elsewhere(self, _: int) -> None:
        self._lead("/signed?key=a%2Fb&x=1")

    def _to_file(self, _: int) -> None:
        self._lead("file:///etc/hostname")

    def _to_ftp(self, _: int) -> None:
        self._lead("ftp://127.0.0.1/CT-0.zip")

    def _to_itself(self, _: int) -> None:
        self._lead(self.path)

    def _busy(self, _: int) -> None:
        self.send_response(503)
        self.send_header("Retry-After", "7")
        self.end_headers()


def zip_of(size: int = 400_000) -> bytes:
    """A zip of one stored member, so that cutting it anywhere loses something."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("CT-0/a.nii", (hashlib.sha256(b"scan").digest() * (size // 32 + 1))[:size])
    return buffer.getvalue()


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A running server."""
    monkeypatch.setenv("no_proxy", "*")
    web = Web(zip_of())
    yield web
    web.ended.set()
    web.server.shutdown()
    web.server.server_close()


@pytest.fixture
def part(tmp_path: Path) -> Part:
    """Nothing downloaded yet."""
    return Part(tmp_path, "CT-0.zip")


def get(web: Web, part: Part, patience: Patience = QUICK, address: str | None = None) -> Told:
    """Download the server's file."""
    told = Told()
    web.arrived = lambda: part.size
    if any("hang" in word for word in web.script):
        patience = replace(patience, timeout_s=0.2)
    download(address or web.address, part, told, patience, "CT-0.zip")
    return told


@pytest.mark.parametrize(
    "script",
    [
        ["good"],
        ["drop", "good"],
        ["drop", "drop", "good"],
        ["truncate", "good"],
        ["hang", "good"],
        ["hang_at_once", "good"],
        ["drop_at_once", "good"],
        ["no_length"],
        ["no_length_half", "good"],
        ["no_length_half", "no_length"],
        ["chunked_half", "good"],
        ["500", "503", "good"],
        ["drop", "500", "good"],
        ["drop", "ignore_range"],
        ["drop", "truncate", "ignore_range"],
        ["drop", "416", "good"],
        ["other_range", "other_range", "good"],
        ["drop", "other_total", "good"],
        ["elsewhere", "good"],
        ["elsewhere", "drop", "elsewhere", "good"],
    ],
    ids=" ".join,
)
def test_the_file_arrives(web: Web, part: Part, script: list[str]) -> None:
    """Whatever goes wrong on the way, the bytes in the end are the server's, and it is known that they are all."""
    web.script = script
    get(web, part)
    assert part.path.read_bytes() == web.data
    assert part.is_whole(web.address)


@pytest.mark.parametrize("validator", ["etag", "modified"])
def test_a_break_is_gone_on_from(web: Web, part: Part, validator: str) -> None:
    """After a dropped connection only the rest is asked for, and only if the file is still the same one."""
    if validator == "modified":
        web.etag, web.modified = None, "Wed, 21 Oct 2020 07:28:00 GMT"
    web.script = ["drop", "good"]
    told = get(web, part)
    first, second = web.log
    assert "Range" not in first
    begun = int(second["Range"].removeprefix("bytes=").removesuffix("-"))
    assert 0 < begun < len(web.data)
    assert second["If-Range"] == (web.etag or web.modified)
    assert "trying again" in told.lines[0]
    assert "going on after" in told.lines[1]
    assert part.path.read_bytes() == web.data


def test_a_whole_file_is_not_asked_for_again(web: Web, part: Part) -> None:
    """What is known to be whole needs no server."""
    get(web, part)
    get(web, part)
    assert len(web.log) == 1


def test_a_file_that_changed_is_not_mixed(web: Web, part: Part) -> None:
    """Where the file changed between two attempts, the second gets all of the new one."""
    web.script = ["drop"]
    with pytest.raises(WorkError):
        get(web, part, ONCE)
    web.data, web.etag, web.script = zip_of(300_000), '"two"', ["good"]
    told = get(web, part)
    assert part.path.read_bytes() == web.data
    assert web.log[-1]["If-Range"] == ETAG
    assert any("starting again" in line for line in told.lines)


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_validator_it_starts_again(web: Web, part: Part, etag: str | None) -> None:
    """Bytes of a file that cannot be told from another are not continued."""
    web.etag, web.script = etag, ["drop", "good"]
    get(web, part)
    assert web.ranges() == [None, None]
    assert part.path.read_bytes() == web.data


def test_another_address_starts_again(web: Web, part: Part) -> None:
    """Bytes from one address are not continued from another."""
    web.script = ["drop"]
    with pytest.raises(WorkError):
        get(web, part, ONCE)
    web.script = ["good"]
    get(web, part, address=f"{web.base}/other/CT-0.zip")
    assert web.ranges() == [None, None]


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"address": 1}', "[" * 100_000], ids=lambda text: text[:9])
def test_a_damaged_note_starts_again(web: Web, part: Part, note: str) -> None:
    """Bytes that nobody can say the origin of are not continued."""
    part.path.write_bytes(b"x" * 1000)
    part.path.with_name("CT-0.zip.part.json").write_text(note)
    get(web, part)
    assert web.ranges() == [None]
    assert part.path.read_bytes() == web.data


@pytest.mark.parametrize(
    ("word", "requests", "says"),
    [
        ("404", 1, r"CT-0\.zip: must be a file, the server answered 404 Not Found; --from"),
        ("403", 1, "the server answered 403 Forbidden"),
        ("500", 3, "must be downloadable, the server answered 500 Internal Server Error, 3 times; try again later"),
        ("503", 3, "503 Service Unavailable, 3 times"),
        ("drop_at_once", 3, "must be downloadable, the connection failed: .*, 3 times"),
        ("hang_at_once", 3, "the server did not answer in time, 3 times"),
        ("html", 1, r"must be a zip, the server sent text/html that begins with b'<!DO'"),
        ("nothing", 1, "must be a zip, the server sent application/zip that begins with b''"),
        ("nothing_new", 1, "must be a file, the server answered 204 No Content"),
        ("huge", 1, "must have at most 64 GiB, got 69,793,218,560 bytes announced"),
        ("599", 1, "must be a file, the server answered 599;"),
        ("packed", 1, "must be sent as it is, got Content-Encoding gzip"),
        ("to_file", 1, "must be a file, the server answered 302 Found"),
        ("to_ftp", 1, "must not lead from http to ftp"),
        ("to_itself", 11, "must be a file, the server answered 302 Found"),
    ],
)
def test_what_cannot_be_had_is_one_error(web: Web, part: Part, word: str, requests: int, says: str) -> None:
    """A lasting fault is told at once, a passing one after a bounded number of attempts; nothing is left behind."""
    web.script = [word]
    with pytest.raises(WorkError, match=says) as caught:
        get(web, part)
    assert len(str(caught.value).splitlines()) == 1
    assert len(web.log) <= requests
    assert list(part.path.parent.iterdir()) == []


@pytest.mark.parametrize("word", ["drop", "truncate", "no_length_half"])
def test_what_broke_off_for_good_is_kept(web: Web, part: Part, word: str) -> None:
    """After the last attempt the bytes stay, and a later call goes on after them."""
    web.script = [word]
    with pytest.raises(WorkError, match="3 times"):
        get(web, part)
    kept = part.size
    assert len(web.data) / 2 <= kept < len(web.data)
    web.script = ["good"]
    get(web, part)
    assert web.ranges()[-1] == f"bytes={kept}-"
    assert part.path.read_bytes() == web.data


def test_a_login_page_does_not_cost_what_is_there(web: Web, part: Part) -> None:
    """Wrong bytes instead of the rest are refused before the part is touched."""
    web.script = ["drop", "html"]
    with pytest.raises(WorkError, match="must be a zip"):
        get(web, part)
    assert part.size >= len(web.data) // 2
    assert part.belonging(web.address) is not None


def test_progress_renews_the_attempts(web: Web, part: Part) -> None:
    """A line that breaks often but brings something each time is not given up."""
    web.script = ["drop"] * 8 + ["good"]
    get(web, part, replace(QUICK, progress_bytes=500))
    assert part.path.read_bytes() == web.data


def test_next_to_nothing_counts_as_dropped(web: Web, part: Part) -> None:
    """A byte now and then, each in time, does not keep a download alive."""
    web.script = ["trickle"]
    began = time.monotonic()
    with pytest.raises(WorkError, match="the server sends next to nothing"):
        get(web, part, Patience(timeout_s=1, attempts=1, stall_s=0.2))
    assert time.monotonic() - began < 2


def test_a_server_that_asks_for_time_gets_it(web: Web, part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry-After is obeyed; without it the pauses double."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    web.script = ["busy", "500", "500", "good"]
    told = get(web, part, Patience(attempts=4, pause_s=0.5))
    assert pauses == [7, 1, 2]
    assert told.lines[0].endswith("503 Service Unavailable; trying again in 7 s")


def test_redirects_keep_the_range(web: Web, part: Part) -> None:
    """GitHub sends each download on to a signed address; the rest is asked for there, from the first address on."""
    web.script = ["elsewhere", "drop", "elsewhere", "good"]
    get(web, part)
    assert [headers["path"] for headers in web.log] == ["/CT-0.zip", "/signed?key=a%2Fb&x=1"] * 2
    assert web.ranges()[3] is not None
    assert part.is_whole(web.address)


def test_nobody_listens(part: Part) -> None:
    """A server that is not there is tried a bounded number of times."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(WorkError, match="the connection failed: Connection refused, 3 times"):
        download(f"http://127.0.0.1:{port}/a.zip", part, Told(), QUICK, "a.zip")


def test_the_disk_is_not_filled(web: Web, part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room is asked for before anything is written."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 256 << 20))
    with pytest.raises(WorkError, match=r"must have room for 0 MB and some more, 268 MB are free; give .* --out"):
        get(web, part)
    assert list(part.path.parent.iterdir()) == []


def test_an_endless_file_ends(web: Web, part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body without an announced length is bounded, too."""
    monkeypatch.setattr("ctexp.datasets.mosmed.download.MAX_BYTES", 300_000)
    web.script = ["no_length"]
    with pytest.raises(WorkError, match=r"must have at most .* GiB, more came"):
        get(web, part)
    assert list(part.path.parent.iterdir()) == []


def test_progress_is_told_in_megabytes(web: Web, part: Part) -> None:
    """Counted from where this attempt began, up to the end."""
    web.data = zip_of(5_000_000)
    told = get(web, part)
    assert told.counts[-1] == ("downloading CT-0.zip, MB", 5, 5)
    assert [done for _, done, _ in told.counts] == sorted({done for _, done, _ in told.counts})


@pytest.mark.parametrize("scheme", ["file", "ftp", "data"])
def test_no_other_scheme_is_opened(scheme: str) -> None:
    """Not by --from, and not by the connection itself."""
    with pytest.raises(DataError, match=f"must be http or https, got {scheme}"):
        find_origins([f"{scheme}://localhost/CT-0.zip"])
    with pytest.raises(WorkError):
        ask(f"{scheme}://localhost/etc/hostname", 0, None, 0.1)
