"""The benchmarks go with the code: what they import is there, and one command knows all of them."""

import ast
from pathlib import Path

import pytest
import typer

from ctexp.cli.main import app

PROJECT = Path(__file__).parents[1]
BENCHMARKS = sorted(path for path in (PROJECT / "benchmarks").glob("*.py") if path.stem != "__init__")


def names_of(module: str) -> set[str]:
    """What a module of ctexp defines or imports at its top, and what lies in it if it is a folder."""
    path = PROJECT.joinpath(*module.split("."))
    inside = {one.stem for one in path.glob("*.py")} | {one.name for one in path.glob("*/")} if path.is_dir() else set()
    tree = ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return found | inside


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_what_a_benchmark_imports_is_there(path: Path) -> None:
    """No renamed function leaves a benchmark behind; the texts of programs that it starts are looked at as well."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    programs = [ast.parse(text) for text in texts if "\nfrom ctexp" in text]
    for node in (node for one in (tree, *programs) for node in ast.walk(one) if isinstance(node, ast.ImportFrom)):
        if node.module and node.module.split(".")[0] in ("ctexp", "benchmarks"):
            missing = {alias.name for alias in node.names} - names_of(node.module)
            assert not missing, f"{node.module} has no {missing}"


def test_one_command_runs_them_all() -> None:
    """`python -m benchmarks` has every benchmark as a part, but those that it says are run alone or are baselines."""
    tree = ast.parse((PROJECT / "benchmarks" / "__main__.py").read_text(encoding="utf-8"))
    (parts,) = (node.value for node in tree.body if isinstance(node, ast.AnnAssign) and node.target.id == "PARTS")
    known = {ast.literal_eval(key) for key in parts.keys}
    apart = {"__main__", "figures", "process", "plain_monai", "plain_search", "plain_training", "explain", "serve"}
    assert known | apart == {path.stem for path in BENCHMARKS}
    assert not known & apart


def test_commands_that_growth_measures_are_the_programs() -> None:
    """The command line takes the words that are measured: a benchmark of half an hour does not end at a wrong one."""
    tree = ast.parse((PROJECT / "benchmarks" / "growth.py").read_text(encoding="utf-8"))
    (commands,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "COMMANDS"
    )
    assert commands
    for words in commands.values():
        command = typer.main.get_command(app)
        while hasattr(command, "commands"):
            command, words = command.commands[words[0]], words[1:]
        command.make_context("ctexp", list(words))  # raises where an option is unknown, or an argument missing
