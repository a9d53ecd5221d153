"""Who works for a sweep: processes of this machine, or slots of a Ray cluster."""

from dataclasses import dataclass

from ctexp.experiments.watch import Watch
from ctexp.searching.machine import share, usable_cores, visible_gpus
from ctexp.searching.orders import Workplace
from ctexp.searching.workers import Crew, LocalCrew, Slot

CORES_A_WORKER = 2
"""Cores that a worker gets where nobody says otherwise."""


@dataclass(frozen=True)
class Staff:
    """What is wished of workers.

    Attributes:
        workers: how many; None for one a GPU, or one for every `CORES_A_WORKER` cores.
        ray: address of a Ray cluster, `local` for one that is started here, None for processes of this machine.
    """

    workers: int | None = None
    ray: str | None = None

    def count(self) -> int:
        """Give how many trials run at once on this machine."""
        return self.workers or len(visible_gpus()) or max(1, len(usable_cores()) // CORES_A_WORKER)


def hire(staff: Staff, workplace: Workplace, watch: Watch) -> Crew:
    """Start the workers.

    Raises:
        ConfigError: the cluster cannot be used with this store.
        WorkError: the cluster cannot be reached.
    """
    if staff.ray is not None:
        from ctexp.searching.cluster import RayCrew

        return RayCrew(workplace, staff.ray, staff.workers, watch)
    count, gpus = staff.count(), visible_gpus()
    cores = share(usable_cores(), count)
    slots = [Slot(mine, gpus[number % len(gpus)] if gpus else None) for number, mine in enumerate(cores)]
    what = f"{len(gpus)} GPUs" if gpus else f"{len(cores[0]) or 'all'} cores each"
    watch.say(f"{count} {'worker' if count == 1 else 'workers'}, {what}")
    return LocalCrew(workplace, slots)
