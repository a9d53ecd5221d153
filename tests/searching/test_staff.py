"""How many trials run at once where nobody says so."""

from types import SimpleNamespace

import psutil
import pytest

from ctexp import __version__
from ctexp.errors import ConfigError, WorkError
from ctexp.searching.staff import MOST_WORKERS, Staff


@pytest.mark.parametrize(
    ("cores", "gib", "gpus", "expected"),
    [(1, 16, 0, 1), (2, 16, 0, 2), (16, 64, 0, 4), (16, 8, 0, 2), (0, 16, 0, 1), (2, 2, 0, 1), (16, 64, 3, 3)],
)
def test_one_a_core_as_far_as_results_and_memory_go(
    monkeypatch: pytest.MonkeyPatch, cores: int, gib: int, gpus: int, expected: int
) -> None:
    """A GPU takes one each; else a core does, four at most, with 4 GiB for each; there is always one."""
    monkeypatch.setattr("ctexp.searching.staff.cores", lambda: cores)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=gib * 2**30))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(gpus))))
    assert Staff().count() == expected
    assert Staff(workers=7).count() == 7
    assert Staff(ray="10.0.0.1:6379").count() == MOST_WORKERS


@pytest.mark.slow
def test_a_cluster_is_checked_before_anything_is_read() -> None:
    """Workers elsewhere need a server that they reach; those of this machine, Ray's too, do with its own store."""
    pytest.importorskip("ray")
    with pytest.raises(ConfigError, match=r"^--ray 10\.0\.0\.1:6379: MLFLOW_TRACKING_URI must name an MLflow server"):
        Staff(ray="10.0.0.1:6379").check("sqlite:///mlflow.db")
    Staff(ray="10.0.0.1:6379").check("https://10.0.0.1:5000")
    Staff(ray="local").check("sqlite:///mlflow.db")
    Staff().check("sqlite:///mlflow.db")


def test_a_node_that_cannot_prepare_the_scans_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk on a worker of a cluster is its fault to tell, not a worker that dies without a word."""
    from ctexp.searching import cluster

    def fail(workplace: object) -> None:
        raise WorkError("cache: cannot be written: No space left on device")

    monkeypatch.setattr(cluster, "settle_in", fail)
    assert cluster._Actor(None, None).ready() == (__version__, "cache: cannot be written: No space left on device")
