"""`ctexp data fetch mosmed`: whole classes or nothing, gone on from after any kill, and never fetched twice."""

import contextlib
import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ctexp.cli.main import app
from ctexp.datasets.folders import list_folder
from ctexp.datasets.mosmed import NOTICE, fetch_mosmed, find_origins

pytestmark = pytest.mark.slow  # real servers, archives and processes

Run = Callable[..., Result]
FULL = {"CT-0": 2, "CT-1": 3, "CT-2": 1, "CT-3": 1, "CT-4": 1}
SUBSET = {"CT-0": 2, "CT-23": 2}


class Web:
    """A server of files by path, with Range; what is not there is 404.

    Attributes:
        files: what it serves.
        log: path and Range of each request.
        hold: where set, a body stops after half until `released`.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.log: list[tuple[str, str | None]] = []
        self.hold = False
        self.released = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"web": self}))
        self.server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    """Serves `web.files`."""

    web: Web

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Send the file, or the rest of it."""
        web = self.web
        asked = self.headers.get("Range")
        web.log.append((self.path, asked))
        data = web.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        etag = f'"{hashlib.sha256(data).hexdigest()}"'
        start = int(asked[6:-1]) if asked and self.headers.get("If-Range") == etag else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("ETag", etag)
        self.end_headers()
        if web.hold:
            self.wfile.write(data[start : (start + len(data)) // 2])
            self.wfile.flush()
            web.released.wait(10)
            start = (start + len(data)) // 2
        with contextlib.suppress(OSError):  # the client was killed meanwhile
            self.wfile.write(data[start:])


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A running server."""
    monkeypatch.setenv("no_proxy", "*")
    web = Web()
    yield web
    web.released.set()
    web.server.shutdown()
    web.server.server_close()


@pytest.fixture
def fetch() -> Run:
    """Run `ctexp data fetch mosmed` in this process."""
    return lambda *words: CliRunner().invoke(app, ["data", "fetch", "mosmed", *map(str, words)])


@pytest.fixture
def scans(tmp_path: Path, write_scan: Callable[..., Path]) -> Callable[[str, dict[str, int]], Path]:
    """A function that writes class folders with so many scans each."""

    def write(name: str, classes: dict[str, int], suffix: str = ".nii.gz") -> Path:
        folder = tmp_path / name
        for kind, number in classes.items():
            for index in range(number):
                write_scan(
                    folder / kind / f"study_{index + 1:04}{suffix}", seed=100 * list(FULL | SUBSET).index(kind) + index
                )
        return folder

    return write


def zipped(folder: Path, *, inside: str = "") -> bytes:
    """A folder as a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, f"{inside}{path.relative_to(folder)}")
    return buffer.getvalue()


def subset(scans: Callable[..., Path], name: str = "made") -> dict[str, bytes]:
    """The two zips of the 200-scan subset, with two scans each."""
    folder = scans(name, SUBSET)
    return {kind: zipped(folder / kind, inside=f"{kind}/") for kind in SUBSET}


def serve(web: Web, zips: dict[str, bytes], under: str = "") -> str:
    """Put the zips on the server; the base address."""
    web.files |= {f"{under}/{kind}.zip": data for kind, data in zips.items()}
    return f"{web.base}{under}"


def held(folder: Path) -> dict[str, int]:
    """How many scans each class folder has."""
    if not folder.is_dir():
        return {}
    return {path.name: len(list(path.iterdir())) for path in sorted(folder.iterdir()) if path.is_dir()}


def left_behind(folder: Path) -> set[str]:
    """What lies beside the collection."""
    return {path.name for path in folder.iterdir() if path.name.startswith(".") and not path.name.endswith(".lock")}


def record(out: Path) -> dict[str, dict[str, object]]:
    """The sources of `source.json`, by file name."""
    return {entry["name"]: entry for entry in json.loads((out / "source.json").read_text())["sources"]}


class TestFetch:
    """From a mirror, into the project."""

    def test_a_fetched_collection(self, web: Web, fetch: Run, scans: Callable[..., Path], tmp_path: Path) -> None:
        """Scans and record appear in `data/mosmed`; the licence comes first, on stderr; it is a collection."""
        zips = subset(scans)
        done = fetch("--from", serve(web, zips))
        assert done.exit_code == 0, done.stderr
        out = tmp_path / "data/mosmed"
        assert done.stdout == f"{out}: CT-0 2 scans, CT-23 2 scans\n"
        assert done.stderr.startswith(NOTICE)
        assert held(out) == SUBSET
        assert (out / "CT-23/study_0002.nii.gz").read_bytes() == (
            tmp_path / "made/CT-23/study_0002.nii.gz"
        ).read_bytes()
        assert len(list_folder(out)[0]) == 4
        entry = record(out)["CT-0.zip"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\+00:00", str(entry.pop("date")))
        assert entry == {
            "address": f"{web.base}/CT-0.zip",
            "name": "CT-0.zip",
            "size": len(zips["CT-0"]),
            "sha256": hashlib.sha256(zips["CT-0"]).hexdigest(),
            "insisted": False,
            "scans": {"CT-0": 2},
        }
        assert left_behind(tmp_path / "data") == set()

    def test_the_second_time_nothing_is_downloaded(self, web: Web, fetch: Run, scans: Callable[..., Path]) -> None:
        """What is there is said to be there, under the same notice and with the same answer."""
        base = serve(web, subset(scans))
        first = fetch("--from", base)
        requests = list(web.log)
        second = fetch("--from", base)
        assert web.log == requests
        assert second.exit_code == 0
        assert second.stdout == first.stdout
        assert second.stderr.startswith(NOTICE)
        assert "CT-0.zip: is there (CT-0 2 scans)" in second.stderr

    def test_published_addresses_are_the_default(self) -> None:
        """Without `--from`, the two files of the release."""
        release = "https://github.com/hasibzunair/3D-image-classification-tutorial/releases/download/v0.2"
        assert [origin.place for origin in find_origins([])] == [f"{release}/CT-0.zip", f"{release}/CT-23.zip"]

    def test_one_that_fails(self, web: Web, fetch: Run, scans: Callable[..., Path], tmp_path: Path) -> None:
        """While a class is missing there is no collection; what came is not fetched again, from a mirror neither."""
        zips = subset(scans)
        base = serve(web, {"CT-0": zips["CT-0"]})
        done = fetch("--from", base)
        assert done.exit_code == 1
        assert done.stdout == ""
        assert done.stderr.splitlines()[-1].startswith(
            f"error: {base}/CT-23.zip: must be a file, the server answered 4"
        )
        assert not (tmp_path / "data/mosmed").exists()
        done = fetch("--from", serve(web, zips, "/mirror"))
        assert done.exit_code == 0, done.stderr
        assert [path for path, _ in web.log] == ["/CT-0.zip", "/CT-23.zip", "/mirror/CT-23.zip"]
        assert held(tmp_path / "data/mosmed") == SUBSET

    def test_nothing_is_left_of_what_never_began(self, web: Web, fetch: Run, tmp_path: Path) -> None:
        """After a 404 there is nothing to clean up."""
        assert fetch("--from", web.base, "--out", tmp_path / "here/mosmed").exit_code == 1
        assert left_behind(tmp_path / "here") == set()
        assert not (tmp_path / "here/mosmed").exists()

    @pytest.mark.parametrize("fault", ["traversal", "checksum", "no zip"])
    def test_a_bad_download_is_removed(
        self, web: Web, fetch: Run, scans: Callable[..., Path], tmp_path: Path, fault: str
    ) -> None:
        """A server's bad archive is the server's fault: exit 1, one line, and not found again by the next fetch."""
        zips = subset(scans)
        bad = bytearray(zips["CT-0"])
        if fault == "traversal":
            bad = bad.replace(b"CT-0/study_0001.nii.gz", b"CT-0/../../../a.nii.gz")
        elif fault == "checksum":
            bad[60] ^= 255
        else:
            bad = bad[:-30]
        base = serve(web, zips | {"CT-0": bytes(bad)})
        done = fetch("--from", base)
        assert done.exit_code == 1
        assert done.stderr.splitlines()[-1].startswith("error: CT-0.zip: ")
        assert done.stderr.endswith("; the download was removed\n")
        assert left_behind(tmp_path / "data") == set()
        assert not list(tmp_path.rglob("a.nii.gz"))
        serve(web, zips)
        assert fetch("--from", base).exit_code == 0


class TestChecksums:
    """Pinned at the first fetch, or given."""

    def test_another_file_at_the_same_address(
        self, web: Web, fetch: Run, scans: Callable[..., Path], tmp_path: Path
    ) -> None:
        """A class that was removed is fetched again, but only the same; or what the user now insists on."""
        base = serve(web, subset(scans))
        out = tmp_path / "mosmed"
        assert fetch("--from", base, "--out", out).exit_code == 0
        (out / "CT-0").rename(tmp_path / "old")
        other = zipped(scans("other", {"CT-0": 1}) / "CT-0", inside="CT-0/")
        same = serve(web, {"CT-0": other})
        done = fetch("--from", same, "--out", out)
        assert done.exit_code == 1
        assert "has changed at its source" in done.stderr
        assert held(out) == {"CT-23": 2}
        given = f"CT-0.zip={hashlib.sha256(other).hexdigest()}"
        assert given in done.stderr
        done = fetch("--from", same, "--out", out, "--sha256", given)
        assert done.exit_code == 0, done.stderr
        assert held(out) == {"CT-0": 1, "CT-23": 2}
        assert record(out)["CT-0.zip"]["insisted"] is True
        assert record(out)["CT-23.zip"]["insisted"] is False

    def test_a_given_checksum(self, web: Web, fetch: Run, scans: Callable[..., Path], tmp_path: Path) -> None:
        """Another file than the one insisted on is refused, before and after it was fetched."""
        base = serve(web, subset(scans))
        wrong = f"CT-0.zip={'0' * 64}"
        done = fetch("--from", base, "--sha256", wrong)
        assert done.exit_code == 1
        assert f"CT-0.zip: SHA-256 must be {'0' * 64} as --sha256 says, got " in done.stderr
        assert left_behind(tmp_path / "data") == set()
        assert fetch("--from", base).exit_code == 0
        assert fetch("--from", base, "--sha256", wrong).exit_code == 2

    @pytest.mark.parametrize(
        ("typed", "says"),
        [
            ("CT-0.zip", "must be NAME=HEX with 64 hexadecimal digits, got CT-0.zip"),
            ("CT-0.zip=12", "must be NAME=HEX with 64 hexadecimal digits"),
            (f"CT-1.zip={'a' * 64}", "must name a file that is fetched, these are CT-0.zip, CT-23.zip"),
        ],
    )
    def test_what_is_no_checksum(self, fetch: Run, typed: str, says: str) -> None:
        """A mistyped checksum is told before anything is fetched."""
        done = fetch("--sha256", typed)
        assert done.exit_code == 2
        assert says in done.stderr


class TestLocal:
    """What lies on this disk already."""

    @pytest.mark.parametrize("form", ["zips", "folder of zips", "folder", "class folders"])
    def test_the_subset(self, fetch: Run, scans: Callable[..., Path], tmp_path: Path, form: str) -> None:
        """Two zips, a folder with them, an unpacked folder, two class folders: the same collection."""
        for kind, data in subset(scans).items():
            (tmp_path / f"{kind}.zip").write_bytes(data)
        made = tmp_path / "made"
        words = {
            "zips": ["--from", tmp_path / "CT-0.zip", "--from", tmp_path / "CT-23.zip"],
            "folder of zips": ["--from", tmp_path],
            "folder": ["--from", made],
            "class folders": ["--from", made / "CT-0", "--from", made / "CT-23"],
        }[form]
        out = tmp_path / "here/mosmed"
        done = fetch(*words, "--out", out)
        assert done.exit_code == 0, done.stderr
        assert held(out) == SUBSET
        assert done.stderr.startswith(NOTICE)
        again = fetch(*words, "--out", out)
        assert again.exit_code == 0
        assert "is there (" in again.stderr
        assert held(made) == SUBSET

    @pytest.mark.parametrize("form", ["folder", "zip", "address"])
    def test_the_full_layout(
        self,
        web: Web,
        fetch: Run,
        scans: Callable[..., Path],
        tmp_path: Path,
        form: str,
        write_scan: Callable[..., Path],
    ) -> None:
        """`studies/CT-0` to `CT-4` with `masks` beside them: all classes, no mask."""
        scans("full/studies", FULL)
        write_scan(tmp_path / "full/masks/CT-1/study_0001_mask.nii.gz")
        (tmp_path / "full/README_EN.md").write_text("x")
        data = zipped(tmp_path / "full", inside="MosMedData/")
        (tmp_path / "full.zip").write_bytes(data)
        web.files["/full.zip"] = data
        source = {"folder": tmp_path / "full", "zip": tmp_path / "full.zip", "address": f"{web.base}/full.zip"}[form]
        done = fetch("--from", source)
        assert done.exit_code == 0, done.stderr
        assert held(tmp_path / "data/mosmed") == FULL
        assert "is there (CT-0 2 scans, CT-1 3 scans" in fetch("--from", source).stderr

    def test_scans_are_linked(self, fetch: Run, scans: Callable[..., Path], tmp_path: Path) -> None:
        """On the same disk a scan takes no room twice, and stays when the folder it came from is removed."""
        made = scans("made", SUBSET, ".nii")
        (made / "CT-0/also.nii").symlink_to(made / "CT-0/study_0001.nii")
        assert fetch("--from", made).exit_code == 0
        new = tmp_path / "data/mosmed/CT-0/study_0001.nii"
        assert new.samefile(made / "CT-0/study_0001.nii")
        assert not (tmp_path / "data/mosmed/CT-0/also.nii").is_symlink()

    def test_scans_are_copied_where_they_cannot_be_linked(
        self, fetch: Run, scans: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """From another disk they are copied."""

        def refuse(*_: object) -> None:
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr(os, "link", refuse)
        made = scans("made", SUBSET)
        assert fetch("--from", made).exit_code == 0
        new = tmp_path / "data/mosmed/CT-0/study_0001.nii.gz"
        assert new.read_bytes() == (made / "CT-0/study_0001.nii.gz").read_bytes()
        assert not new.samefile(made / "CT-0/study_0001.nii.gz")

    def test_a_hand_made_class_is_left(self, web: Web, fetch: Run, scans: Callable[..., Path], tmp_path: Path) -> None:
        """A class that the user unpacked is kept and told; an empty folder does not count as one."""
        out = scans("data/mosmed", {"CT-0": 1})
        (out / "CT-23").mkdir()
        done = fetch("--from", serve(web, subset(scans)))
        assert done.exit_code == 0, done.stderr
        assert "CT-0.zip: is there, from elsewhere (CT-0 1 scans); it is left as it is" in done.stderr
        assert held(out) == {"CT-0": 1, "CT-23": 2}
        assert [path for path, _ in web.log] == ["/CT-23.zip"]
        assert left_behind(tmp_path / "data") == set()

    def test_what_does_not_go_together(self, web: Web, fetch: Run, scans: Callable[..., Path], tmp_path: Path) -> None:
        """The full set beside the subset would hold scans twice."""
        out = tmp_path / "mosmed"
        assert fetch("--from", serve(web, subset(scans)), "--out", out).exit_code == 0
        scans("severe/studies", {"CT-2": 1, "CT-4": 1})
        done = fetch("--from", tmp_path / "severe", "--out", out)
        assert done.exit_code == 2
        assert "CT-23 came from elsewhere (and CT-23 is made of CT-2 and CT-3); give another --out" in done.stderr
        requests = len(web.log)
        done = fetch("--from", f"{web.base}/all.zip", "--out", out)
        assert done.exit_code == 2
        assert "must be empty for all.zip, whose classes cannot be told beforehand, it has CT-0, CT-23" in done.stderr
        assert len(web.log) == requests
        assert held(out) == SUBSET

    def test_an_unfinished_fetch_gives_way(
        self, web: Web, fetch: Run, scans: Callable[..., Path], tmp_path: Path
    ) -> None:
        """Who gives up downloading and takes a folder instead is not held up by what had come."""
        assert fetch("--from", serve(web, {"CT-0": subset(scans)["CT-0"]})).exit_code == 1
        scans("full/studies", FULL)
        done = fetch("--from", tmp_path / "full")
        assert done.exit_code == 0, done.stderr
        assert held(tmp_path / "data/mosmed") == FULL
        assert list(record(tmp_path / "data/mosmed")) == ["full"]

    def test_removed_scans_are_noticed(self, fetch: Run, scans: Callable[..., Path], tmp_path: Path) -> None:
        """A class that has lost scans since is not said to be there."""
        made = scans("made", SUBSET)
        fetch("--from", made)
        (tmp_path / "data/mosmed/CT-0/study_0001.nii.gz").unlink()
        done = fetch("--from", made)
        assert done.exit_code == 2
        assert "CT-0: must hold the 2 scans that were fetched, it has 1; remove the folder" in done.stderr

    @pytest.mark.parametrize(
        ("typed", "code", "says"),
        [
            ("nothing", 2, "--from nothing: must be an address, a zip or a folder: No such file or directory"),
            ("loop", 2, "--from loop: must be an address, a zip or a folder: "),
            ("text.zip", 2, "text.zip: must be a zip that can be read: File is not a zip file"),
            ("empty", 2, "empty: must hold scans (.nii or .nii.gz) in class folders, it has none"),
            ("odd", 2, "odd/a.nii: a scan must lie in a class folder (CT-0, "),
            ("gone", 2, "gone/CT-0/a.nii: No such file or directory"),
            ("device", 2, "a scan must be a file, this is something else"),
            ("twice", 2, "CT-0/a.nii would get the same name CT-0/a.nii"),
            ("data/mosmed", 2, "must be another folder than the one to fetch into"),
            ("ftp://host/mosmed", 2, "an address must be http or https, got ftp"),
            ("https://", 2, "an address must name a host"),
            ("https://host:99999999/", 2, "must be an address that can be read"),
            ("https://me:secret@host/", 2, "must be without user name and password, got one for host"),
        ],
    )
    def test_what_cannot_be_fetched(
        self, fetch: Run, tmp_path: Path, write_scan: Callable[..., Path], typed: str, code: int, says: str
    ) -> None:
        """Each is one line, and nothing is left."""
        (tmp_path / "loop").symlink_to("loop")
        (tmp_path / "text.zip").write_text("hello")
        (tmp_path / "empty").mkdir()
        write_scan(tmp_path / "odd/a.nii")
        for kind, target in (("gone", "nowhere"), ("device", "/dev/null")):
            (tmp_path / kind / "CT-0").mkdir(parents=True)
            (tmp_path / kind / "CT-0/a.nii").symlink_to(target)
        write_scan(tmp_path / "twice/CT-0/a.nii")
        write_scan(tmp_path / "twice/other/CT-0/a.nii")
        (tmp_path / "data/mosmed").mkdir(parents=True)
        done = fetch("--from", typed)
        assert done.exit_code == code
        assert says in done.stderr.splitlines()[-1]
        assert "secret" not in done.stderr
        assert left_behind(tmp_path / "data") == set()

    def test_two_sources_of_one_class(self, fetch: Run, scans: Callable[..., Path], tmp_path: Path) -> None:
        """Of two folders with the same class neither is taken in silence."""
        one, two = scans("one", {"CT-0": 1}), scans("two", {"CT-0": 1})
        done = fetch("--from", one, "--from", two)
        assert done.exit_code == 2
        assert "two: must bring classes that are not there yet, CT-0 came from elsewhere" in done.stderr

    @pytest.mark.parametrize("text", ["", "[]", '{"sources": [{"address": 1}]}', '{"sources": 3}'])
    def test_a_damaged_record(self, fetch: Run, scans: Callable[..., Path], tmp_path: Path, text: str) -> None:
        """A record that cannot be read is not overwritten."""
        (tmp_path / "data/mosmed").mkdir(parents=True)
        (tmp_path / "data/mosmed/source.json").write_text(text)
        done = fetch("--from", scans("made", SUBSET))
        assert done.exit_code == 2
        assert "source.json: must be the record that a fetch wrote" in done.stderr
        assert (tmp_path / "data/mosmed/source.json").read_text() == text

    def test_a_place_that_cannot_be_one(self, fetch: Run, scans: Callable[..., Path], tmp_path: Path) -> None:
        """A file where the folder should be, or above it."""
        (tmp_path / "file").touch()
        made = scans("made", SUBSET)
        assert fetch("--from", made, "--out", tmp_path / "file").exit_code == 2
        done = fetch("--from", made, "--out", tmp_path / "file/mosmed")
        assert done.exit_code == 1
        assert "must be readable and writable" in done.stderr

    def test_a_place_whose_surroundings_are_closed(
        self, web: Web, fetch: Run, scans: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In a mounted folder, or one whose parent cannot be written to, the work is done inside, hidden."""
        out = tmp_path / "disk"
        out.mkdir()
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
        zips = subset(scans)
        assert fetch("--from", serve(web, {"CT-0": zips["CT-0"]}), "--out", out).exit_code == 1
        assert left_behind(out) == {".fetch"}
        assert fetch("--from", serve(web, zips), "--out", out).exit_code == 0
        assert held(out) == SUBSET
        assert left_behind(out) == left_behind(tmp_path) == set()

    def test_a_removed_class_comes_back_alone(self, fetch: Run, scans: Callable[..., Path], tmp_path: Path) -> None:
        """Of an archive of many classes only what is missing is put there again."""
        (tmp_path / "full.zip").write_bytes(zipped(scans("full/studies", FULL)))
        out = tmp_path / "data/mosmed"
        assert fetch("--from", tmp_path / "full.zip").exit_code == 0
        (out / "CT-1").rename(tmp_path / "away")
        (out / "CT-0/study_0001.nii.gz").write_bytes(b"mine")
        assert fetch("--from", tmp_path / "full.zip").exit_code == 0
        assert held(out) == FULL
        assert (out / "CT-0/study_0001.nii.gz").read_bytes() == b"mine"

    def test_out_may_be_a_link(self, fetch: Run, scans: Callable[..., Path], tmp_path: Path) -> None:
        """A link to a larger disk stays a link, and the work is done there."""
        (tmp_path / "disk").mkdir()
        (tmp_path / "mosmed").symlink_to(tmp_path / "disk", target_is_directory=True)
        assert fetch("--from", scans("made", SUBSET), "--out", tmp_path / "mosmed").exit_code == 0
        assert held(tmp_path / "disk") == SUBSET
        assert (tmp_path / "mosmed").is_symlink()


class Silent:
    """A watch that nobody looks at."""

    def say(self, text: str) -> None:
        """Forget it."""

    def stage(self, name: str) -> Callable[[int, int], None]:
        """Forget it."""
        return lambda done, every: None


def start(*words: object) -> "subprocess.Popen[str]":
    """Start a real `ctexp data fetch mosmed`."""
    command = [sys.executable, "-m", "ctexp", "data", "fetch", "mosmed", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class TestKills:
    """Real processes that die or meet."""

    def test_killed_in_mid_download(self, web: Web, scans: Callable[..., Path], tmp_path: Path) -> None:
        """After kill -9 the second run asks for the rest, and only for the rest."""
        zips = subset(scans)
        base = serve(web, zips)
        web.hold = True
        part = tmp_path / "data/.mosmed.fetch/CT-0.zip.part"
        half = len(zips["CT-0"]) // 2
        first = start("--from", base)
        try:
            ends = time.monotonic() + 20
            while not (part.exists() and part.stat().st_size >= half) and time.monotonic() < ends:
                time.sleep(0.01)
        finally:
            first.send_signal(signal.SIGKILL)
            first.communicate()
        assert first.returncode == -signal.SIGKILL
        assert part.stat().st_size == half
        assert not (tmp_path / "data/mosmed").exists()
        web.hold = False
        web.released.set()
        second = start("--from", base)
        answer, told = second.communicate(timeout=30)
        assert second.returncode == 0, told
        assert answer == f"{tmp_path / 'data/mosmed'}: CT-0 2 scans, CT-23 2 scans\n"
        assert web.log == [("/CT-0.zip", None), ("/CT-0.zip", f"bytes={half}-"), ("/CT-23.zip", None)]
        assert record(tmp_path / "data/mosmed")["CT-0.zip"]["sha256"] == hashlib.sha256(zips["CT-0"]).hexdigest()
        assert left_behind(tmp_path / "data") == set()

    def test_two_at_once(self, web: Web, scans: Callable[..., Path], tmp_path: Path) -> None:
        """The second waits for the first and finds the work done: each file is downloaded once."""
        base = serve(web, subset(scans))
        web.hold = True
        both = [start("--from", base), start("--from", base)]
        ends = time.monotonic() + 20
        while not web.log and time.monotonic() < ends:
            time.sleep(0.01)
        time.sleep(0.5)
        web.hold = False
        web.released.set()
        ended = [process.communicate(timeout=30) for process in both]
        assert [process.returncode for process in both] == [0, 0], ended
        assert ended[0][0] == ended[1][0]
        assert sum("another fetch is at work; waiting for it" in told for _, told in ended) == 1
        assert web.log == [("/CT-0.zip", None), ("/CT-23.zip", None)]
        assert held(tmp_path / "data/mosmed") == SUBSET

    @pytest.mark.parametrize("before", ["nothing", "a class"])
    def test_killed_at_any_step(
        self, scans: Callable[..., Path], tmp_path: Path, before: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A fetch that dies at any change it makes on the disk leaves whole classes or none, and can be run again."""
        monkeypatch.setattr(os, "fsync", lambda handle: None)  # it guards against power cuts, and takes its time
        made = scans("made", SUBSET)
        for kind in SUBSET:
            (tmp_path / f"{kind}.zip").write_bytes(zipped(made / kind))
        origins = find_origins([str(tmp_path / f"{kind}.zip") for kind in SUBSET])
        step = 0
        while True:
            out = tmp_path / str(step) / "mosmed"
            if before == "a class":
                fetch_mosmed(out, origins[:1], Silent())
            survived = _die_at(step, lambda out=out: fetch_mosmed(out, origins, Silent()))
            assert held(out).items() <= SUBSET.items(), step
            assert fetch_mosmed(out, origins, Silent()) == SUBSET, step
            for file in made.rglob("*.nii.gz"):
                assert (out / file.relative_to(made)).read_bytes() == file.read_bytes(), step
            assert set(record(out)) == {"CT-0.zip", "CT-23.zip"}
            assert left_behind(out.parent) == set(), step
            if survived:
                break
            step += 1
        assert step > 20


def _die_at(step: int, work: Callable[[], object]) -> bool:
    """Run `work` in a forked process that ends, as if killed, before its n-th change on the disk; tell if it lived."""
    child = os.fork()
    if child == 0:
        count = 0

        def watch(event: str, args: tuple[object, ...]) -> None:
            nonlocal count
            changes = event in ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.link", "os.chmod")
            if changes or (event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)):
                if count == step:
                    os._exit(9)
                count += 1

        try:
            sys.addaudithook(watch)
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9)
    return status == 0
