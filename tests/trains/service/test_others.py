"""`ctexp serve` for others than this machine: tokens, slow clients, a proxy before it, and its end."""

import signal
import socket
import time

import httpx
from helpers.uploads import upload

TOKEN = "0123456789abcdef" * 2
"""Of the service that has one."""


def test_service_for_others_wants_a_token_in_time_and_ends_well(trained, serving, scan, tmp_path) -> None:
    """Beyond loopback: 401 without the token, 408 for a slow body; SIGTERM lets a begun upload finish, exit 0."""
    refused = trained.program("serve", "--host", "0.0.0.0", "--port", "0", exit_code=2)
    assert refused.stderr.startswith("error: --host 0.0.0.0: needs a token where others can reach the service")
    content = scan.read_bytes()
    words = ["--host", "0.0.0.0", "--workers", 1, "--body-seconds", 3]
    with serving(tmp_path / "tmp", *words, token=TOKEN) as running:
        port = int(running.url.rpartition(":")[2])
        words = (TOKEN, len(content))
        head = "POST /predict HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n".format(
            *words
        )
        with httpx.Client(base_url=running.url, timeout=60) as client:
            for given in ({}, {"Authorization": f"Bearer {TOKEN[::-1]}"}):
                client.headers = given
                got = upload(client, content)
                assert (got.status_code, got.headers["www-authenticate"]) == (401, "Bearer")
            assert client.get("/").status_code == 200
            client.headers = {"Authorization": f"Bearer {TOKEN}"}
            assert upload(client, content).status_code == 200
        with socket.create_connection(("127.0.0.1", port), timeout=30) as slow:
            slow.sendall(head.encode() + content[:100])
            assert slow.recv(1 << 16).split()[1] == b"408"
        with socket.create_connection(("127.0.0.1", port), timeout=30) as begun:
            begun.sendall(head.encode() + content[:100])
            for _ in range(100):
                if running.files:
                    break
                time.sleep(0.02)
            running.process.terminate()
            time.sleep(0.3)
            begun.sendall(content[100:])
            answer = begun.makefile("rb").read()
        assert answer.split()[1] == b"200"
        assert b'"label"' in answer
        assert running.process.wait(60) == 0
        said = [line.partition("Z ")[2] for line in running.process.stderr.read().splitlines()]
        assert said == ["stopping; what has begun is answered first", "stopped"]
        assert list(running.folder.glob("ctexp-*")) == []


def test_challenger_answers_behind_a_proxy(trained, serving, scan, second, tmp_path) -> None:
    """At the port that it is told, under a proxy's name, it answers who brings its file's token, by the REF it got."""
    store = trained.program.client()
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ["--model", "ctexp@challenger", "--port", port, "--workers", 1]
    words += ["--token-file", tmp_path / "token", "--allow-host", "ct.example.org"]
    store.set_registered_model_alias("ctexp", "challenger", second)
    try:
        with serving(tmp_path / "tmp", *words) as running:
            assert running.url == f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=running.url, timeout=60, headers={"Host": "ct.example.org"}) as client:
                assert upload(client, scan.read_bytes()).status_code == 401
                client.headers["Authorization"] = f"Bearer {TOKEN}"
                got = upload(client, scan.read_bytes())
            running.process.send_signal(signal.SIGINT)  # Ctrl-C ends it as well as SIGTERM does
            assert running.process.wait(60) == 0
    finally:
        store.delete_registered_model_alias("ctexp", "challenger")
    assert (got.status_code, got.json()["model"]["version"]) == (200, second)
