"""A server of MosMedData's files, small copies of them, and what a fetch has left on the disk."""

import contextlib
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

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
