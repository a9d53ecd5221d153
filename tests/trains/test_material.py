"""The scans of a sweep: prepared for all that its space may ask for, what travels of them, what is refused there."""

import dataclasses
import pickle
from pathlib import Path

import pytest

from ctexp.datasets.cache import ScanCache
from ctexp.errors import DataError
from ctexp.experiments.watch import Silent
from ctexp.project import Project
from ctexp.searching.definition import SweepOptions, read_definition
from ctexp.searching.material import Material, gather_material
from ctexp.searching.orders import Workplace
from ctexp.searching.remote import settle_in
from ctexp.searching.request import SweepRequest
from ctexp.tracking.store import open_store

SWEEP = """
preset = "smoke"
algorithm = "random"
trials = 2

[space]
scan.shape = { choices = [[16, 16, 8], [24, 24, 8]] }
"""


@pytest.fixture(scope="module")
def sweep(scans: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Material, Workplace]:
    """The scans of a sweep over the preparation, and the workplace of its workers."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "shapes.toml").write_text(SWEEP)
    project = Project(folder)
    definition = read_definition(str(folder / "shapes.toml"), project, SweepOptions())
    request = SweepRequest(definition, 2, str(scans))
    material = gather_material(request, project, Silent())
    return material, material.workplace(request, open_store(project), project)


def test_scans_are_prepared_for_every_choice(sweep) -> None:
    """With a varying preparation each training and validation scan is in each choice's cache before a trial begins."""
    material, workplace = sweep
    shapes = {variant.shape for variant in workplace.variants}
    assert {(16, 16, 8), (24, 24, 8)} <= shapes
    for variant in workplace.variants:
        cache = ScanCache(workplace.cache, variant)
        for scan in (*material.data.split.train, *material.data.split.validation):
            assert cache.load(scan.sha256).shape == variant.shape


def test_nothing_of_the_locked_test_travels(sweep) -> None:
    """What a worker is sent names no scan of the locked test, neither by its path nor by its hash."""
    material, workplace = sweep
    sent = pickle.dumps(workplace)
    assert material.data.split.train[0].sha256.encode() in sent
    assert material.data.split.test
    for scan in material.data.split.test:
        assert scan.sha256.encode() not in sent
        assert scan.path.name.encode() not in sent


def test_a_node_with_other_scans_is_refused(sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that prepares the scans itself must find the sweep's: by their hash, in one line that says what to do."""
    monkeypatch.setenv("CTEXP_CACHE", str(tmp_path / "cache"))
    _, workplace = sweep
    away = dataclasses.replace(workplace, cache=tmp_path / "nothing")
    with pytest.raises(DataError, match=r"the scans on this worker must be the sweep's, their hash is .*; copy them"):
        settle_in(dataclasses.replace(away, data_hash="0" * 64))
    settled = settle_in(away)
    assert settled.cache == tmp_path / "cache"
    scan = workplace.splits[0].train[0]
    assert ScanCache(settled.cache, workplace.variants[0]).has(scan.sha256)
