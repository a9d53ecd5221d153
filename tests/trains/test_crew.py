"""Workers that die while nobody looks."""

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ctexp.config import ScanSettings
from ctexp.experiments.request import TrainingRequest
from ctexp.presets import get_preset
from ctexp.searching.orders import Order, Outcome, Progress, Workplace
from ctexp.searching.workers import LocalCrew, Slot

EXPERIMENT = get_preset("smoke")


@pytest.fixture
def crew(tmp_path: Path, fresh_workers: None) -> Iterator[LocalCrew]:
    """One worker in a workplace without scans."""
    workplace = Workplace(
        tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}", "0", tmp_path, (), "", TrainingRequest(EXPERIMENT),
        (ScanSettings(),),
    )  # fmt: skip
    crew = LocalCrew(workplace, [Slot(())])
    yield crew
    crew.close()


def first_news(crew: LocalCrew) -> Progress | Outcome:
    """What is heard next."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for news in crew.listen(0.5):
            return news
    raise AssertionError("nothing was heard")


def test_a_worker_that_died_idle_is_found_out_at_its_next_order_and_replaced(crew: LocalCrew) -> None:
    """The order of a worker that was killed while it had none fails as a crash, by name, and another one is there."""
    (dead,) = crew.pids
    victim = psutil.Process(dead)
    victim.kill()
    while victim.status() != psutil.STATUS_ZOMBIE:  # dead, and not yet asked after by its parent
        time.sleep(0.01)
    crew.submit(Order(0, 0, "none", (), EXPERIMENT, 1, (), maximise=True))
    news = first_news(crew)
    assert isinstance(news, Outcome)
    assert (news.place, news.trial, news.ending, news.fault) == (0, 0, "failed", "crash")
    assert "SIGKILL" in news.reason
    assert crew.free == 1
    assert crew.pids != [dead]
