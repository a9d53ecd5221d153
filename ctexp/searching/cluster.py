"""Workers on a Ray cluster: one actor a slot, each loads TensorFlow once and takes leg after leg.

Only orders, progress and outcomes travel through Ray; settings, curves and checkpoints go to MLflow from where they
arise, and scans stay where they are. A node that is lost costs only the legs that ran there.
"""

import contextlib
import os
import queue
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctexp import __version__
from ctexp.errors import ConfigError, CtexpError, DataError, WorkError
from ctexp.experiments.watch import Watch
from ctexp.searching.orders import Order, Outcome, Progress, Workplace
from ctexp.searching.remote import settle_in
from ctexp.searching.wording import count
from ctexp.searching.workers import GROWTH

CORES_A_SLOT = 2
"""Cores that a trial gets on a node without GPUs that has so many."""
PATIENCE = 600
"""Seconds without a single worker, before the sweep gives the cluster up."""
JOINING = 60
"""Seconds in which the first node with cores or a GPU must have joined: job scripts start all at once."""
_NAP, _CHECK = 0.5, 10.0


@dataclass
class _Slot:
    """One actor, and what it is busy with."""

    actor: Any
    ready: Any
    is_ready: bool = False
    order: Order | None = None
    work: Any = None
    news: Any = None
    began: float = 0.0
    first_rss: int = 0


