"""The service's log: a line with its time on stderr, and nothing in it of a scan or of who asked."""

import sys
from datetime import UTC, datetime


def log(text: str) -> None:
    """Write a line: the time in UTC to the second, then `text`."""
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%SZ} {text}", file=sys.stderr, flush=True)
