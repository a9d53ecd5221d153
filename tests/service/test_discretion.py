"""The server's own log of an unforeseen error."""

import logging
from collections.abc import Iterator

import pytest

from ctexp.service.discretion import Discreet, make_discreet

LOGGERS = ("uvicorn.error", "asyncio")


@pytest.fixture
def discreet() -> Iterator[None]:
    """The loggers as the service leaves them; afterwards as they were."""
    make_discreet()
    make_discreet()  # a second time changes nothing
    yield
    for name in LOGGERS:
        logger = logging.getLogger(name)
        for one in [one for one in logger.filters if isinstance(one, Discreet)]:
            logger.removeFilter(one)


@pytest.mark.usefixtures("discreet")
@pytest.mark.parametrize("name", LOGGERS)
def test_no_words_of_an_error_reach_the_log(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Kind and place are logged, neither words nor traceback; other messages stay as they are."""
    logger = logging.getLogger(name)
    assert len(logger.filters) == 1
    try:
        raise ValueError("SMITH^JOHN is no number")
    except ValueError:
        logger.exception("SMITH")
    logger.warning("the port is %d", 80)
    assert "SMITH" not in caplog.text
    assert f"unforeseen: ValueError at {__name__}:" in caplog.text
    assert "the port is 80" in caplog.text
