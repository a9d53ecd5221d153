"""Connections that do not get round to a request, against a real server in a thread."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from ctexp.service.connection import Connection

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Hasty(Connection):
    """The service's connection, its patience cut to what a test can wait for."""

    head_seconds = 0.3


async def slow(scope, receive, send) -> None:
    """Answer after longer than the wait for a head may take."""
    await asyncio.sleep(0.6)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Where the server listens."""
    config = uvicorn.Config(slow, http=Hasty, ws="none", lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def client(port) -> Iterator[socket.socket]:
    """A connection to it."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as one:
        yield one


@pytest.mark.slow
def test_silent_client_is_closed(client) -> None:
    """A connection on which nothing is said ends by itself."""
    assert client.recv(10) == b""


def trickle(client: socket.socket, seconds: float) -> None:
    """Send the letters of a method that never ends."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        client.sendall(b"G")
        time.sleep(0.05)


@pytest.mark.slow
def test_trickle_of_headers_is_closed(client) -> None:
    """Bytes that never make a whole head do not buy more time."""
    with pytest.raises(ConnectionError):
        trickle(client, 4.0)


def answer(client: socket.socket) -> bytes:
    """Ask, and read the whole answer."""
    client.sendall(REQUEST)
    got = b""
    while not got.endswith(b"ok"):
        piece = client.recv(4096)
        assert piece, got
        got += piece
    return got


@pytest.mark.slow
def test_answer_may_take_longer_than_the_head(client) -> None:
    """The wait ends when the head is whole, for a second request on the same connection too."""
    for _ in range(2):
        assert answer(client).startswith(b"HTTP/1.1 200")


@pytest.mark.slow
def test_second_head_is_bounded_too(client) -> None:
    """A further request that stops in the middle of its head is closed, before uvicorn's own patience ends."""
    answer(client)
    client.sendall(REQUEST[:20])
    assert client.recv(10) == b""
