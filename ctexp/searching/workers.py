"""Worker processes of one machine: each loads TensorFlow once and takes leg after leg, with its share of the cores.

A worker that dies costs only its leg: the crew says so and starts another. It dies with the sweep's own process,
whatever ends that.
"""

import contextlib
import gc
import multiprocessing as mp
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event
from typing import Protocol

from ctexp.searching.machine import count_oom_kills, describe_exit
from ctexp.searching.orders import Order, Outcome, Progress, Workplace

CONTEXT = mp.get_context("spawn")
"""How a worker comes into being: a fork of a process with TensorFlow in it hangs."""
GROWTH = 512 * 2**20
"""Bytes that a worker may grow by, where nobody says otherwise."""


@dataclass(frozen=True)
class Slot:
    """What one worker may use.

    Attributes:
        cores: numbers of the cores it runs on; empty for all.
        gpu: as `CUDA_VISIBLE_DEVICES` names it; None for none.
    """

    cores: tuple[int, ...] = ()
    gpu: str | None = None


class Crew(Protocol):
    """Those who work for a sweep."""

    @property
    def free(self) -> int:
        """How many more orders would be begun at once."""

    def submit(self, order: Order) -> None:
        """Give an order to somebody free."""

    def listen(self, seconds: float) -> list[Progress | Outcome]:
        """Wait for news, at most so long; a worker that died is news as an outcome that failed."""

    def stop(self) -> None:
        """Ask all to stop after their epoch."""

    def close(self) -> None:
        """End all at once."""


class _Worker:
    """One process and what it is busy with."""

    def __init__(self, workplace: Workplace, slot: Slot, stop: Event) -> None:
        self.connection, theirs = CONTEXT.Pipe()
        self.process: SpawnProcess = CONTEXT.Process(
            target=_work, args=(theirs, workplace, slot, stop), name="ctexp-worker", daemon=True
        )
        self.process.start()
        theirs.close()
        self.order: Order | None = None
        self.began = 0.0
        self.first_rss = 0
        self.oom_kills = 0

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


class LocalCrew:
    """Workers on this machine.

    Args:
        workplace: what they need.
        slots: one worker each.
        growth: bytes that a worker may grow by after its first leg before another takes its place.
    """

    def __init__(self, workplace: Workplace, slots: Sequence[Slot], *, growth: int = GROWTH) -> None:
        self._workplace, self._slots, self._growth = workplace, slots, growth
        self._stop = CONTEXT.Event()
        self._workers = [self._start(slot) for slot in slots]
        self.replaced = 0
        """Workers that were replaced because they had grown."""

    def _start(self, slot: Slot) -> _Worker:
        return _Worker(self._workplace, slot, self._stop)

    @property
    def free(self) -> int:
        """How many more orders would be begun at once."""
        return sum(worker.order is None for worker in self._workers)

    @property
    def pids(self) -> list[int]:
        """Process numbers of the workers."""
        return [worker.process.pid or 0 for worker in self._workers]

    def submit(self, order: Order) -> None:
        """Give an order to somebody free."""
        worker = next(worker for worker in self._workers if worker.order is None)
        worker.order, worker.began, worker.oom_kills = order, time.monotonic(), count_oom_kills()
        with contextlib.suppress(OSError):  # it died while it had nothing to do: the next listening says so
            worker.connection.send(order)

    def listen(self, seconds: float) -> list[Progress | Outcome]:
        """Wait for news, at most so long; a worker that died is news as an outcome that failed."""
        busy = [worker for worker in self._workers if worker.order is not None]
        handles = [handle for worker in busy for handle in (worker.connection, worker.process.sentinel)]
        ready = set(wait(handles, timeout=seconds)) if handles else set()
        news: list[Progress | Outcome] = []
        for number, worker in enumerate(self._workers):
            if worker.order is None:
                continue
            if worker.connection in ready:
                news += self._receive(number, worker)
            if worker.order is not None and worker.process.sentinel in ready:
                news += self._receive(number, worker)  # what it said last
                if worker.order is not None:
                    news.append(self._bury(number, worker))
        return news

    def _receive(self, number: int, worker: _Worker) -> list[Progress | Outcome]:
        news: list[Progress | Outcome] = []
        with contextlib.suppress(EOFError, OSError):
            while worker.connection.poll():
                one = worker.connection.recv()
                news.append(one)
                if isinstance(one, Outcome):
                    worker.order = None
                    worker.first_rss = worker.first_rss or one.rss
                    if one.rss > worker.first_rss + self._growth:
                        worker.end()
                        self._workers[number] = self._start(self._slots[number])
                        self.replaced += 1
                    break
        return news

    def _bury(self, number: int, worker: _Worker) -> Outcome:
        """Take down a dead worker's leg and start another worker in its place."""
        worker.process.join()
        order = worker.order
        assert order is not None  # noqa: S101 - only workers with an order are asked about
        code = worker.process.exitcode or 0
        killed_for_memory = code == -signal.SIGKILL and count_oom_kills() > worker.oom_kills
        reason = describe_exit(code)
        worker.end()
        self._workers[number] = self._start(self._slots[number])
        return Outcome(
            order.place,
            order.trial,
            "failed",
            seconds=time.monotonic() - worker.began,
            reason=f"out of memory: {reason}" if killed_for_memory else reason,
            fault="memory" if killed_for_memory else "crash",
        )

    def stop(self) -> None:
        """Ask all to stop after their epoch."""
        self._stop.set()

    def close(self) -> None:
        """End all at once."""
        for worker in self._workers:
            worker.end()


def _work(connection: Connection, workplace: Workplace, slot: Slot, stop: Event) -> None:
    """Run in the worker: take orders until the sweep is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the sweep decides
    _die_with_parent()
    if slot.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, slot.cores)
    if slot.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = slot.gpu

    from ctexp.learning.backend import start_backend

    start_backend(0)

    import ctexp.learning.training  # loaded while the sweep prepares its first order
    import ctexp.tracking.run  # noqa: F401
    from ctexp.searching.trial import run_order

    with contextlib.suppress(EOFError, OSError):
        while True:
            order: Order = connection.recv()
            outcome = run_order(workplace, order, connection.send, stop.is_set)
            connection.send(outcome)
            if gc.get_freeze_count() == 0:  # all libraries are loaded now: looking through them took 0.4 s a trial
                gc.collect()
                gc.freeze()


def _die_with_parent() -> None:
    """End this process as soon as the sweep's own is gone, also when that was killed."""
    parent = mp.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    if sys.platform == "linux":  # at once, and also while native code holds the interpreter's lock
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
