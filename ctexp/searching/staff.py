"""Who works for a sweep: processes of this machine, or slots of a Ray cluster."""

import importlib.util
from dataclasses import dataclass

import psutil

from ctexp.address import shown
from ctexp.datasets.parallel import cores
from ctexp.errors import ConfigError
from ctexp.experiments.watch import Watch
from ctexp.searching.machine import share, usable_cores
from ctexp.searching.orders import Workplace
from ctexp.searching.wording import count
from ctexp.searching.workers import Crew, LocalCrew, Slot
from ctexp.tracking.gpus import visible_gpus

MOST_WORKERS = 4
"""Workers where nobody says otherwise. The more there are, the fewer results a proposal has seen: with ten, a Bayesian
search of twenty trials would be a random one."""
_GIB_A_WORKER = 4


@dataclass(frozen=True)
class Staff:
    """What is wished of workers.

    Attributes:
        workers: how many; None for one a GPU, or one a core, but no more than `MOST_WORKERS` and what memory allows:
            two workers with a core each are faster than one with two (`python -m benchmarks.sweep workers`).
        ray: address of a Ray cluster, `local` for one that is started here, None for processes of this machine.
    """

    workers: int | None = None
    ray: str | None = None

    def count(self) -> int:
        """Give how many trials run at once; the list of trials depends on it, so it depends on nothing that varies."""
        if self.workers or self.ray is not None:
            return self.workers or MOST_WORKERS
        room = psutil.virtual_memory().total // (_GIB_A_WORKER * 2**30)
        return len(visible_gpus()) or max(1, min(MOST_WORKERS, cores(), room))

    def check(self, tracking_uri: str) -> None:
        """See that such workers could work with this store, before anything is read or begun.

        Args:
            tracking_uri: MLflow's store.

        Raises:
            ConfigError: Ray is not installed, or workers on other machines could not reach the store.
        """
        if self.ray is None:
            return
        if importlib.util.find_spec("ray") is None:
            raise ConfigError('--ray: needs Ray, install it with `pip install "ctexp[ray]"`')
        if self.ray != "local" and not tracking_uri.startswith(("http://", "https://")):
            raise ConfigError(
                f"--ray {self.ray}: MLFLOW_TRACKING_URI must name an MLflow server that every node reaches, "
                f"got {shown(tracking_uri)}; start one with `mlflow server`"
            )


def hire(staff: Staff, workplace: Workplace, watch: Watch) -> Crew:
    """Start the workers.

    Raises:
        WorkError: the cluster cannot be reached.
    """
    if staff.ray is not None:
        from ctexp.searching.cluster import RayCrew

        return RayCrew(workplace, staff.ray, staff.count(), watch)
    gpus = visible_gpus()
    shares = share(usable_cores(), staff.count())
    slots = [Slot(mine, gpus[number % len(gpus)] if gpus else None) for number, mine in enumerate(shares)]
    what = f"{len(gpus)} GPUs" if gpus else f"{count(len(shares[0]), 'core')} each" if shares[0] else "all cores"
    watch.say(f"{count(len(shares), 'worker')}, {what}")
    return LocalCrew(workplace, slots)
