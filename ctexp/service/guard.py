"""Who may ask: a layer before everything else that looks at Host, Origin and token, and ends refused uploads politely.

A service on loopback is within reach of every page that a browser on the same machine shows. Such a page can send it a
scan (another Origin), or pretend to be of its address (DNS rebinding: another Host); both are refused. The token is
asked for by whoever is reached from elsewhere.
"""

import asyncio
import hmac
import ipaddress
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ctexp.service.refusals import RefusalError

_OPEN = frozenset({"/", "/healthz", "/openapi.json", "/page.css", "/page.js", "/viewer.js", "/answer.js"})
"""What anyone may read: the page that asks for the token, and nothing of any scan."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
_LINGER_SECONDS = 3.0
"""Closing a connection that a client still writes to throws away what it was told; so it may write this much longer."""


def is_loopback(host: str) -> bool:
    """Tell whether a name or address is this machine's own and nobody else's."""
    bare = host.strip("[]").lower()
    if bare == "localhost":
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def _host_of(address: str) -> tuple[str, str]:
    """Give host, and host with port, of an address; nothing where it is none."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "", ""
    return parts.hostname or "", parts.netloc


@dataclass(frozen=True)
class Access:
    """Who may ask.

    Attributes:
        token: that each request for or about a scan must bring; None where nobody else can reach the service.
        hosts: names, besides this machine's own, that the service is reached by.
    """

    token: str | None = field(default=None, repr=False)
    hosts: frozenset[str] = frozenset()

    def refusal(self, path: str, headers: Headers) -> RefusalError | None:
        """Give why a request is refused; None for one that may go on."""
        named = headers.get("host", "")
        host = _host_of(f"//{named}")[0]
        # With a token a page elsewhere gains nothing by another name: browsers do not send the token on their own.
        if self.token is None and not is_loopback(host) and host not in self.hosts:
            words = "Host must be this machine's own name, it is not; open the address that `ctexp serve` printed"
            return RefusalError(403, "foreign", f"request: {words}")
        origin = headers.get("origin")
        fetched = headers.get("sec-fetch-site", "same-origin")
        # A link leads to the page: the site that it stands on sees nothing of what the browser then opens.
        followed = path in _OPEN and headers.get("sec-fetch-mode") == "navigate"
        if (origin is not None and _host_of(origin)[1] != named) or (fetched == "cross-site" and not followed):
            return RefusalError(
                403, "foreign", "request: must not come from another site's page; open the service's own"
            )
        if self.token is not None and path not in _OPEN:
            scheme, _, given = headers.get("authorization", "").partition(" ")
            right = hmac.compare_digest(given.strip().encode(), self.token.encode())
            if not (right and scheme.lower() == "bearer"):
                rule = "must bring the service's token as `Authorization: Bearer TOKEN`"
                brought = "brought another" if given else "brought none"
                return RefusalError(401, "unauthorised", f"request: {rule}, it {brought}")
        return None


class Guard:
    """The layer.

    Args:
        app: what it stands before.
        access: who may ask.
        refuse: turns a refusal into the JSON object to send, and counts it.
    """

    def __init__(self, app: ASGIApp, access: Access, refuse: Callable[[RefusalError], dict[str, Any]]) -> None:
        self._app, self._access, self._refuse = app, access, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        exchange = _Exchange(headers, receive, send)
        refusal = self._access.refusal(scope["path"], headers)
        if refusal is None:
            await self._app(scope, exchange.receive, exchange.send)
        else:
            await _send_json(exchange.send, refusal.status, self._refuse(refusal))


class _Exchange:
    """One request and its answer, with headers added, and with the rest of an unread body read before the end."""

    def __init__(self, headers: Headers, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        length = headers.get("content-length", "0")
        self._unread = length != "0" or "transfer-encoding" in headers
        self._waits = headers.get("expect", "").lower() == "100-continue"  # its body comes only when it is asked for

    async def receive(self) -> Message:
        message = await self._receive()
        self._waits = False
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._unread = False
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {key for key, _ in message["headers"]}
            added = [(key.encode(), value.encode()) for key, value in _HEADERS.items() if key.encode() not in given]
            if self._unread:  # or the server would go on reading what nobody wants, to its end
                added.append((b"connection", b"close"))
            message = {**message, "headers": [*message["headers"], *added]}
        elif not message.get("more_body", False) and self._unread and not self._waits:
            await self._send({**message, "more_body": True})
            await self._drain()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                while self._unread:
                    await self.receive()
        except TimeoutError:
            return


async def _send_json(send: Send, status: int, value: dict[str, Any]) -> None:
    body = json.dumps(value, ensure_ascii=False).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
