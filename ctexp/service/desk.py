"""The way of one scan through the service: a place, the upload, a worker, the answer; and the watch over the alias."""

import asyncio
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import Request

from ctexp.errors import CtexpError, WorkError
from ctexp.scans.read import ReadOptions
from ctexp.service.body import receive
from ctexp.service.current import Current
from ctexp.service.limits import Limits
from ctexp.service.log import log
from ctexp.service.metrics import Metrics
from ctexp.service.refusals import Outcome, RefusalError
from ctexp.service.uploads import Uploads
from ctexp.service.work import Job, Reply, Served
from ctexp.service.workers import Pool, SlowWorkerError, Worker, WorkerError

if TYPE_CHECKING:
    from ctexp.registry.explain import Method

_STATUS: dict[str, tuple[int, Outcome]] = {
    "refused": (422, "refused"),
    "unreadable": (422, "unreadable"),
    "too large": (413, "too large"),
}
_MOST_PATIENCE = 60
"""Seconds that a client is asked to stay away, at most."""

_PAUSE = 60.0
"""Seconds after which a version that could not be loaded is tried again."""


@dataclass(frozen=True)
class Wish:
    """How a scan is to be answered; the options of `ctexp predict`, and what the page wants besides."""

    options: ReadOptions = field(default_factory=ReadOptions)
    force: bool = False
    picture: bool = False
    explain: "Method | None" = None


class Desk:
    """Takes scans and gives answers.

    Args:
        limits: what it takes on.
        uploads: where uploads lie.
        pool: who answers.
        current: which version.
        metrics: what is counted.
    """

    def __init__(self, limits: Limits, uploads: Uploads, pool: Pool, current: Current, metrics: Metrics) -> None:
        self.limits, self.current, self.metrics = limits, current, metrics
        self._uploads, self._pool = uploads, pool
        self._held = self._waiting = 0
        self._usual_seconds = 1.0
        metrics.show_model(current.served)
        metrics.held.set_function(lambda: self._held)
        metrics.waiting.set_function(lambda: self._waiting)

    async def answer(self, request: Request, wish: Wish) -> Reply:
        """Answer the scan that a request uploads; nothing of it is left afterwards.

        Returns:
            The reply; one that is no answer comes with slices, for the page.

        Raises:
            RefusalError: there is none.
        """
        if self._held >= self.limits.places:
            words = f"takes {self.limits.places} scans at once and has them; try again in {self._patience()} s"
            raise RefusalError(503, "busy", f"service: {words}", retry_after=self._patience())
        began = time.monotonic()
        self._held += 1
        try:
            with self._uploads.place() as path:
                label = await receive(request, path, self.limits)
                reply = await self._have_done(request, path, label, wish)
        finally:
            self._held -= 1
        if reply.outcome in _STATUS:
            status, outcome = _STATUS[reply.outcome]
            if reply.body is None:
                raise RefusalError(status, outcome, reply.answer["error"], more=reply.answer)
            self.metrics.count(outcome)
        else:
            self.metrics.count("answered", time.monotonic() - began)
        return reply

    async def _have_done(self, request: Request, path: Path, label: str, wish: Wish) -> Reply:
        worker = await self._wait_for_worker(request)
        served = self.current.served
        job = Job(path, label, served, wish.options, wish.force, wish.picture, wish.explain)
        began = time.monotonic()
        try:
            reply = await self._pool.ask(worker, job, self.limits.answer_seconds)
        except SlowWorkerError as error:
            raise RefusalError(503, "slow answer", f"{label}: {error}", retry_after=self._patience()) from error
        except WorkerError as error:
            log(f"error: a scan was not answered, {error}")
            raise RefusalError(500, "failed", f"{label}: must be answered, the service failed at it; its log says why",
                          more={"path": label}) from error  # fmt: skip
        self._usual_seconds += 0.1 * (time.monotonic() - began - self._usual_seconds)
        return reply

    async def _wait_for_worker(self, request: Request) -> Worker:
        self._waiting += 1
        try:
            worker = await self._pool.take()
        finally:
            self._waiting -= 1
        try:
            gone = await request.is_disconnected()
        except BaseException:
            self._pool.give_back(worker)
            raise
        if gone:
            self._pool.give_back(worker)
            raise RefusalError(400, "gone", "request: the client did not wait for its answer")
        return worker

    def _patience(self) -> int:
        """Estimate when a place is free again, in seconds."""
        return min(_MOST_PATIENCE, max(1, math.ceil(self._usual_seconds * (self._waiting + 1) / self.limits.workers)))

    async def watch(self, seconds: float) -> None:
        """Follow the alias until cancelled, looking every so many seconds."""
        trouble, broken, again = None, None, 0.0
        while True:
            await asyncio.sleep(seconds)
            try:
                found = await asyncio.to_thread(self.current.look)
                if found is not None and found == broken and time.monotonic() < again:
                    continue  # each try takes a worker away from the scans
                if found is not None:
                    broken, again = found, time.monotonic() + _PAUSE
                    await self._prove(found)
                    broken = None
            except Exception as error:  # whatever a library raises, the alias is looked at again
                words = str(error) if isinstance(error, CtexpError) else f"unforeseen {type(error).__name__}"
                if words != trouble:  # once, not every few seconds
                    trouble = words
                    self.metrics.count_reload(False)
                    log(f"warning: {trouble}; version {self.current.served.version} goes on answering")
                continue
            trouble = None
            if found is not None:
                self.current.served = found
                self.metrics.show_model(found)
                self.metrics.count_reload(True)
                log(f"{found.name} version {found.version} answers from now on")

    async def _prove(self, found: Served) -> None:
        try:
            await self._pool.prove(found, self.limits.answer_seconds)
        except WorkerError as error:
            raise WorkError(
                f"{found.name} version {found.version}: a worker must be able to load it: {error}"
            ) from error
