"""Where sweep files are found, and those that come with ctexp."""

import re
from pathlib import Path

import pytest

from ctexp.errors import ConfigError
from ctexp.project import Project
from ctexp.searching import definition as module
from ctexp.searching.definition import SweepOptions, builtin_folder, find_definition, read_definition
from ctexp.searching.draws import first_configurations

pytestmark = pytest.mark.usefixtures("tmp_path")  # sweeps are written into the current folder
SPACE = "[space]\nnetwork.dropout = { choices = [0, 0.5] }\n"


def test_names_are_looked_for_in_the_project_first(tmp_path: Path) -> None:
    """A name is the project's own sweep, else the one that comes with ctexp; no name is `default`."""
    project = Project(tmp_path)
    assert find_definition(None, project) == find_definition("default", project) == builtin_folder() / "default.toml"
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "default.toml").write_text(f"trials = 2\n{SPACE}", encoding="utf-8")
    assert find_definition(None, project) == tmp_path / "sweeps" / "default.toml"
    assert read_definition(None, project, SweepOptions()).trials == 2
    assert find_definition("smoke", project) == builtin_folder() / "smoke.toml"
    assert find_definition("sub/smoke", project) == Path("sub/smoke")
    (tmp_path / "sweeps" / "widths.toml").write_text(SPACE, encoding="utf-8")
    for typed, meant in (("smok", "smoke"), ("width", "widths")):
        with pytest.raises(ConfigError, match=rf"^{typed}: no such sweep; did you mean {meant}\?$"):
            find_definition(typed, project)


def test_an_installed_package_brings_its_sweeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a wheel the sweeps lie beside the code; in a checkout at its top."""
    monkeypatch.setattr(module, "__file__", str(tmp_path / "ctexp" / "searching" / "definition.py"))
    assert builtin_folder() == tmp_path / "sweeps"
    (tmp_path / "ctexp" / "searching" / "sweeps").mkdir(parents=True)
    assert builtin_folder() == tmp_path / "ctexp" / "searching" / "sweeps"


@pytest.mark.parametrize("name", sorted(path.stem for path in builtin_folder().glob("*.toml")))
def test_the_sweeps_that_come_with_ctexp(name: str) -> None:
    """Each is readable, asks a question, begins with a comment, and has enough configurations for its trials."""
    sweep = read_definition(name, Project(Path.cwd()), SweepOptions())
    assert sweep.question.endswith("?")
    assert (builtin_folder() / f"{name}.toml").read_text(encoding="utf-8").startswith("# ")
    assert len(first_configurations(sweep, sweep.trials)) == sweep.trials


def test_the_words_of_a_file_are_explained() -> None:
    """The README of the sweeps has a line for every key of a file, and its example is a sweep."""
    text = (builtin_folder() / "README.md").read_text(encoding="utf-8")
    keys = [key for key, kind in module._KINDS.items() if kind in (str, int)]
    keys += [f"objective.{key}" for key in module._OBJECTIVE] + [f"stop.{key}" for key in module._STOP]
    assert {key for key in keys if f"| `{key}` |" not in text} == set()
    assert set(re.findall(r"^\| `([a-z_.]+)` \|", text, re.MULTILINE)) <= {*keys, "choices", "log", "step", "when"}
    example = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))
    Path("mine.toml").write_text(example, encoding="utf-8")
    sweep = read_definition("mine.toml", Project(Path.cwd()), SweepOptions())
    assert len(sweep.space) == 4
