"""Programs as processes that begin with every library loaded: forked from a server that has them.

To load TensorFlow and MLflow costs ten seconds of a core, more than most of what the tests then look at. What such a
process does, and how it ends, is its own: signals, exit code, files, sockets. Only its start is not that of a program.
"""

import gc
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

LOADED = [
    "alembic.command", "ctexp.cli.main", "ctexp.experiments.training.checkpoints", "ctexp.experiments.training.record",
    "ctexp.experiments.training.train", "ctexp.learning.export", "ctexp.learning.training", "ctexp.registry.versions",
    "ctexp.searching.conductor", "ctexp.searching.finish", "ctexp.searching.oracle", "ctexp.searching.report",
    "ctexp.searching.trial", "ctexp.tracking.figures", "ctexp.tracking.store", "keras",
    "matplotlib.backends.backend_agg", "mlflow", "mlflow.pyfunc.scoring_server", "mlflow.pyfunc.utils.environment",
    "mlflow.store.db.utils", "mlflow.store.model_registry.sqlalchemy_workspace_store",
    "mlflow.store.tracking.sqlalchemy_workspace_store", "onnxruntime", "tensorflow",
]  # fmt: skip
"""Modules that the server loads. None of them starts TensorFlow's runtime, which no fork survives."""

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(LOADED)


COMMAND = "from ctexp.cli.main import app; app(prog_name='ctexp')"


class Forked:
    """A program that runs, in the shape of `subprocess.Popen` with pipes of text.

    Args:
        code: of the program; `COMMAND` for ctexp's own.
        words: what stands in `sys.argv` behind the program's name.
        folder: where it stands.
        environment: all of its variables; None for those of this process.
    """

    def __init__(
        self, code: str, words: Sequence[object], folder: Path, environment: dict[str, str] | None = None
    ) -> None:
        self.args = ["ctexp", *map(str, words)]
        out, their_out = SERVER.Pipe(duplex=False)
        err, their_err = SERVER.Pipe(duplex=False)
        said = (code, self.args, str(folder), environment or dict(os.environ), their_out, their_err)
        self._process = SERVER.Process(target=_run, args=said)
        self._process.start()
        their_out.close()
        their_err.close()
        self.pid = self._process.pid or 0
        self.stdout = os.fdopen(os.dup(out.fileno()), encoding="utf-8")
        self.stderr = os.fdopen(os.dup(err.fileno()), encoding="utf-8")
        out.close()
        err.close()

    @property
    def returncode(self) -> int | None:
        """Exit code, a signal's negative number, or None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """As `returncode`."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read what is left to read, and wait for the end."""
        read: dict[str, str] = {}
        streams = {"out": self.stdout, "err": self.stderr}
        threads = [
            threading.Thread(target=lambda name, stream: read.update({name: stream.read()}), args=one, daemon=True)
            for one in streams.items()
        ]
        for thread in threads:
            thread.start()
        self.wait(timeout)
        for thread in threads:
            thread.join(timeout)
        return read["out"], read["err"]


def _run(
    code: str, words: list[str], folder: str, environment: dict[str, str], out: Connection, err: Connection
) -> None:
    """Be the program, in the process that was forked for it."""
    gc.freeze()  # a process that has just begun has nothing to look through either
    for number, connection in ((1, out), (2, err)):
        os.dup2(connection.fileno(), number)
        connection.close()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = words
    exec(code, {"__name__": "__main__"})  # noqa: S102 - a test's own
