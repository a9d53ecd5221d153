"""What a worker process does: take a job, read its scan, answer. It knows nothing of HTTP and nothing of the store.

A worker may be ended at any moment: it holds nothing but the network. Memory is bounded by the system, so that a file
that unpacks to more than it should ends in a sentence.
"""

import contextlib
import logging
import signal
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctexp.errors import ScanError, WorkError
from ctexp.scans.read import ReadOptions
from ctexp.service.discretion import where

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ctexp.registry.explain import Method
    from ctexp.registry.predictor import Predictor
    from ctexp.scans.volume import Volume

_KEPT = 2
"""Networks that a worker keeps: the present one, and the one before for requests that came before the alias moved."""


@dataclass(frozen=True)
class Served:
    """A version that answers.

    Attributes:
        name, version: as registered.
        synthetic: trained on drawn scans.
        folder: its files.
    """

    name: str
    version: str
    synthetic: bool
    folder: Path

    def as_json(self) -> dict[str, Any]:
        """Give it as answers name it."""
        return {"name": self.name, "version": self.version, "synthetic": self.synthetic}


@dataclass(frozen=True)
class Job:
    """One scan to answer.

    Attributes:
        path: where the upload lies.
        label: what the answer calls it.
        served: who answers.
        options: how a DICOM series is read.
        force: answer on a scan that is refused, too.
        picture: give the page's slices as well.
        explain: method of the heat map on them; None for none.
    """

    path: Path
    label: str
    served: Served
    options: ReadOptions = field(default_factory=ReadOptions)
    force: bool = False
    picture: bool = False
    explain: "Method | None" = None


@dataclass(frozen=True)
class Load:
    """No scan, only a network to have ready."""

    served: Served


@dataclass(frozen=True)
class Reply:
    """What became of a job.

    Attributes:
        outcome: `answered`; `refused` for no chest CT, `unreadable` for no scan, `too large` for the worker's memory.
        answer: predict's JSON object.
        body: answer and slices in one, for the page.
    """

    outcome: str
    answer: dict[str, Any]
    body: bytes | None = None


def run(pipe: Connection, worker_bytes: int) -> None:
    """Answer the jobs that come through a pipe until it is closed at the other end.

    Args:
        pipe: jobs in; a `Reply`, or text for the log about an unforeseen error, out.
        worker_bytes: memory that may be taken beyond what a worker with a loaded network has.
    """
    # Ctrl-C and a service manager's SIGTERM reach all processes of the service; the first of them says when to end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    logging.disable(logging.CRITICAL)  # readers' warnings would name files
    worker = _Worker(worker_bytes)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            reply = worker.handle(pipe.recv())
            pipe.send(reply)
            del reply


class _Worker:
    def __init__(self, worker_bytes: int) -> None:
        self._bytes = worker_bytes
        self._predictors: dict[Path, Predictor] = {}

    def handle(self, job: Job | Load) -> Reply | str:
        try:
            predictor = self._predictor(job.served.folder)
        except Exception as error:  # it speaks of the network's files, which are no client's
            return f"{type(error).__name__}: {' '.join(str(error).split())}"
        if isinstance(job, Load):
            return Reply("answered", {})
        try:
            return self._answer(job, predictor)
        except Exception as error:
            return where(error)

    def _answer(self, job: Job, predictor: "Predictor") -> Reply:
        try:
            return _answer(job, predictor)
        except ScanError as error:
            return Reply("unreadable", {"path": job.label, "error": _named(str(error), job)})
        except MemoryError:
            room = f"{self._bytes / 2**30:g} GiB"
            return Reply("too large", {"path": job.label, "error": f"{job.label}: must unpack to a scan that can be "
                                       f"answered in {room} of memory, it does not"})  # fmt: skip

    def _predictor(self, folder: Path) -> "Predictor":
        from ctexp.registry.predictor import Predictor

        if folder not in self._predictors:
            predictor = Predictor(folder)  # one that cannot be loaded takes no other's place
            while len(self._predictors) >= _KEPT:
                del self._predictors[next(iter(self._predictors))]
            self._predictors[folder] = predictor
            _bound_memory(self._bytes)
        return self._predictors[folder]


def _answer(job: Job, predictor: "Predictor") -> Reply:
    from ctexp.registry.answer import Answer
    from ctexp.scans.read import open_scan
    from ctexp.service.picture import draw, pack

    scan = open_scan(job.path, job.options)
    volume = scan.decode()
    outcome = predictor.answer(volume, force=job.force)
    remedy = "; force=true answers all the same"
    notes = tuple(_named(note, job) for note in scan.notes)
    answer = Answer.of(job.label, job.served, job.served.synthetic, outcome, remedy=remedy, notes=notes).as_json()
    answer["model"] = job.served.as_json()
    kind = "refused" if outcome.refusal else "answered"
    if not job.picture:
        return Reply(kind, answer)
    heat, method = _explain(predictor, volume, job.explain) if outcome.prediction else (None, None)
    return Reply(kind, answer, pack(answer, draw(volume, heat, method)))


def _explain(
    predictor: "Predictor", volume: "Volume", method: "Method | None"
) -> "tuple[npt.NDArray[np.float32] | None, Method | None]":
    """Give the heat map (x, y, z) and its method; nothing where none is wished, or the network allows none."""
    from ctexp.registry.explain import explain

    if method is None:
        return None, None
    try:
        return explain(predictor, volume, method=method).heat, method
    except WorkError:  # operations without a known derivative; the answer stands without a heat map
        return None, None


def _named(text: str, job: Job) -> str:
    """Call the upload by its label, where it lies is nobody's business, and options as a request has them."""
    text = text.replace(str(job.path), job.label)
    return text.replace("--series", "series=").replace("--allow-gaps", "allow_gaps=true")


def _bound_memory(more: int) -> None:
    """Let this process take so many bytes beyond what it has; where the system cannot bound it, nothing is done."""
    import resource

    import psutil

    limit = psutil.Process().memory_info().vms + more
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
