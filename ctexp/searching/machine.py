"""What this machine has for workers, and why one of them died."""

import itertools
import signal
from pathlib import Path

import psutil


def usable_cores() -> tuple[int, ...]:
    """Give the numbers of the cores that this process may use; empty where the system does not say."""
    process = psutil.Process()
    return tuple(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else ()


def share(cores: tuple[int, ...], workers: int) -> list[tuple[int, ...]]:
    """Share cores out among workers, as evenly as they go; more workers than cores share all of them.

    >>> share((0, 1, 2, 3, 4), 2)
    [(0, 1, 2), (3, 4)]
    """
    if not cores or workers > len(cores):
        return [cores] * workers
    size, rest = divmod(len(cores), workers)
    ends = [size * number + min(number, rest) for number in range(workers + 1)]
    return [cores[start:end] for start, end in itertools.pairwise(ends)]


def count_oom_kills() -> int:
    """Give how often the kernel has killed a process for want of memory; 0 where it does not say."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def describe_exit(code: int) -> str:
    """Say how a process ended.

    >>> describe_exit(-9)
    'its worker was killed by SIGKILL'
    """
    if code >= 0:
        return f"its worker ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"its worker was killed by {name}"
