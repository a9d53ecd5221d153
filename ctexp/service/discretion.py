"""What a log may say of an error that nobody foresaw: its kind and its place, none of its words.

They may quote the scan, the name that the client gave it, or names in a zip.
"""

import errno
import logging
import traceback

_STEPS = 8
"""Calls that are named of those that led to an error, the last ones."""


def where(error: BaseException) -> str:
    """Say what an error is and where it arose."""
    steps = [f"{frame.f_globals.get('__name__')}:{line}" for frame, line in traceback.walk_tb(error.__traceback__)]
    code = errno.errorcode.get(error.errno or 0) if isinstance(error, OSError) else None
    return f"{' '.join(filter(None, (type(error).__name__, code)))} at {' > '.join(steps[-_STEPS:])}"


class Discreet(logging.Filter):
    """Puts kind and place of a logged error in place of its words and its traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record; it is always logged."""
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if error is not None:
            record.msg, record.args = f"unforeseen: {where(error)}", ()
            record.exc_info = record.exc_text = None
        return True


def make_discreet() -> None:
    """Keep the words of unforeseen errors out of the logs of the server and of its loop."""
    for name in ("uvicorn.error", "asyncio"):
        logger = logging.getLogger(name)
        if not any(isinstance(one, Discreet) for one in logger.filters):
            logger.addFilter(Discreet())
