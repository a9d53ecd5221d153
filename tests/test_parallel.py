"""Work on many scans at once: order, errors, memory, and the threads of matrix products."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from ctexp.datasets.parallel import cores, ordered_map
from ctexp.errors import WorkError


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_few_items_are_under_way(threads: int) -> None:
    """While results are taken slowly, only one more item than there are threads is begun, and order is kept."""
    begun: list[int] = []
    lock = threading.Lock()

    def items() -> Iterator[int]:
        for number in range(20):
            with lock:
                begun.append(number)
            yield number

    def work(number: int) -> int:
        time.sleep(0.002 if number % 3 else 0.0)
        return number

    taken = []
    for result in ordered_map(work, items(), threads):
        taken.append(result)
        assert len(begun) - len(taken) <= threads + 1
    assert taken == list(range(20))


def test_first_failure_ends_the_work() -> None:
    """An error in one item is raised in its turn, and what is far behind it is never begun."""
    done: list[int] = []

    def work(number: int) -> int:
        if number == 3:
            raise WorkError("disk: full")
        done.append(number)
        return number

    got = []
    with pytest.raises(WorkError, match="full"):
        got.extend(ordered_map(work, range(1000), 2))
    assert max(done) < 10


def test_at_least_one_core() -> None:
    """The number of cores is a usable number of threads."""
    assert cores() >= 1


def _blas_threads(_: int = 0) -> set[int]:
    assert np.ones((2, 2)).sum() == 4.0  # its library is loaded
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_products_of_matrices_take_one_thread_meanwhile() -> None:
    """While there is work, each product takes one thread, overlapping work included; then as many as before."""
    with threadpool_limits(3, user_api="blas"):
        first = ordered_map(_blas_threads, range(3), 2)
        second = ordered_map(_blas_threads, range(3), 2)
        assert next(first) == next(second) == {1}
        assert list(first) == [{1}] * 2
        assert _blas_threads() == {1}
        second.close()
        assert _blas_threads() == {3}
