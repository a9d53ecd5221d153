"""`ctexp serve`: bind, load, answer until told to stop, and leave nothing behind."""

import asyncio
import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from ctexp.config import check
from ctexp.errors import ConfigError, WorkError
from ctexp.project import Project
from ctexp.service.guard import Access, is_loopback
from ctexp.service.limits import Limits
from ctexp.service.log import log

if TYPE_CHECKING:
    import uvicorn

    from ctexp.service.work import Served
    from ctexp.service.workers import Pool

TOKEN_VARIABLE = "CTEXP_TOKEN"  # noqa: S105 - the name of a variable
_SHORTEST_TOKEN = 16
_CONNECTIONS = 1000
"""Open at once; one that asks nothing costs no memory to speak of, and is closed after some seconds."""


@dataclass(frozen=True)
class Address:
    """Where the service is reached.

    Attributes:
        host: address to bind.
        port: TCP port; 0 for any that is free.
        names: further names that a proxy on this machine hands on.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    names: tuple[str, ...] = ()

    @property
    def is_private(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host) and not self.names


def read_token(file: Path | None) -> str | None:
    """Read the token from a file, else from `$CTEXP_TOKEN`, which is taken out of the environment.

    Raises:
        ConfigError: the file cannot be read, or the token is too short or could not be sent.
    """
    given = os.environ.pop(TOKEN_VARIABLE, None)
    place = f"${TOKEN_VARIABLE}"
    if file is not None:
        place = f"--token-file {file}"
        try:
            given = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{place}: must be a readable text file: {error}") from error
    if given is None:
        return None
    token = given.strip()
    if len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(f"{place}: must be at least {_SHORTEST_TOKEN} ASCII characters without spaces, got "
                          f"{len(token)}; make one with `openssl rand -hex 32`")  # fmt: skip
    return token


def serve(
    project: Project,
    reference: str | None,
    address: Address,
    *,
    token: str | None = None,
    limits: Limits = Limits(),  # noqa: B008 - it is frozen
    poll_seconds: float = 5.0,
) -> None:
    """Answer scans over HTTP until SIGTERM or Ctrl-C; what has begun is finished.

    Args:
        project: whose store.
        reference: REF; None for the project's champion. An alias is followed when it moves.
        address: where.
        token: that requests must bring; needed where others can reach the address.
        limits: what is taken on.
        poll_seconds: how often the alias is looked at.

    Raises:
        ConfigError: the address cannot be bound, or is reachable by others and there is no token.
        UnknownReferenceError: the reference names nothing.
        WorkError: the version cannot be loaded.
    """
    check(0.1 <= poll_seconds <= 86_400, "--poll-seconds", "from 0.1 to 86400", poll_seconds)
    if token is None and not address.is_private:
        place = f"--allow-host {address.names[0]}" if is_loopback(address.host) else f"--host {address.host}"
        raise ConfigError(f"{place}: needs a token where others can reach the service; set "
                          f"{TOKEN_VARIABLE} or --token-file (`openssl rand -hex 32` makes one)")  # fmt: skip
    listener = _bind(address)
    with listener:
        _run(project, reference, address, listener, token, limits, poll_seconds)


def _bind(address: Address) -> socket.socket:
    check(0 <= address.port <= 65_535, "--port", "from 0 to 65535", address.port)
    host = address.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, address.port), family=family, backlog=256)
    except (OSError, UnicodeError) as error:
        words = getattr(error, "strerror", None) or error
        raise ConfigError(f"--host {host} --port {address.port}: must be a free address of this machine: {words}; "
                          "name another --port") from error  # fmt: skip


def _load(pool: "Pool", served: "Served") -> None:
    from ctexp.service.workers import WorkerError

    try:
        asyncio.run(pool.load(served))
    except WorkerError as error:
        raise WorkError(
            f"{served.name} version {served.version}: every worker must be able to load it: {error}"
        ) from error


def _run(
    project: Project,
    reference: str | None,
    address: Address,
    listener: socket.socket,
    token: str | None,
    limits: Limits,
    poll_seconds: float,
) -> None:
    import uvicorn

    from ctexp.service.app import create_app
    from ctexp.service.connection import Connection
    from ctexp.service.current import Current
    from ctexp.service.desk import Desk
    from ctexp.service.discretion import make_discreet
    from ctexp.service.metrics import Metrics
    from ctexp.service.uploads import Uploads
    from ctexp.service.workers import Pool

    signal.signal(signal.SIGTERM, _interrupt)
    with Uploads() as uploads:
        current = Current(project, reference)
        pool = Pool(limits.workers, limits.worker_bytes)
        try:
            _load(pool, current.served)
            desk = Desk(limits, uploads, pool, current, Metrics(pool))
            app = create_app(desk, Access(token, frozenset(address.names)), poll_seconds=poll_seconds)
            config = uvicorn.Config(
                app, http=Connection, ws="none", access_log=False, log_level="warning", server_header=False,
                proxy_headers=False, timeout_keep_alive=20, limit_concurrency=_CONNECTIONS,
                timeout_graceful_shutdown=round(limits.stop_seconds),
            )  # fmt: skip
            make_discreet()
            served, (host, port) = current.served, listener.getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            log(f"{served.name} version {served.version} answers at http://{shown}:{port}/ (Ctrl-C stops it)")
            # uvicorn stops gently at either signal and raises it again when it has stopped: that is the end, no error.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: None)
            _telling_server(config).run(sockets=[listener])
            log("stopped")
        finally:
            pool.close()


def _telling_server(config: "uvicorn.Config") -> "uvicorn.Server":
    """Make a server that says when it is told to stop."""
    import uvicorn

    class TellingServer(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if not self.should_exit:
                log("stopping; what has begun is answered first")
            super().handle_exit(sig, frame)

    return TellingServer(config)


def _interrupt(number: int, frame: object) -> None:
    """Treat SIGTERM before the service answers like Ctrl-C."""
    raise KeyboardInterrupt
