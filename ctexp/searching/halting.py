"""When a trial looks hopeless: the median rule.

A trial is stopped after an epoch when its best value so far is worse than the median of what earlier trials had at
that epoch (Golovin et al. 2017, "Google Vizier", section 3.2.1, in the form of Optuna's MedianPruner, which compares
with the others' values at the epoch itself).
"""

import statistics
from collections.abc import Sequence

Curve = tuple[float, ...]


def floors(curves: Sequence[Curve], *, length: int, trials: int, begin: int) -> tuple[float | None, ...]:
    """Give, for each epoch, the value that the best so far of a new trial must reach.

    Args:
        curves: the metric after each epoch of the trials that are compared with. One that is shorter, because it was
            stopped or ran out of patience, counts with its last value afterwards: without it the median would creep
            towards the survivors.
        length: epochs of a whole trial.
        trials: so many are needed before anything is stopped.
        begin: the first epoch after which a trial may be stopped.

    Returns:
        A value an epoch, or None where nothing is stopped; empty when that is everywhere. The last epoch's is None:
        there is nothing left to save.
    """
    known = [curve for curve in curves if curve]
    if len(known) < trials:
        return ()
    line: list[float | None] = []
    for epoch in range(1, length + 1):
        values = [curve[min(epoch, len(curve)) - 1] for curve in known]
        line.append(statistics.median(values) if begin <= epoch < length else None)
    return tuple(line)


def is_hopeless(best: float, floor: float | None, *, maximise: bool) -> bool:
    """Tell whether a trial whose best value so far is `best` is to be stopped."""
    if floor is None:
        return False
    return best < floor if maximise else best > floor
