"""The desk without a store and without a port: a store that is down, and workers that die or never end."""

import asyncio
import contextlib
import multiprocessing
import os
import re
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx
import pytest

from ctexp.config import ScanSettings
from ctexp.errors import StoreUnreachableError
from ctexp.service.desk import Desk
from ctexp.service.guard import Access
from ctexp.service.limits import GIBI, Limits
from ctexp.service.metrics import Metrics
from ctexp.service.uploads import Uploads
from ctexp.service.work import Served
from ctexp.service.workers import Pool

NAME = "SMITH_JOHN.nii.gz"


class Known:
    """Stands for `Current` and the store behind it: what each look brings is known beforehand.

    Attributes:
        served: the version that answers.
        seen: the version that answered when it was looked, look by look.
    """

    def __init__(self, served: Served, *looks: Served | Exception) -> None:
        self.served = served
        self.seen: list[str] = []
        self._looks = iter(looks)

    def look(self) -> Served | None:
        """Give, or raise, what comes next; after the last nothing changes any more."""
        self.seen.append(self.served.version)
        found = next(self._looks, None)
        if isinstance(found, Exception):
            raise found
        return found


class Willing(Pool):
    """Workers that could load whatever they are asked to."""

    async def prove(self, served: Served, seconds: float) -> None:
        """Have no doubt."""


def test_old_version_answers_while_the_store_is_down(tmp_path, capsys) -> None:
    """Looks that fail, for whatever reason, change nothing; a trouble is told once, and the next version followed."""
    old, new = (Served("ctexp", version, True, tmp_path / version) for version in ("1", "2"))
    down = StoreUnreachableError("http://store: must answer, it does not")
    current = Known(old, down, down, ZeroDivisionError("a path of a patient"), new)
    pool = Willing(0, GIBI)
    metrics = Metrics(pool)

    async def follow(desk: Desk) -> None:
        watch = asyncio.create_task(desk.watch(0.001))
        async with asyncio.timeout(10):
            while current.served is old:
                await asyncio.sleep(0.001)
        watch.cancel()

    with Uploads(tmp_path) as uploads:
        asyncio.run(follow(Desk(Limits(), uploads, pool, current, metrics)))
    assert current.seen[:4] == ["1", "1", "1", "1"]
    assert current.served is new
    counted = metrics.text().decode()
    assert 'ctexp_model_reloads_total{result="failed"} 2.0' in counted
    assert 'ctexp_model_reloads_total{result="done"} 1.0' in counted
    assert 'ctexp_model_info{name="ctexp",version="2"} 1.0' in counted
    lines = capsys.readouterr().err.splitlines()
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ .+", line) for line in lines)
    assert [line.partition("Z ")[2] for line in lines] == [
        f"warning: {down}; version 1 goes on answering",
        "warning: unforeseen ZeroDivisionError; version 1 goes on answering",
        "ctexp version 2 answers from now on",
    ]


@pytest.fixture(scope="module")
def served(make_predictor, tmp_path_factory) -> Served:
    """A version with a small network."""
    folder = tmp_path_factory.mktemp("desk") / "version"
    make_predictor(folder, ScanSettings(shape=(42, 42, 21)))
    return Served("ctexp", "1", True, folder)


@pytest.fixture
def content(write_scan, tmp_path) -> bytes:
    """A scan."""
    return write_scan(tmp_path / "scan.nii.gz").read_bytes()


@contextlib.asynccontextmanager
async def opened(served: Served, folder: Path) -> AsyncIterator[tuple[Desk, httpx.AsyncClient]]:
    """A service with one worker that has loaded its network, and a client."""
    from ctexp.service.app import create_app

    pool = Pool(1, GIBI)
    try:
        await pool.load(served)
        with Uploads(folder) as uploads:
            desk = Desk(Limits(workers=1), uploads, pool, Known(served), Metrics(pool))
            transport = httpx.ASGITransport(create_app(desk, Access()))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                yield desk, client
            assert list(uploads.folder.glob("upload-*")) == []
    finally:
        pool.close()


def worker() -> BaseProcess:
    """The one worker process that lives now."""
    (one,) = (child for child in multiprocessing.active_children() if child.name == "ctexp-worker")
    return one


async def upload(client: httpx.AsyncClient, content: bytes) -> httpx.Response:
    """Send a scan, to be answered whatever its quality is."""
    return await client.post("/predict", files={"scan": (NAME, content)}, params={"force": True})


async def metrics_with(client: httpx.AsyncClient, line: str) -> str:
    """Wait until the metrics have a line, and give them all."""
    async with asyncio.timeout(30):
        while line not in (text := (await client.get("/metrics")).text).splitlines():
            await asyncio.sleep(0.01)
    return text


