"""SOURCE, the word a user types, to the scans it stands for."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ctexp.config import ScanSettings
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.load import load_collection
from ctexp.datasets.sources import PHANTOM_MARK, Source, find_source
from ctexp.errors import DataError
from ctexp.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project that is not the current folder."""
    (tmp_path / "project").mkdir()
    return Project(tmp_path / "project")


@pytest.fixture
def cache(tmp_path: Path) -> ScanCache:
    """An empty cache."""
    return ScanCache(tmp_path / "cache", ScanSettings(shape=(8, 8, 8)))


def test_without_a_word(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing typed: synthetic scans, told as the default; MosMedData where it is; the variable before both."""
    assert find_source(None, project) == Source("phantom", project.data / "phantom", is_default=True)
    (project.data / "mosmed").mkdir(parents=True)
    assert find_source(None, project) == Source("mosmed", project.data / "mosmed")
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("CTEXP_DATA", str(tmp_path / "mine"))
    assert find_source(None, project) == Source(str(tmp_path / "mine"), tmp_path / "mine")
    assert find_source("phantom", project) == Source("phantom", project.data / "phantom")
    assert list(tmp_path.glob("project/data/phantom*")) == []


def test_what_can_be_typed(project: Project, tmp_path: Path) -> None:
    """A folder, a manifest in any case, and the two words."""
    (tmp_path / "scans").mkdir()
    (tmp_path / "list.CSV").touch()
    (project.data / "mosmed").mkdir(parents=True)
    assert find_source("scans", project).place == Path("scans")
    assert find_source("list.CSV", project).place == Path("list.CSV")
    assert find_source("mosmed", project).place == project.data / "mosmed"


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("mosmed", r"^mosmed: the scans must lie in .*project/data/mosmed; .*CT-0\.zip and CT-23\.zip"),
        ("nothing", "^nothing: must be phantom, mosmed, a folder or a CSV manifest"),
        ("scan.nii", r"^scan\.nii: a collection must be a folder or a \.csv manifest, this is one file"),
    ],
)
def test_what_cannot(typed: str, says: str, project: Project, tmp_path: Path) -> None:
    """Each wrong word says what it must be."""
    (tmp_path / "scan.nii").touch()
    with pytest.raises(DataError, match=says):
        find_source(typed, project)


@pytest.mark.parametrize("synthetic", [False, True])
@pytest.mark.parametrize("kind", ["folder", "manifest"])
def test_collection_of_a_source(
    kind: str, synthetic: bool, tmp_path: Path, cache: ScanCache, write_scan: Callable[..., Path]
) -> None:
    """A folder and a manifest of the same scans are the same collection; the mark of drawn scans is seen in both."""
    folder = tmp_path / "data"
    for number in range(4):
        write_scan(folder / ("CT-0", "CT-23")[number % 2] / f"{number}.nii.gz", number)
    rows = [f"CT-0/{n}.nii.gz,0\n" if n % 2 == 0 else f"CT-23/{n}.nii.gz,1\n" for n in range(4)]
    (folder / "scans.csv").write_text("path,label\n" + "".join(rows))
    if synthetic:
        (folder / PHANTOM_MARK).write_text(json.dumps({}))
    stages: list[str] = []

    def progress(stage: str) -> Callable[[int, int], None]:
        stages.append(stage)
        return lambda done, of: None

    place = folder if kind == "folder" else folder / "scans.csv"
    collection = load_collection(Source("mine", place), cache, progress=progress)
    assert collection.synthetic == synthetic
    assert collection.hash == load_collection(Source("mine", folder), cache).hash
    assert len(collection.scans) == 4
    assert stages == ["preparing scans"]


def test_problems_of_the_listing_are_not_lost(
    tmp_path: Path, cache: ScanCache, write_scan: Callable[..., Path]
) -> None:
    """A file that is no scan stops the work, or is skipped and told."""
    for number in range(2):
        write_scan(tmp_path / "data" / ("CT-0", "CT-1")[number] / f"{number}.nii", number)
    (tmp_path / "data/CT-0/picture.png").touch()
    source = Source("mine", tmp_path / "data")
    with pytest.raises(DataError, match=r"1 of 3 files cannot be used(.|\n)*picture\.png"):
        load_collection(source, cache)
    assert len(load_collection(source, cache, skip_bad=True).skipped) == 1


def test_a_folder_of_ones_own_called_phantom_is_left_alone(project: Project, tmp_path: Path) -> None:
    """`phantom` is the built-in source even where a folder of that name lies; `./phantom` is the folder."""
    (tmp_path / "phantom").mkdir()
    assert find_source("phantom", project).place == project.data / "phantom"
    assert find_source("./phantom", project) == Source("./phantom", Path("phantom"))
