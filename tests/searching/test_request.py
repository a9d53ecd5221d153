"""What makes two sweeps of two requests: only what was typed is compared."""

from pathlib import Path
from typing import Any

import pytest

from ctexp.project import Project
from ctexp.searching.definition import SweepOptions, read_definition
from ctexp.searching.request import SweepRequest, differences


def request(data: str | None = None, *, skip_bad: bool = False, **options: Any) -> SweepRequest:
    """A request for the sweep `smoke`, with the options of the command line."""
    definition = read_definition("smoke", Project(Path.cwd()), SweepOptions(**options))
    return SweepRequest(definition, 0, data, skip_bad=skip_bad)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ((), []),
        (("epochs",), ["epochs"]),
        (("folds", "preset"), []),
        (("seed", "data"), ["seed", "data"]),
        (("algorithm", "skip_bad"), ["algorithm", "skip_bad"]),
    ],
)
def test_only_what_was_typed_is_compared(typed: tuple[str, ...], found: list[str]) -> None:
    """Of two requests that differ in much, the options that were typed are named and no others."""
    begun = request("/scans", epochs=3, seed=4, algorithm="random", skip_bad=True)
    assert differences(request(epochs=5, algorithm="bayesian"), begun, typed) == found


def test_a_file_says_all_that_defines_a_sweep() -> None:
    """With its name or file typed a sweep is compared whole; its scans are still those it was begun with."""
    begun = request("/scans", epochs=3, seed=4)
    assert differences(request(epochs=3, seed=4), begun, ("file", "epochs", "seed")) == []
    assert "search_seed" in differences(request(epochs=3), begun, ("file", "epochs"))
    assert differences(request("/others", epochs=3, seed=4), begun, ("file", "data")) == ["data"]
