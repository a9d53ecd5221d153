"""Where the store, the data and the cache are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ctexp.errors import ConfigError, UnknownReferenceError
from ctexp.project import Project, find_project, require_address, require_store


def test_store_makes_a_folder_the_project(tmp_path: Path) -> None:
    """From any depth below it, the nearest folder with a store is the project."""
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert find_project(deep).root == deep
    (tmp_path / "mlflow.db").touch()
    assert find_project(deep).root == tmp_path
    (tmp_path / "a" / "mlflow.db").touch()
    assert find_project(deep).root == tmp_path / "a"


def test_sweeps_and_mlruns_together_make_a_folder_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the two folders alone is not enough; the current folder is where the search starts."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "below").mkdir()
    (tmp_path / "sweeps").mkdir()
    assert find_project(Path("below")).root == tmp_path / "below"
    (tmp_path / "mlruns").mkdir()
    assert find_project(Path("below")).root == tmp_path
    assert find_project().root == tmp_path


def test_nothing_is_created_by_asking(tmp_path: Path) -> None:
    """All places lie in the project and none is made."""
    project = find_project(tmp_path)
    assert project.tracking_uri == f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert [project.artifacts, project.data, project.cache] == [
        tmp_path / "mlruns",
        tmp_path / "data",
        tmp_path / ".ctexp" / "cache",
    ]
    assert list(tmp_path.iterdir()) == []


def test_environment_moves_store_and_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both variables win; a relative cache starts at the current folder; an empty variable is none."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://store:5000")
    monkeypatch.setenv("CTEXP_CACHE", "elsewhere")
    project = Project(tmp_path / "project")
    assert project.tracking_uri == "http://store:5000"
    assert project.cache == tmp_path / "elsewhere"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setenv("CTEXP_CACHE", "")
    assert project.tracking_uri.startswith("sqlite:")
    assert project.cache == tmp_path / "project" / ".ctexp" / "cache"


def test_a_stray_store_in_the_home_folder_swallows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Home and the temporary folder are projects only for commands typed right there."""
    for name in ("HOME", "TMPDIR"):
        place = tmp_path / name
        (place / "study").mkdir(parents=True)
        (place / "mlflow.db").touch()
        monkeypatch.setenv(name, str(place))
        monkeypatch.setattr("tempfile.tempdir", None)
        assert find_project(place / "study").root == place / "study"
        assert find_project(place).root == place


@pytest.mark.slow
@pytest.mark.parametrize("name", ["../elsewhere", "two words", "a@b", "-x"])
def test_a_model_name_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    """`$CTEXP_MODEL` becomes a folder and part of a REF: what could not be either is one line, and exit 2."""
    done = subprocess.run(
        [sys.executable, "-m", "ctexp", "runs", "list"],
        cwd=tmp_path,
        env={**os.environ, "CTEXP_MODEL": name},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: $CTEXP_MODEL: must be letters, digits")
    assert list(tmp_path.iterdir()) == []


def test_a_store_in_a_folder_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow would make the folder and begin another store; a new file in a folder that is there is fine."""
    monkeypatch.chdir(tmp_path)
    project = Project(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///nofolder/x.db")
    with pytest.raises(UnknownReferenceError) as told:
        require_address(project)
    assert str(told.value) == (
        "store sqlite:///nofolder/x.db: its folder must exist, there is no nofolder; "
        "make it or mend MLFLOW_TRACKING_URI"
    )
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///x.db")
    require_address(project)


def test_what_only_reads_begins_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistyped name of a database would otherwise be answered with an empty list, and leave a file behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlfow.db")
    with pytest.raises(UnknownReferenceError) as told:
        require_store(Project(tmp_path))
    assert str(told.value) == (
        "store sqlite:///mlfow.db: must be there to be read, there is no file mlfow.db; "
        "mend MLFLOW_TRACKING_URI, or begin the store with `ctexp train`"
    )
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mlfow.db").touch()
    require_store(Project(tmp_path))


def test_search_ends_at_the_root_of_the_disk() -> None:
    """A search that begins there finds that folder itself."""
    root = Path(Path.cwd().anchor)
    assert find_project(root).root == root


@pytest.mark.parametrize("name", ["", "-x", "a b", "x" * 101, "a/b"])
def test_a_models_name_is_checked_first(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that a registry or a path would stumble over is refused before anything is looked for."""
    monkeypatch.setattr("ctexp.project.MODEL_NAME", name)
    with pytest.raises(ConfigError, match=r"^\$CTEXP_MODEL: must be letters, digits, .* got "):
        find_project(tmp_path)
