"""A connection that does not get round to its request is closed."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class Connection(H11Protocol):
    """uvicorn's connection with a bound on the time until a request's head is whole.

    uvicorn bounds the silence after an answer only; a client that connects and says nothing, or sends its headers a
    byte a minute, would hold its place for ever. The time of a body is `ctexp.service.body`'s.

    Attributes:
        head_seconds: from the connection, or from the first byte of a further request, to the end of its headers.
    """

    head_seconds = 20.0
    _clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._start()

    def data_received(self, data: bytes) -> None:
        """Take bytes; the wait ends with a whole head."""
        if self.conn.their_state is h11.IDLE:
            self._start()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the wait with the connection."""
        self._stop()
        super().connection_lost(exc)

    def _start(self) -> None:
        if self._clock is None:
            self._clock = self.loop.call_later(self.head_seconds, self.transport.close)

    def _stop(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
