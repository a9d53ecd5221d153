"""Fixtures that several test modules share."""

import os
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import settings

# No example database: the same examples are tried each time, on every machine.
settings.register_profile("ctexp", max_examples=40, database=None, deadline=None, derandomize=True)
settings.load_profile("ctexp")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the fast tests first: what is broken shows in seconds."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(autouse=True)
def isolation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run in an empty folder, with plain output, no store or data of the user's, and no GPU."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "CTEXP_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded source of random numbers."""
    return np.random.default_rng(20240517)


@pytest.fixture
def write_scan() -> Callable[..., Path]:
    """A function that writes a small random CT scan; another seed is another content."""

    def write(path: Path, seed: int = 0, shape: tuple[int, int, int] = (10, 9, 8)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        hu = np.random.default_rng(seed).integers(-1000, 500, shape).astype(np.int16)
        nib.save(nib.Nifti1Image(hu, np.diag([-2.0, 2.0, 3.0, 1.0])), path)
        return path

    return write
