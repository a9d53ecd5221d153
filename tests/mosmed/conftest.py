"""A server of MosMedData's files, and the command that fetches them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.mosmed_site import FULL, SUBSET, Web
from typer.testing import CliRunner, Result

from ctexp.cli.main import app


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder: real servers, archives and processes."""
    here = Path(__file__).parent
    for item in items:
        if here in Path(item.path).parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A running server."""
    monkeypatch.setenv("no_proxy", "*")
    web = Web()
    yield web
    web.released.set()
    web.server.shutdown()
    web.server.server_close()


@pytest.fixture
def fetch() -> Callable[..., Result]:
    """Run `ctexp data fetch mosmed` in this process."""
    return lambda *words: CliRunner().invoke(app, ["data", "fetch", "mosmed", *map(str, words)])


@pytest.fixture
def scans(tmp_path: Path, write_scan: Callable[..., Path]) -> Callable[[str, dict[str, int]], Path]:
    """A function that writes class folders with so many scans each."""

    def write(name: str, classes: dict[str, int], suffix: str = ".nii.gz") -> Path:
        folder = tmp_path / name
        for kind, number in classes.items():
            for index in range(number):
                write_scan(
                    folder / kind / f"study_{index + 1:04}{suffix}", seed=100 * list(FULL | SUBSET).index(kind) + index
                )
        return folder

    return write
