"""What the service counts, for Prometheus; nothing of any scan is in it, no name, no number."""

import psutil
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from ctexp.service.refusals import Outcome
from ctexp.service.work import Served
from ctexp.service.workers import Pool

CONTENT_TYPE = CONTENT_TYPE_LATEST
disable_created_metrics()  # type: ignore[no-untyped-call]  # a time beside each counter that nobody asks for
_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 60, 120)


class Metrics:
    """The counters of one service.

    Args:
        pool: whose workers are watched.
    """

    def __init__(self, pool: Pool) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "ctexp_requests", "Requests by what became of them; those for the page and its facts are not counted.",
            ["outcome"], registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "ctexp_answer_seconds", "From the first byte of a request with a scan to its answer, refusals left out.",
            buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        self._model = Gauge(
            "ctexp_model_info", "1 for the version that answers.", ["name", "version"], registry=self._registry
        )
        self._reloads = Counter("ctexp_model_reloads",
                                "Looks at the alias that found another version, or began to fail.", ["result"],
                                registry=self._registry)  # fmt: skip
        self.held = Gauge("ctexp_held_requests", "Requests with a scan, uploads included.", registry=self._registry)
        self.waiting = Gauge("ctexp_queue_length", "Uploaded scans that wait for a worker.", registry=self._registry)
        gauges = {
            "ctexp_workers_working": ("Workers that have a scan.", lambda: pool.working),
            "ctexp_worker_restarts": ("Workers that died or were ended for being slow.", lambda: pool.restarts),
            "ctexp_workers_memory_bytes": ("Resident memory of all workers.", pool.memory),
            "ctexp_service_memory_bytes": ("Resident memory of the service without its workers.",
                                           lambda: psutil.Process().memory_info().rss),
        }  # fmt: skip
        for name, (words, read) in gauges.items():
            Gauge(name, words, registry=self._registry).set_function(read)
        ProcessCollector(registry=self._registry)  # file descriptors, CPU time, start; on Linux

    def count(self, outcome: Outcome, seconds: float | None = None) -> None:
        """Count a request, and how long its answer took."""
        self._requests.labels(outcome=outcome.replace(" ", "_")).inc()
        if seconds is not None:
            self._seconds.observe(seconds)

    def show_model(self, served: Served) -> None:
        """Say which version answers from now on."""
        self._model.clear()
        self._model.labels(name=served.name, version=served.version).set(1)

    def count_reload(self, worked: bool) -> None:
        """Count a moved alias that was followed, or a trouble that began: no store, or a version none can load."""
        self._reloads.labels(result="done" if worked else "failed").inc()

    def text(self) -> bytes:
        """Give all of it in Prometheus' format."""
        return generate_latest(self._registry)
