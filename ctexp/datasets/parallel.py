"""Work on many scans at once, in threads: few scans in memory at a time, results in order."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """Count the cores this process may use (a container or a batch system may allow fewer than there are)."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows
        return os.cpu_count() or 1


def ordered_map(work: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Yield `work(item)` in order while at most `threads` + 1 items are under way.

    Products of matrices take one thread each meanwhile: every thread of `work` would else start as many as there are
    cores, and those wait for each other. Preparing scans on two cores takes a third less time by that.
    """
    with _LIMIT.held(), ThreadPoolExecutor(threads, thread_name_prefix="ctexp-scan") as pool:
        rest = iter(items)
        waiting: deque[Future[R]] = deque(pool.submit(work, item) for item in islice(rest, threads + 1))
        try:
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(work, item) for item in islice(rest, 1))
                yield result
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class _Limit:
    """One thread for each product of matrices, from the first that holds it until the last lets it go.

    The limit is the process's: two that overlapped, each restoring what it had found, would leave it behind.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        from threadpoolctl import threadpool_limits

        with self._lock:
            self._holders += 1
            if self._holders == 1:
                self._limits = threadpool_limits(1, user_api="blas")
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if self._holders == 0:
                    self._limits.restore_original_limits()


_LIMIT = _Limit()
