"""What a worker says when it cannot answer: to the client by its own name, to the log nothing of the client's."""

import errno

import pytest

from ctexp.service.limits import GIBI
from ctexp.service.work import Job, Reply, Served, _Worker

NAME = "SMITH_JOHN.nii.gz"


class Broken:
    """A network that fails at every scan."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def answer(self, volume: object, *, force: bool) -> None:
        """Fail."""
        raise self._error


@pytest.fixture
def job(write_scan, tmp_path) -> Job:
    """A scan to answer, under a name of the service."""
    path = write_scan(tmp_path / "scan.nii.gz").rename(tmp_path / "upload-1")
    return Job(path, NAME, Served("ctexp", "1", True, tmp_path / "version"))


def handle(job: Job, error: Exception) -> Reply | str:
    """Have the job done by a worker whose network fails with this error."""
    worker = _Worker(GIBI)
    worker._predictors[job.served.folder] = Broken(error)  # one that is loaded bounds this process's memory
    return worker.handle(job)


def test_log_is_told_nothing_of_the_client(job) -> None:
    """An unforeseen error is told by its kind and its place in the program: its words may quote path, name or scan."""
    for error, kind in (
        (OSError(errno.EIO, "cannot be read", str(job.path)), "OSError EIO"),
        (OSError(f"cannot read {NAME}"), "OSError"),
        (ValueError("SMITH^JOHN is no number, in SMITH/1.dcm"), "ValueError"),
    ):
        said = handle(job, error)
        assert isinstance(said, str)
        assert said.startswith(f"{kind} at ")
        assert " > ctexp.service.work:" in said
        assert "SMITH" not in said
        assert str(job.path) not in said


def test_client_is_told_by_its_own_name(job) -> None:
    """An unreadable scan is called what the client calls it; where it lies is not said."""
    job.path.write_bytes(job.path.read_bytes()[:200])
    reply = handle(job, AssertionError("a scan that is cut short reached the network"))
    assert isinstance(reply, Reply)
    assert (reply.outcome, reply.answer["path"]) == ("unreadable", NAME)
    assert reply.answer["error"].startswith(f"{NAME}: ")
    assert str(job.path) not in reply.answer["error"]


def test_network_that_cannot_be_loaded_is_told_in_its_words(job) -> None:
    """Why a version's files cannot be loaded is logged in full: they are the operator's, no client's."""
    said = _Worker(GIBI).handle(job)
    assert isinstance(said, str)
    assert said.startswith(f"WorkError: {job.served.folder}: must hold a whole predictor: ")
    assert "SMITH" not in said
