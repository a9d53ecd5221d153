"""Fixtures that several test modules share."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import settings

# No example database: the same examples are tried each time, on every machine.
settings.register_profile("ctexp", max_examples=40, database=None, deadline=None, derandomize=True)
settings.load_profile("ctexp")


def forget_settings() -> None:
    """Take the user's settings, and those that MLflow leaves behind, out of the environment."""
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "CTEXP_", "RAY_")):
            del os.environ[name]


forget_settings()  # before any fixture of a module is made


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the fast tests first: what is broken shows in seconds."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(autouse=True)
def isolation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Run in an empty folder, with plain output, no store or data of the user's, and no GPU."""
    forget_settings()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    yield
    forget_settings()


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded source of random numbers."""
    return np.random.default_rng(20240517)


@pytest.fixture
def write_scan() -> Callable[..., Path]:
    """A function that writes a small noisy chest CT; another seed is another content."""

    def write(path: Path, seed: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        hu = np.full((20, 18, 20), -1000, dtype=np.int16)
        hu[1:-1, 2:-2] = 40  # a body in air, in it a spine at the back (y grows to the front) and two lungs
        hu[9:11, 3:6] = 400
        for lung in (slice(3, 9), slice(11, 17)):
            hu[lung, 6:14, 4:16] = -850
        hu += np.random.default_rng(seed).integers(-30, 30, hu.shape).astype(np.int16)
        nib.save(nib.Nifti1Image(hu, np.diag([-18.0, 16.0, 12.0, 1.0])), path)
        return path

    return write
