"""`ctexp init`: what a new study's folder holds, and what is left alone."""

import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ctexp.cli.main import app
from ctexp.errors import ConfigError, WorkError
from ctexp.project import find_project
from ctexp.searching.definition import SweepOptions, builtin_folder, read_definition
from ctexp.starter import MLRUNS, start_project

CHECKOUT = Path(__file__).parents[1]


def test_a_started_folder_is_a_project_with_its_own_sweeps(tmp_path: Path) -> None:
    """Every sweep that comes with ctexp is copied byte for byte, and commands in the folder find it as a project."""
    started = start_project(tmp_path / "study", builtin_folder())
    root = tmp_path / "study"
    assert find_project(root / "sweeps").root == root
    for name in ("default.toml", "smoke.toml", "training.toml", "README.md"):
        assert (root / "sweeps" / name).read_bytes() == (CHECKOUT / "sweeps" / name).read_bytes()
    found = {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
    assert found == set(started.written)
    assert not started.kept
    assert (root / "README.md").read_text().startswith("# study\n")


def test_its_sweeps_are_the_ones_that_are_read(tmp_path: Path) -> None:
    """A sweep that is changed in the study's folder wins over the one that comes with ctexp."""
    start_project(tmp_path, builtin_folder())
    file = tmp_path / "sweeps" / "smoke.toml"
    file.write_text(file.read_text().replace("trials = 3", "trials = 7"))
    assert read_definition("smoke", find_project(tmp_path), SweepOptions()).trials == 7


def test_the_place_of_artifacts_is_described_as_in_the_checkout() -> None:
    """One text stands in both."""
    assert (CHECKOUT / "mlruns" / "README.md").read_text() == MLRUNS


@pytest.mark.parametrize("mark", ["mlflow.db", "mlruns/README.md"])
def test_a_project_is_not_started_again(tmp_path: Path, mark: str) -> None:
    """A folder with a store, or one that was started before, is refused and left as it is."""
    (tmp_path / "mlruns").mkdir()
    (tmp_path / mark).touch()
    with pytest.raises(ConfigError, match=f"must not be a project yet, it has {mark}; train in it"):
        start_project(tmp_path, builtin_folder())
    assert not (tmp_path / "sweeps").exists()


def test_a_start_that_was_cut_short_is_finished(tmp_path: Path) -> None:
    """What is missing is written and what is there stays."""
    start_project(tmp_path, builtin_folder())
    shutil.rmtree(tmp_path / "mlruns")
    (tmp_path / "sweeps" / "smoke.toml").unlink()
    again = start_project(tmp_path, builtin_folder())
    assert set(again.written) == {Path("sweeps/smoke.toml"), Path("mlruns/README.md")}


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    """A file of that name, or one where a folder must be, ends in one sentence and stays."""
    (tmp_path / "study").write_text("mine")
    with pytest.raises(ConfigError, match="must be a folder or a new name, it is a file"):
        start_project(tmp_path / "study", builtin_folder())
    with pytest.raises(WorkError, match="must be a folder that can be written to"):
        start_project(tmp_path / "study" / "inner", builtin_folder())
    assert (tmp_path / "study").read_text() == "mine"


def test_no_file_is_overwritten_and_a_kept_gitignore_is_judged(tmp_path: Path) -> None:
    """Files that are there stay; what their .gitignore lets into version control is said; the next commands follow."""
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / ".gitignore").write_text("/data/\n*.nii.gz\n")
    done = CliRunner().invoke(app, ["init"])
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "README.md").read_text() == "mine"
    assert (tmp_path / ".gitignore").read_text() == "/data/\n*.nii.gz\n"
    assert "README.md" in done.stderr
    assert (
        ".gitignore lacks, and should have: /mlflow.db* /mlruns/* /.ctexp/ /scans/ /sheets/ *.nii *.dcm *.zip"
        in done.stderr
    )
    assert "ctexp train --data SCANS" in done.stderr
    assert set(done.stdout.split()) == {
        "mlruns/README.md", *(f"sweeps/{name}" for name in ("README.md", "default.toml", "smoke.toml", "training.toml"))
    }  # fmt: skip


def test_a_second_init_is_one_line(tmp_path: Path) -> None:
    """The folder that `init` made is refused by the next one, exit code 2, nothing on stdout."""
    assert CliRunner().invoke(app, ["init", "study"]).exit_code == 0
    done = CliRunner().invoke(app, ["init", "study"])
    assert done.exit_code == 2
    assert done.stderr == "error: study: must not be a project yet, it has mlruns/README.md; train in it\n"
    assert done.stdout == ""


def test_git_sees_no_scan_store_or_cache(tmp_path: Path) -> None:
    """In a started folder git offers the sweeps and READMEs to commit, and nothing that holds data."""
    start_project(tmp_path, builtin_folder())
    private = ("scan.nii", "a/scan.nii.gz", "a/1.dcm", "export.zip", "data/x/IM0001", "mlflow.db", "mlflow.db-wal",
               "mlruns/ctexp/1/artifacts/split.csv", ".ctexp/cache/a.npy", "scans/p/IM0001",
               "sheets/page-001.png")  # fmt: skip
    for name in private:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    words = ["git", "-C", tmp_path, "ls-files", "--others", "--exclude-standard"]
    seen = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    assert set(seen) == {
        ".gitignore", "README.md", "mlruns/README.md", "sweeps/README.md", "sweeps/default.toml",
        "sweeps/smoke.toml", "sweeps/training.toml",
    }  # fmt: skip
