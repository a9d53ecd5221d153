"""A server of one file that misbehaves by a script."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ETAG = '"one"'


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
