"""Downloads over a real HTTP server that misbehaves: what arrives is the file, or one clear error."""

import hashlib
import io
import shutil
import socket
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.crooked_server import ETAG, Web
from helpers.watches import Told

from ctexp.datasets.mosmed import Patience, find_origins
from ctexp.datasets.mosmed.connection import ask
from ctexp.datasets.mosmed.download import download
from ctexp.datasets.mosmed.part import Part
from ctexp.errors import DataError, WorkError

QUICK = Patience(timeout_s=10, attempts=3, pause_s=0.01)
ONCE = Patience(timeout_s=10, attempts=1)


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
