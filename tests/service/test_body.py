"""A request's body in time: a client that is silent or slow is sent away, one that goes on is not."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from ctexp.service.body import receive
from ctexp.service.limits import Limits
from ctexp.service.refusals import RefusalError

PIECE = b"\x1f\x8b\x08" + bytes(400)


def request(pieces: int, *, pause: float = 0.0, ends: bool = False) -> Request:
    """A request whose client sends so many pieces, each after a pause in seconds, and then its end or nothing more."""
    left = iter(range(pieces))

    async def next_message() -> dict[str, Any]:
        if next(left, None) is not None:
            await asyncio.sleep(pause)
            return {"type": "http.request", "body": PIECE, "more_body": True}
        if not ends:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    headers = [(b"content-type", b"application/octet-stream")]
    scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "headers": headers}
    return Request(scope, next_message)


def take(given: Request, path: Path, limits: Limits) -> str:
    """Receive it, or fail after what is far more than its limits."""
    return asyncio.run(asyncio.wait_for(receive(given, path, limits), 30))


def test_silent_client_is_sent_away(tmp_path) -> None:
    """One that stops in the middle of its body has 408 after the silence that it may keep, not after its whole time."""
    with pytest.raises(RefusalError) as caught:
        take(request(2), tmp_path / "a", Limits(silence_seconds=0.1, body_seconds=300))
    assert (caught.value.status, caught.value.outcome) == (408, "slow body")
    assert caught.value.text == "upload: must be sent within 300 s and without a silence of 0.1 s, it was not"


def test_slow_client_is_sent_away(tmp_path) -> None:
    """One that is never silent for long has 408 when its whole time is over."""
    with pytest.raises(RefusalError) as caught:
        take(request(100_000, pause=0.01), tmp_path / "a", Limits(silence_seconds=20, body_seconds=0.1))
    assert (caught.value.status, caught.value.outcome) == (408, "slow body")


@pytest.mark.slow
def test_silence_is_counted_anew_with_each_piece(tmp_path) -> None:
    """Pauses that are together longer than the silence that a client may keep cost it nothing."""
    take(request(12, pause=0.2, ends=True), tmp_path / "a", Limits(silence_seconds=2))
    assert (tmp_path / "a").read_bytes() == 12 * PIECE
