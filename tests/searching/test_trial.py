"""What a trial makes of errors: whose fault it is decides whether it is tried again, and how."""

from types import SimpleNamespace

import pytest

from ctexp.errors import DataError, WorkError
from ctexp.searching import trial

ORDER = SimpleNamespace(place=2, trial=7, fold_runs=())


class ResourceExhaustedError(Exception):
    """As TensorFlow names it."""


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (WorkError("training: epoch 3: loss and outputs must stay finite, the loss is nan"), "numbers"),
        (WorkError("store: must be writable"), "crash"),
        (DataError("scans/a.nii: must be readable, it is gone"), "user"),
        (MemoryError("no room"), "memory"),
        (ResourceExhaustedError("OOM when allocating tensor"), "memory"),
        (RuntimeError("something in native code"), "crash"),
    ],
)
def test_errors_are_told_apart(monkeypatch: pytest.MonkeyPatch, error: Exception, fault: str) -> None:
    """Whatever is raised becomes an outcome with its reason; the worker lives on."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(trial, "_store", lambda workplace: None)
    monkeypatch.setattr(trial, "_train_once", fail)
    outcome = trial.run_order(None, ORDER, lambda progress: None, lambda: False)  # type: ignore[arg-type]
    assert (outcome.place, outcome.trial, outcome.ending, outcome.fault) == (2, 7, "failed", fault)
    assert str(error) in outcome.reason