class RayCrew:
    """Workers on a Ray cluster.

    Args:
        workplace: what they need.
        address: the cluster's, or `local` for one that is started on this machine.
        workers: how many trials at once; they wait for nodes that have not joined yet.
        watch: told what the cluster has.

    Raises:
        WorkError: the cluster cannot be reached.
    """

    def __init__(self, workplace: Workplace, address: str, workers: int, watch: Watch) -> None:
        _use_token()
        import ray

        self._ray, self._workplace = ray, workplace
        quiet = {"log_to_driver": False, "logging_level": "error", "configure_logging": True}
        try:
            if address == "local":  # a new one, also where the environment names another
                ray.init(address="local", include_dashboard=False, **quiet)
            else:
                ray.init(address=address, **quiet)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise WorkError(f"--ray {address}: the cluster must be reachable: {first}") from error
        nodes = _nodes_with_room(ray, address, watch)
        gpus = sum(int(node.get("GPU", 0)) for node in nodes)
        cores = min(CORES_A_SLOT, max(int(node.get("CPU", 0)) for node in nodes))
        self._options = {"num_gpus": 1} if gpus else {"num_cpus": cores}
        self._cores = None if gpus else cores
        room = gpus or sum(int(node.get("CPU", 0)) // cores for node in nodes)
        what = "a GPU" if gpus else count(cores, "core")
        watch.say(
            f"Ray cluster of {count(len(nodes), 'node')}: room for {count(room, 'trial')} of {what}, "
            f"{count(workers, 'worker')} wished"
        )
        self._watch = watch
        self._slots = [self._hire() for _ in range(workers)]
        self._last_ready = self._last_check = time.monotonic()
        self._home = ray.get_runtime_context().get_node_id()

    def _hire(self) -> _Slot:
        """Ask for an actor; it is ready when the cluster has room for it."""
        kind = self._ray.remote(max_concurrency=4, max_restarts=0, **self._options)(_Actor)
        actor = kind.remote(self._workplace, self._cores)
        return _Slot(actor, actor.ready.remote())

    @property
    def free(self) -> int:
        """How many more orders would be begun at once."""
        self._look_for_ready(0.0)
        return sum(slot.is_ready and slot.order is None for slot in self._slots)

    def submit(self, order: Order) -> None:
        """Give an order to somebody free."""
        slot = next(slot for slot in self._slots if slot.is_ready and slot.order is None)
        slot.order, slot.began = order, time.monotonic()
        slot.work, slot.news = slot.actor.run.remote(order), slot.actor.news.remote()

    def listen(self, seconds: float) -> list[Progress | Outcome]:
        """Wait for news, at most so long; a node that is lost is news as an outcome that failed."""
        self._check_home()
        busy = [slot for slot in self._slots if slot.order is not None]
        if not busy:
            self._look_for_ready(seconds)
            return []
        handles = [handle for slot in busy for handle in (slot.work, slot.news)]
        ready, _ = self._ray.wait(handles, num_returns=len(handles), timeout=seconds)
        heard: list[Progress | Outcome] = []
        for number, slot in enumerate(self._slots):
            if slot.order is None:
                continue
            if slot.news in ready:
                with contextlib.suppress(self._ray.exceptions.RayError):
                    heard += self._ray.get(slot.news)
                    slot.news = slot.actor.news.remote()
            if slot.work in ready:
                heard.append(self._outcome(number, slot))
        return heard

    def _check_home(self) -> None:
        """End where this process's own node is lost: nothing can be begun through it, and Ray does not say so."""
        if time.monotonic() - self._last_check > _CHECK:
            self._last_check = time.monotonic()
            if not any(node["Alive"] and node["NodeID"] == self._home for node in self._ray.nodes()):
                raise WorkError("--ray: the node of the sweep itself must stay in the cluster, it was lost")

    def _outcome(self, number: int, slot: _Slot) -> Outcome:
        order = slot.order
        assert order is not None  # noqa: S101 - only slots with an order have work
        slot.order = None
        try:
            outcome: Outcome = self._ray.get(slot.work)
        except self._ray.exceptions.RayError as error:
            self._slots[number] = self._hire()
            memory = type(error).__name__ == "OutOfMemoryError"
            return Outcome(
                order.place,
                order.trial,
                "failed",
                seconds=time.monotonic() - slot.began,
                reason="out of memory on its node" if memory else "its worker or its node was lost",
                fault="memory" if memory else "crash",
            )
        slot.first_rss = slot.first_rss or outcome.rss
        has_grown = outcome.rss > slot.first_rss + GROWTH
        if has_grown or (outcome.ending == "failed" and outcome.fault == "crash"):
            self._ray.kill(slot.actor)
            self._slots[number] = self._hire()
        return outcome

    def _look_for_ready(self, seconds: float) -> None:
        """Notice which actors have begun, and refuse workers that are not like this process."""
        waiting = {slot.ready: slot for slot in self._slots if not slot.is_ready}
        if waiting:
            ready, _ = self._ray.wait(list(waiting), num_returns=len(waiting), timeout=seconds)
            for handle in ready:
                self._welcome(waiting[handle])
        if any(slot.is_ready for slot in self._slots):
            self._last_ready = time.monotonic()
        elif time.monotonic() - self._last_ready > PATIENCE:
            raise WorkError(f"--ray: the cluster must give at least one worker, it gave none for {PATIENCE} s")

    def _welcome(self, slot: _Slot) -> None:
        try:
            version, fault = self._ray.get(slot.ready)
        except self._ray.exceptions.RayError:
            self._slots[self._slots.index(slot)] = self._hire()  # its node went before it began
            time.sleep(_NAP)
            return
        if version != __version__:
            raise ConfigError(f"--ray: every node must have ctexp {__version__}, one has {version}; install the same")
        if fault:
            raise DataError(fault)
        slot.is_ready = True

    def stop(self) -> None:
        """Ask all to stop after their epoch."""
        for slot in self._slots:
            if slot.is_ready:
                slot.actor.stop.remote()

    def close(self) -> None:
        """End all at once."""
        for slot in self._slots:
            with contextlib.suppress(Exception):
                self._ray.kill(slot.actor)
        self._ray.shutdown()


def _nodes_with_room(ray: Any, address: str, watch: Watch) -> list[dict[str, float]]:
    """Give what each node offers; a cluster whose nodes are still starting is waited for."""
    end = time.monotonic() + JOINING
    told = False
    while True:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if any(node.get("GPU", 0) >= 1 or node.get("CPU", 0) >= 1 for node in nodes):
            return nodes
        if time.monotonic() > end:
            ray.shutdown()
            raise WorkError(
                f"--ray {address}: the cluster must have cores or GPUs, its nodes offered none in {JOINING} s"
            )
        if not told:
            watch.say("Ray cluster without cores or GPUs so far: waiting for its nodes")
            told = True
        time.sleep(_NAP)


def _use_token() -> None:
    """Show the cluster's token where this machine has one; Ray by itself does so only for clusters it starts."""
    named = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    if named or (Path.home() / ".ray" / "auth_token").is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


class _Actor:
    """A worker in the cluster. Its methods run beside each other: one trains, one tells, one hears."""

    def __init__(self, workplace: Workplace, cores: int | None) -> None:
        if cores is not None:  # read when TensorFlow is loaded
            os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = str(cores)
        self._fault = ""
        self._news: queue.SimpleQueue[Progress] = queue.SimpleQueue()
        self._stop = threading.Event()
        try:
            self._workplace = settle_in(workplace)
        except CtexpError as error:  # a full disk, too: whoever hires is told, and need not guess
            self._fault = str(error)

    def ready(self) -> tuple[str, str]:
        """Give ctexp's version here, and what is wrong with the scans; empty for nothing."""
        return __version__, self._fault

    def run(self, order: Order) -> Outcome:
        """Train one leg."""
        from ctexp.searching.trial import run_order

        return run_order(self._workplace, order, self._news.put, self._stop.is_set)

    def news(self) -> list[Progress]:
        """Give what was told since the last call, waiting a moment for it."""
        told: list[Progress] = []
        with contextlib.suppress(queue.Empty):
            told.append(self._news.get(timeout=5.0))
            while True:
                told.append(self._news.get_nowait())
        return told

    def stop(self) -> None:
        """Hear that training is to stop after this epoch."""
        self._stop.set()
