"""A whole process measured: seconds and the peak of its memory."""

import json
import subprocess
import sys
from pathlib import Path

# A process's peak begins with that of the one it was forked from: a small one starts what is measured.
LAUNCHER = """
import json, os, sys, time
began = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - began
print(json.dumps([seconds, usage.ru_maxrss * 1024 / 1e6, os.waitstatus_to_exitcode(status)]))
"""


def measure(words: list[str], folder: Path, *, ends: tuple[int, ...] = (0,)) -> tuple[float, float, str]:
    """Run a process to its end, with one of these exit codes: seconds, peak in MB (10^6 bytes), what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHER, *words], cwd=folder, capture_output=True, text=True, check=True
    )
    said, _, figures = done.stdout.rstrip("\n").rpartition("\n")
    seconds, memory, code = json.loads(figures)
    if code not in ends:
        raise SystemExit(f"{' '.join(words)}: must end well, exit code {code}: {done.stderr[-2000:]}")
    return seconds, memory, said
