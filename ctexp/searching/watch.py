"""What a person is told while a sweep runs."""

from collections.abc import Collection
from typing import Protocol

from ctexp.experiments.watch import Watch
from ctexp.searching.orders import Progress
from ctexp.searching.records import Configuration, TrialRecord


class SweepWatch(Watch, Protocol):
    """Somebody who looks on; the command line draws, a notebook may be silent."""

    def begin(self, trials: int, done: Collection[int], *, maximise: bool) -> None:
        """Hear how many trials there will be at most, and the numbers of those that are done already."""

    def trial_began(self, trial: int, configuration: Configuration) -> None:
        """Hear that a trial is with a worker."""

    def progress(self, progress: Progress) -> None:
        """Hear of one finished epoch of a trial."""

    def trial_ended(self, record: TrialRecord, *, paused: bool = False) -> None:
        """Hear how a trial ended, or that it waits for hyperband to promote it."""

    def end(self) -> None:
        """Hear that there will be no more of it."""
