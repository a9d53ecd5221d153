"""What Ctrl-C and SIGTERM ask of a sweep."""

import os
import signal
from collections.abc import Iterator

import pytest

from ctexp.cli.sweep import _on_interrupt
from ctexp.cli.sweep_console import SweepConsole


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Leave no signal handler behind."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_first_ends_after_the_epoch_and_the_second_at_once(first: int, second: int) -> None:
    """Either signal, once, is a wish that trials look at between epochs; another one ends the sweep where it is."""
    watch = SweepConsole()
    wished = _on_interrupt(watch)
    watch.begin(3, (), maximise=True)
    assert not wished.is_set()
    os.kill(os.getpid(), first)
    assert wished.is_set()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), second)


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_before_trials_begin_the_first_ends_it(first: int, capfd: pytest.CaptureFixture[str]) -> None:
    """While scans are prepared there is no epoch to wait for, and nothing is said of one."""
    wished = _on_interrupt(SweepConsole())
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), first)
    assert not wished.is_set()
    assert capfd.readouterr().err == ""
