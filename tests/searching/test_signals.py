"""What Ctrl-C and SIGTERM ask of a sweep."""

import os
import signal
from collections.abc import Iterator

import pytest

from ctexp.cli.sweep import _on_interrupt


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
    wished = _on_interrupt()
    assert not wished.is_set()
    os.kill(os.getpid(), first)
    assert wished.is_set()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), second)
