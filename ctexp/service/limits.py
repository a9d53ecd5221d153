"""What the service takes on, at most; whatever a client sends, memory, disk and time stay within these."""

from dataclasses import dataclass

from ctexp.config import check

MEBI, GIBI = 1 << 20, 1 << 30


@dataclass(frozen=True)
class Limits:
    """Bounds of one service.

    Attributes:
        upload_bytes: of a request's body.
        workers: scans that are read and answered at once, each in a process of its own.
        queue: further requests that are held, uploads included; one more is sent away with 503.
        silence_seconds: that a client may be silent in the middle of its body.
        body_seconds: for a whole body.
        answer_seconds: for reading and answering one scan, from when a worker has it.
        worker_bytes: memory that a worker may take for its scan.
        stop_seconds: that a stop waits for what has begun.
    """

    upload_bytes: int = 512 * MEBI
    workers: int = 2
    queue: int = 32
    silence_seconds: float = 20.0
    body_seconds: float = 300.0
    answer_seconds: float = 120.0
    worker_bytes: int = 4 * GIBI
    stop_seconds: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what no service can keep to.

        Raises:
            ConfigError: a limit is out of its range.
        """
        check(self.upload_bytes >= MEBI, "--max-mb", ">= 1", self.upload_bytes / MEBI)
        check(1 <= self.workers <= 64, "--workers", "from 1 to 64", self.workers)
        check(0 <= self.queue <= 10_000, "--queue", "from 0 to 10000", self.queue)
        for option, seconds in (("--body-seconds", self.body_seconds), ("--answer-seconds", self.answer_seconds)):
            check(0 < seconds <= 86_400, option, "above 0 and at most 86400", seconds)
        check(self.worker_bytes >= GIBI // 2, "--worker-gb", ">= 0.5", self.worker_bytes / GIBI)

    @property
    def places(self) -> int:
        """Requests with a scan that are held at once."""
        return self.workers + self.queue
