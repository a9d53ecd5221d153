"""What a source lists before any scan is opened: path, label, patient, side."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Side = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Entry:
    """One scan as a folder or a manifest names it.

    Attributes:
        path: the scan.
        label: 0 normal, 1 abnormal.
        class_name: the label in the source's own word.
        patient: whom the scan is of; scans of one patient stay on one side of a split.
        side: the split's side where the source fixes it.
    """

    path: Path
    label: int
    class_name: str
    patient: str
    side: Side | None = None


@dataclass(frozen=True)
class Problem:
    """A scan that cannot be used, and the one line that says why."""

    path: Path
    reason: str
