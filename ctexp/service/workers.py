"""Worker processes and who has one: so many scans at once, each in a process that can be ended without harm."""

import asyncio
import multiprocessing
from multiprocessing.connection import Connection

import psutil

from ctexp.service.work import Job, Load, Reply, Served, run

_SPAWN = multiprocessing.get_context("spawn")  # a fork would take sockets, locks and the store's memory along


class WorkerError(Exception):
    """A worker gave no reply; there is another in its place. The message says why."""


class SlowWorkerError(WorkerError):
    """A worker took longer than it may, and was ended."""


class Worker:
    """One process and the pipe to it."""

    def __init__(self, worker_bytes: int) -> None:
        self._pipe, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=run, args=(theirs, worker_bytes), name="ctexp-worker", daemon=True)
        self.process.start()
        theirs.close()

    async def ask(self, job: Job | Load) -> Reply | str:
        """Have a job done, and give its reply or, as text, the error that nobody foresaw.

        Raises:
            WorkerError: the process died.
        """
        try:
            self._pipe.send(job)
            await _readable(self._pipe)
            reply: Reply | str = await asyncio.to_thread(self._pipe.recv)
        except (EOFError, OSError) as error:
            raise WorkerError("its worker died") from error
        return reply

    def close(self) -> None:
        """Let the process end when it has done its job."""
        self._pipe.close()

    def kill(self) -> None:
        """End the process now; the pipe is closed when nobody reads from it any more."""
        self.process.kill()
        self.process.join()


class Pool:
    """A number of workers; who asks waits until one is free.

    Args:
        count: workers.
        worker_bytes: memory that each may take for a scan.
    """

    def __init__(self, count: int, worker_bytes: int) -> None:
        self._bytes = worker_bytes
        self._workers = [Worker(worker_bytes) for _ in range(count)]
        self._idle: asyncio.Queue[Worker] = asyncio.Queue()
        for worker in self._workers:
            self._idle.put_nowait(worker)
        self.restarts = 0

    async def load(self, served: Served) -> None:
        """Have every worker load a network, so that the first scan need not wait for it.

        Raises:
            WorkerError: one cannot.
        """
        for reply in await asyncio.gather(*(worker.ask(Load(served)) for worker in self._workers)):
            if isinstance(reply, str):
                raise WorkerError(reply)

    @property
    def working(self) -> int:
        """Workers that have a job."""
        return len(self._workers) - self._idle.qsize()

    async def take(self) -> Worker:
        """Wait for a free worker; it must be given to `ask`."""
        return await self._idle.get()

    def give_back(self, worker: Worker) -> None:
        """Take a worker back that was given no job."""
        self._idle.put_nowait(worker)

    async def prove(self, served: Served, seconds: float) -> None:
        """Have one worker, as soon as it is free, load a network that is to answer next.

        Raises:
            WorkerError: it cannot, or not in time.
        """
        try:
            await self.ask(await self.take(), Load(served), seconds)
        except SlowWorkerError as error:
            raise WorkerError(f"it was not loaded within {seconds:g} s") from error

    async def ask(self, worker: Worker, job: Job | Load, seconds: float) -> Reply:
        """Have a taken worker do a job, and take it back, or another in its place.

        Raises:
            SlowWorkerError: it took longer than `seconds`.
            WorkerError: it died, or met what nobody foresaw.
        """
        try:
            async with asyncio.timeout(seconds):
                reply = await worker.ask(job)
        except TimeoutError as error:
            worker = self._replace(worker)
            raise SlowWorkerError(f"must be read and answered within {seconds:g} s, it was not") from error
        except BaseException:  # a job that nobody waits for any more must not leave its reply in the pipe
            worker = self._replace(worker)
            raise
        finally:
            self._idle.put_nowait(worker)
        if isinstance(reply, str):
            raise WorkerError(f"unforeseen {reply}")
        return reply

    def memory(self) -> int:
        """Give the bytes that the workers hold in memory, what they share counted once each."""
        total = 0
        for worker in self._workers:
            try:
                total += psutil.Process(worker.process.pid).memory_info().rss
            except psutil.Error:  # it is just being replaced
                continue
        return total

    def close(self, seconds: float = 5.0) -> None:
        """End all workers: those at work within `seconds`, then by force."""
        for worker in self._workers:
            worker.close()
        for worker in self._workers:
            worker.process.join(seconds)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()

    def _replace(self, worker: Worker) -> Worker:
        worker.kill()
        fresh = Worker(self._bytes)
        self._workers[self._workers.index(worker)] = fresh
        self.restarts += 1
        return fresh


async def _readable(pipe: Connection) -> None:
    """Wait until there is something to read, or nothing any more."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def tell() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(pipe.fileno(), tell)
    try:
        await ready
    finally:
        loop.remove_reader(pipe.fileno())