@pytest.mark.slow
def test_a_version_that_cannot_be_loaded_answers_nothing(served, make_predictor, content, tmp_path, capsys) -> None:
    """A champion whose network is none leaves the present version in its place, and is told once; the next answers."""
    broken, better = (replace(served, version=one, folder=tmp_path / one) for one in ("2", "3"))
    for one in (broken, better):
        make_predictor(one.folder, ScanSettings(shape=(42, 42, 21)))
    (broken.folder / "network.onnx").write_bytes(b"no network")

    async def ask() -> None:
        async with opened(served, tmp_path / "uploads") as (desk, client):
            desk.current = Known(served, broken, broken, better)
            watch = asyncio.create_task(desk.watch(0.2))
            await metrics_with(client, 'ctexp_model_reloads_total{result="failed"} 1.0')
            answered = await upload(client, content)
            assert (answered.status_code, answered.json()["model"]["version"]) == (200, "1")
            await metrics_with(client, 'ctexp_model_reloads_total{result="done"} 1.0')
            answered = await upload(client, content)
            assert (answered.status_code, answered.json()["model"]["version"]) == (200, "3")
            watch.cancel()

    (tmp_path / "uploads").mkdir()
    asyncio.run(ask())
    lines = [line.partition("Z ")[2] for line in capsys.readouterr().err.splitlines()]
    assert lines[0].startswith("warning: ctexp version 2: a worker must be able to load it: unforeseen ")
    assert lines[0].endswith("; version 1 goes on answering")
    assert lines[1:] == ["ctexp version 3 answers from now on"]


@pytest.mark.slow
@pytest.mark.parametrize("busy", [False, True])
def test_dead_worker_costs_one_answer(served, content, tmp_path, capsys, busy) -> None:
    """Killed before or while it has a scan, a worker is replaced: 500 for this scan, 200 for the next one."""

    async def ask() -> None:
        async with opened(served, tmp_path) as (_, client):
            first = worker()
            os.kill(first.pid, signal.SIGSTOP if busy else signal.SIGKILL)
            asked = asyncio.create_task(upload(client, content))
            if busy:
                await metrics_with(client, "ctexp_workers_working 1.0")
                first.kill()
            lost = await asked
            assert (lost.status_code, lost.json()["path"]) == (500, NAME)
            assert lost.json()["error"] == f"{NAME}: must be answered, the service failed at it; its log says why"
            assert (await upload(client, content)).status_code == 200
            counted = await metrics_with(client, "ctexp_worker_restarts 1.0")
            assert 'ctexp_requests_total{outcome="failed"} 1.0' in counted
            assert worker().pid != first.pid

    asyncio.run(ask())
    assert capsys.readouterr().err.partition("Z ")[2] == "error: a scan was not answered, its worker died\n"


@pytest.mark.slow
def test_slow_worker_is_ended_and_replaced(served, content, tmp_path) -> None:
    """A scan that takes longer than `--answer-seconds` is 503 with Retry-After, and the next one is 200."""

    async def ask() -> None:
        async with opened(served, tmp_path) as (desk, client):
            first = worker()
            os.kill(first.pid, signal.SIGSTOP)
            desk.limits = replace(desk.limits, answer_seconds=0.3)
            late = await upload(client, content)
            assert late.status_code == 503
            assert 1 <= int(late.headers["retry-after"]) <= 60
            assert late.json()["error"] == f"{NAME}: must be read and answered within 0.3 s, it was not"
            assert not first.is_alive()
            desk.limits = replace(desk.limits, answer_seconds=60)  # the other worker has a network to load first
            assert (await upload(client, content)).status_code == 200
            counted = await metrics_with(client, "ctexp_worker_restarts 1.0")
            assert 'ctexp_requests_total{outcome="slow_answer"} 1.0' in counted

    asyncio.run(ask())


@pytest.mark.slow
def test_what_reading_decided_is_said(served, tmp_path) -> None:
    """Which of a study's series in a zip was read stands in the answer; a file with one scan has nothing to say."""
    pytest.importorskip("pydicom")
    from helpers import dicom_series

    for number in (3, 4):
        parts = dicom_series.slices(uid=f"1.2.{number}", number=number, StudyInstanceUID="1.2.3")[: 14 - number]
        dicom_series.write(tmp_path / "study" / f"series {number}", parts)
    packed = dicom_series.pack(tmp_path / "study", tmp_path / "study.zip").read_bytes()
    plain = dicom_series.nifti(tmp_path / "plain.nii").read_bytes()

    async def ask() -> None:
        async with opened(served, tmp_path) as (_, client):
            for name, content, notes in (("study.zip", packed, 1), ("plain.nii", plain, 0)):
                sent = {"files": {"scan": (name, content)}, "params": {"force": True}}
                said = (await client.post("/predict", **sent)).json()["notes"]
                assert len(said) == notes, said
                assert all("is read; passed over: series 4" in one for one in said)
                assert all(one.endswith("; series= picks another") for one in said)

    asyncio.run(ask())
