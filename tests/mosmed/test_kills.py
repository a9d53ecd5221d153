"""`ctexp data fetch mosmed` in real processes that are killed or meet: gone on from after any kill."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.mosmed_site import SUBSET, Web, held, left_behind, record, serve, subset, zipped
from helpers.watches import Silent
from typer.testing import Result

from ctexp.datasets.mosmed import fetch_mosmed, find_origins

Run = Callable[..., Result]


def start(*words: object) -> "subprocess.Popen[str]":
    """Start a real `ctexp data fetch mosmed`."""
    command = [sys.executable, "-m", "ctexp", "data", "fetch", "mosmed", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class TestKills:
    """Real processes that die or meet."""

    def test_killed_in_mid_download(self, web: Web, scans: Callable[..., Path], tmp_path: Path) -> None:
        """After kill -9 the second run asks for the rest, and only for the rest."""
        zips = subset(scans)
        base = serve(web, zips)
        web.hold = True
        part = tmp_path / "data/.mosmed.fetch/CT-0.zip.part"
        half = len(zips["CT-0"]) // 2
        first = start("--from", base)
        try:
            ends = time.monotonic() + 20
            while not (part.exists() and part.stat().st_size >= half) and time.monotonic() < ends:
                time.sleep(0.01)
        finally:
            first.send_signal(signal.SIGKILL)
            first.communicate()
        assert first.returncode == -signal.SIGKILL
        assert part.stat().st_size == half
        assert not (tmp_path / "data/mosmed").exists()
        web.hold = False
        web.released.set()
        second = start("--from", base)
        answer, told = second.communicate(timeout=30)
        assert second.returncode == 0, told
        assert answer == f"{tmp_path / 'data/mosmed'}: CT-0 2 scans, CT-23 2 scans\n"
        assert web.log == [("/CT-0.zip", None), ("/CT-0.zip", f"bytes={half}-"), ("/CT-23.zip", None)]
        assert record(tmp_path / "data/mosmed")["CT-0.zip"]["sha256"] == hashlib.sha256(zips["CT-0"]).hexdigest()
        assert left_behind(tmp_path / "data") == set()

    def test_two_at_once(self, web: Web, scans: Callable[..., Path], tmp_path: Path) -> None:
        """The second waits for the first and finds the work done: each file is downloaded once."""
        base = serve(web, subset(scans))
        web.hold = True
        both = [start("--from", base), start("--from", base)]
        ends = time.monotonic() + 20
        while not web.log and time.monotonic() < ends:
            time.sleep(0.01)
        time.sleep(0.5)
        web.hold = False
        web.released.set()
        ended = [process.communicate(timeout=30) for process in both]
        assert [process.returncode for process in both] == [0, 0], ended
        assert ended[0][0] == ended[1][0]
        assert sum("another fetch is at work; waiting for it" in told for _, told in ended) == 1
        assert web.log == [("/CT-0.zip", None), ("/CT-23.zip", None)]
        assert held(tmp_path / "data/mosmed") == SUBSET

    @pytest.mark.parametrize("before", ["nothing", "a class"])
    def test_killed_at_any_step(
        self, scans: Callable[..., Path], tmp_path: Path, before: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A fetch that dies at any change it makes on the disk leaves whole classes or none, and can be run again."""
        monkeypatch.setattr(os, "fsync", lambda handle: None)  # it guards against power cuts, and takes its time
        made = scans("made", SUBSET)
        for kind in SUBSET:
            (tmp_path / f"{kind}.zip").write_bytes(zipped(made / kind))
        origins = find_origins([str(tmp_path / f"{kind}.zip") for kind in SUBSET])
        step = 0
        while True:
            out = tmp_path / str(step) / "mosmed"
            if before == "a class":
                fetch_mosmed(out, origins[:1], Silent())
            survived = _die_at(step, lambda out=out: fetch_mosmed(out, origins, Silent()))
            assert held(out).items() <= SUBSET.items(), step
            assert fetch_mosmed(out, origins, Silent()) == SUBSET, step
            for file in made.rglob("*.nii.gz"):
                assert (out / file.relative_to(made)).read_bytes() == file.read_bytes(), step
            assert set(record(out)) == {"CT-0.zip", "CT-23.zip"}
            assert left_behind(out.parent) == set(), step
            if survived:
                break
            step += 1
        assert step > 20


def _die_at(step: int, work: Callable[[], object]) -> bool:
    """Run `work` in a forked process that ends, as if killed, before its n-th change on the disk; tell if it lived."""
    child = os.fork()
    if child == 0:
        count = 0

        def watch(event: str, args: tuple[object, ...]) -> None:
            nonlocal count
            changes = event in ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.link", "os.chmod")
            if changes or (event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)):
                if count == step:
                    os._exit(9)
                count += 1

        try:
            sys.addaudithook(watch)
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9)
    return status == 0
