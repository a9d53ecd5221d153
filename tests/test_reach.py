"""A store that does not answer is told at once, with a remedy; one that answers anything is left to MLflow."""

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from typer.testing import CliRunner

from ctexp.cli.main import app
from ctexp.errors import StoreUnreachableError
from ctexp.tracking.reach import require_server

_REMEDY = "; start the server or mend MLFLOW_TRACKING_URI"


class _Server(BaseHTTPRequestHandler):
    """Answers everything with one code; `asked` keeps the paths and credentials."""

    asked: list[tuple[str, str | None]] = []  # noqa: RUF012 - the fixture gives each server its own
    code = 200

    def do_GET(self) -> None:
        type(self).asked.append((self.path.partition("?")[0], self.headers["Authorization"]))
        self.send_response(self.code)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, type[_Server]]]:
    """Host and port of a server, and its handler."""
    handler = type("Handler", (_Server,), {"asked": []})
    listening = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"127.0.0.1:{listening.server_port}", handler
    listening.shutdown()
    thread.join()
    listening.server_close()


@pytest.mark.parametrize("code", [200, 401, 403, 404, 500])
def test_a_server_that_answers_anything_is_reachable(server, code: int) -> None:
    """Also one that wants a password, or knows no such address: MLflow says then what is wrong."""
    host, handler = server
    handler.code = code
    require_server(f"http://{host}")


def test_a_proxy_without_its_server_is_told(server) -> None:
    """A 503 in front of nothing is no store."""
    host, handler = server
    handler.code = 503
    with pytest.raises(StoreUnreachableError, match=rf"must be reachable: the server answers 503{_REMEDY}$"):
        require_server(f"http://{host}")


def test_path_prefix_and_credentials_come_along(server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prefix, a token, and name and password within the address are used as MLflow uses them."""
    host, handler = server
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    require_server(f"http://{host}/team/")
    require_server(f"http://anna:p%40ss@{host}")
    path = "/api/2.0/mlflow/experiments/get-by-name"
    basic = base64.b64encode(b"anna:p@ss").decode()
    assert handler.asked == [(f"/team{path}", "Bearer secret"), (path, f"Basic {basic}")]


def test_tls_that_is_not_known_here_is_left_to_mlflow(server) -> None:
    """MLflow may have other certificates: a server whose TLS fails here is no dead one."""
    host, _ = server  # speaks no TLS at all
    require_server(f"https://{host}")


def test_a_proxy_of_another_kind_is_left_to_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """SOCKS, and a proxy for all schemes, are known to MLflow's library only: what lies behind is not judged."""
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    require_server("http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(StoreUnreachableError):
        require_server("http://127.0.0.1:9")


@pytest.mark.parametrize(
    "words",
    [("models", "list"), ("models", "promote"), ("models", "rollback", "--reason", "x"), ("models", "history"),
     ("runs", "list"), ("evaluate",), ("reproduce", "abcdef"), ("train", "--data", "phantom"),
     ("train", "--resume", "abcdef"), ("sweep", "smoke", "--data", "phantom"), ("predict", "scan.nii"),
     ("serve", "--port", "0")],
)  # fmt: skip
def test_every_command_says_that_the_server_is_down(words, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line with the remedy, exit 1, and nothing is left in the folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://anna:SECRET@127.0.0.1:9")
    done = CliRunner().invoke(app, [*words])
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    rule = "must be reachable: [Errno 111] Connection refused"
    assert line.startswith(f"error: store http://anna@127.0.0.1:9: {rule}{_REMEDY}")
    assert list(tmp_path.iterdir()) == []


def test_a_host_that_nobody_knows_is_told() -> None:
    """A mistyped name is no reason to wait."""
    with pytest.raises(StoreUnreachableError, match=_REMEDY):
        require_server("http://no-such-host.invalid:5000")
