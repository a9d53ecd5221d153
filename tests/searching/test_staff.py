"""How many trials run at once where nobody says so."""

from types import SimpleNamespace

import pytest

from ctexp.searching import staff
from ctexp.searching.staff import Staff


@pytest.mark.parametrize(
    ("cores", "gib", "gpus", "expected"),
    [(1, 16, 0, 1), (2, 16, 0, 2), (16, 64, 0, 4), (16, 8, 0, 2), (0, 16, 0, 1), (2, 2, 0, 1), (16, 64, 3, 3)],
)
def test_one_a_core_as_far_as_results_and_memory_go(
    monkeypatch: pytest.MonkeyPatch, cores: int, gib: int, gpus: int, expected: int
) -> None:
    """A GPU takes one each; else a core does, four at most, with 4 GiB for each; there is always one."""
    monkeypatch.setattr(staff, "usable_cores", lambda: tuple(range(cores)))
    monkeypatch.setattr(staff, "visible_gpus", lambda: tuple(map(str, range(gpus))))
    monkeypatch.setattr(staff.psutil, "virtual_memory", lambda: SimpleNamespace(total=gib * 2**30))
    assert Staff().count() == expected
    assert Staff(workers=7).count() == 7
    assert Staff(ray="10.0.0.1:6379").count() == staff.MOST_WORKERS
