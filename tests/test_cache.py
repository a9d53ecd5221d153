"""Prepared arrays on disk: found by content, whole or made again, shared by many processes."""

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.config import ScanSettings
from ctexp.datasets.cache import LEVELS, ScanCache, quantise, restore
from ctexp.errors import WorkError

SETTINGS = ScanSettings(shape=(8, 9, 10))
KEY = "ab" * 32


@pytest.fixture
def cache(tmp_path: Path) -> ScanCache:
    """An empty cache."""
    return ScanCache(tmp_path / "cache", SETTINGS)


@pytest.fixture
def prepared(rng: np.random.Generator) -> np.ndarray:
    """A prepared scan with both ends of the scale in it."""
    array = rng.random(SETTINGS.shape, dtype=np.float32)
    array[0, 0, :2] = 0, 1
    return array


def test_entry_comes_back(cache: ScanCache, prepared: np.ndarray) -> None:
    """An entry is read only, mapped from the disk, and differs by at most half a level."""
    assert not cache.has(KEY)
    cache.store(KEY, prepared)
    assert cache.has(KEY)
    levels = cache.load(KEY)
    assert isinstance(levels, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        levels[0, 0, 0] = 1
    again = restore(levels)
    assert again.dtype == np.float32
    assert np.abs(again.astype(np.float64) - prepared).max() <= 1 / 131070 + 1e-7
    assert (again[0, 0, 0], again[0, 0, 1]) == (0.0, 1.0)
    assert os.listdir(cache.folder) == [f"{KEY}.npy"]


def test_entry_is_an_ordinary_file_of_numpy(cache: ScanCache, prepared: np.ndarray) -> None:
    """Whatever the order of an array in memory, `numpy.load` reads the same entry."""
    cache.store(KEY, np.asfortranarray(prepared))
    np.testing.assert_array_equal(np.load(cache.path(KEY)), cache.load(KEY))
    np.testing.assert_array_equal(cache.load(KEY), quantise(prepared))


@pytest.mark.slow
def test_many_threads_load_entries(cache: ScanCache, prepared: np.ndarray) -> None:
    """Eight threads that load thousands of entries at once all get them."""
    cache.store(KEY, prepared)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: cache.has(KEY), range(4000)))


@given(st.lists(st.floats(0, 1, width=32), min_size=1))
def test_quantising_is_idempotent_and_keeps_order(values: list[float]) -> None:
    """Every value is off by at most half a level, a kept value is kept exactly, and no two change places."""
    array = np.sort(np.array(values, dtype=np.float32))
    levels = quantise(array)
    assert np.abs(levels / LEVELS - array.astype(np.float64)).max() <= 0.5 / LEVELS + 1e-7
    assert (np.diff(levels.astype(np.int64)) >= 0).all()
    np.testing.assert_array_equal(quantise(restore(levels)), levels)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": (9, 8, 10)},
        {"window_hu": (-1000.0, 401.0)},
        {"geometry": "physical"},
        {"geometry": "lungs"},
        {"lungs_hu": (-150.0, 251.0)},
        {"extent_mm": (1.0, 2.0, 3.0)},
        {"resampling": "area"},
    ],
)
def test_other_settings_are_other_entries(change: dict, cache: ScanCache, prepared: np.ndarray) -> None:
    """No setting of the preparation can find an entry that was made with another."""
    cache.store(KEY, prepared)
    assert not ScanCache(cache.folder.parent, replace(SETTINGS, **change)).has(KEY)
    assert ScanCache(cache.folder.parent, replace(SETTINGS)).has(KEY)
    assert not cache.has("cd" * 32)


def torn(whole: bytes, name: str) -> bytes:
    """What a crash, a full disk or another program may leave."""
    return {
        "empty": b"",
        "one byte": whole[:1],
        "header only": whole[:128],
        "half": whole[: len(whole) // 2],
        "one byte short": whole[:-1],
        "text": b"garbage " * 20,
        "archive": b"PK\x03\x04" + whole,
        "pickle": b"\x80\x04K\x01.",
        "broken header": whole[:20] + b"((((" + whole[24:],
        "other type": whole.replace(b"<u2", b"<f2", 1),
        "other shape": whole.replace(b"(8, 9, 10)", b"(9, 8, 10)", 1),
    }[name]


NAMES = "empty,one byte,header only,half,one byte short,text,archive,pickle,broken header,other type,other shape"


@pytest.mark.parametrize("name", NAMES.split(","))
def test_torn_entry_is_no_entry(name: str, cache: ScanCache, prepared: np.ndarray) -> None:
    """An entry that is not whole counts as missing, is refused on loading, and is replaced by the next store."""
    cache.store(KEY, prepared)
    whole = cache.path(KEY).read_bytes()
    assert torn(whole, name) != whole
    cache.path(KEY).write_bytes(torn(whole, name))
    assert not cache.has(KEY)
    with pytest.raises(ValueError, match=KEY):
        cache.load(KEY)
    cache.store(KEY, prepared)
    assert cache.path(KEY).read_bytes() == whole


def test_folder_in_the_way_is_a_work_error(tmp_path: Path, prepared: np.ndarray) -> None:
    """A file where the cache should be is named; nothing is left behind."""
    (tmp_path / "cache").write_bytes(b"")
    with pytest.raises(WorkError, match=r"cache.*: a prepared scan must be writable here"):
        ScanCache(tmp_path / "cache", SETTINGS).store(KEY, prepared)
    assert os.listdir(tmp_path) == ["cache"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root writes everywhere")
def test_folder_without_permission_is_a_work_error(tmp_path: Path, prepared: np.ndarray) -> None:
    """A read-only folder is named."""
    (tmp_path / "cache").mkdir(mode=0o500)
    with pytest.raises(WorkError, match="must be writable here"):
        ScanCache(tmp_path / "cache", SETTINGS).store(KEY, prepared)


def test_no_temporary_file_is_left_after_a_failure(cache: ScanCache, prepared: np.ndarray) -> None:
    """A rename that fails leaves neither an entry nor a part of one."""
    cache.path(KEY).mkdir(parents=True)
    with pytest.raises(WorkError):
        cache.store(KEY, prepared)
    assert os.listdir(cache.folder) == [f"{KEY}.npy"]


PROCESS = """
import sys, numpy as np
from pathlib import Path
from ctexp.config import ScanSettings
from ctexp.datasets.cache import ScanCache, quantise
cache = ScanCache(Path(sys.argv[1]), ScanSettings(shape=(8, 9, 10)))
print("ready", flush=True)
sys.stdin.readline()
for turn in range(8):
    for key in range(3):
        array = np.full((8, 9, 10), key / 2, dtype=np.float32)
        cache.store(str(key), array)
        assert cache.has(str(key))
        assert (cache.load(str(key)) == quantise(array)).all()
"""


@pytest.mark.slow
def test_processes_share_entries(tmp_path: Path) -> None:
    """Four processes that write and read the same entries at once all read whole ones."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(tmp_path / "cache")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for one in processes:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    ends = [one.communicate("go\n") for one in processes]
    assert [(one.returncode, err) for one, (_, err) in zip(processes, ends, strict=True)] == [(0, "")] * 4
    cache = ScanCache(tmp_path / "cache", SETTINGS)
    assert sorted(os.listdir(cache.folder)) == ["0.npy", "1.npy", "2.npy"]
    assert len({hashlib.sha256(path.read_bytes()).digest() for path in cache.folder.iterdir()}) == 3
