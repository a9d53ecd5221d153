"""Every error a user can cause or meet, under one root.

CtexpError
├── InputError        the user's input is wrong (exit 2)
│   ├── ConfigError   a setting, a preset or a settings file
│   ├── ScanError     one file that is no readable CT volume
│   ├── DataError     a collection, its labels, its patients or its split
│   └── UnknownReferenceError   a run, a model or an alias that is not there
└── WorkError         the work itself failed (exit 1)
    └── StoreUnreachableError   the store does not answer

A message is one line, `place: rule, value, remedy`, and never needs a traceback to be understood.
"""


class CtexpError(Exception):
    """Root of all errors that ctexp raises on purpose."""

    exit_code = 1


class InputError(CtexpError, ValueError):
    """The user's input breaks a rule that the message states."""

    exit_code = 2


class ConfigError(InputError):
    """A setting, a preset or a settings file breaks a rule."""


class ScanError(InputError):
    """A file is no CT volume that can be read."""


class DataError(InputError):
    """A collection of scans, its labels, its patients or its split breaks a rule."""


class UnknownReferenceError(InputError):
    """A run, a registered model or an alias does not exist in the store."""


class WorkError(CtexpError):
    """The work failed although the input was right: disk, store or numbers."""


class StoreUnreachableError(WorkError):
    """The store that knows the runs and versions does not answer."""
