"""The floors of the house: a module imports from below, heavy libraries stay in their rooms, starting is light."""

import ast
import fnmatch
import functools
import graphlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import ctexp

pytestmark = pytest.mark.slow  # the whole program is read
PACKAGE = Path(ctexp.__file__).parent
PROJECT = PACKAGE.parent
FLOORS = [
    {"errors"},
    {"address", "config", "overrides", "presets", "project", "files", "starter"},
    {"scans"},
    {"datasets"},
    {"learning", "tracking"},
    {"registry"},
    {"experiments"},
    {"searching", "service"},
    {"cli", "__main__"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# The single files of floor 1 may lean on each other; the two rooms of a pair may not.
STRANGERS = ({"learning", "tracking"}, {"searching", "service"})
HEAVY = {
    "fastapi", "keras", "keras_tuner", "matplotlib", "mlflow", "onnx", "onnxruntime", "optuna", "pandas",
    "prometheus_client", "pydantic", "python_multipart", "ray", "sklearn", "starlette", "tensorflow", "uvicorn",
}  # fmt: skip
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """The top-level file or folder that a module lies in."""
    return path.parts[0].removesuffix(".py")


@functools.cache
def all_imports(path: Path) -> list[tuple[str, int, tuple[str, ...]]]:
    """Every module that a file of the package imports, at any depth, with its line and the names taken from it."""
    return [one for node in statements(parse(path)) for one in imported(node)]


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements within a node, at any depth; expressions import nothing, and are most of a tree."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield inner
            yield from statements(inner)


def imported(node: ast.AST) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """What one statement imports; names imported from the package itself are modules, too."""
    if isinstance(node, ast.Import):
        yield from ((alias.name, node.lineno, ()) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"line {node.lineno}: imports are written in full"
        assert node.module is not None
        names = tuple(alias.name for alias in node.names)
        if node.module == "ctexp":
            yield from ((f"ctexp.{name}", node.lineno, ()) for name in names)
        else:
            yield node.module, node.lineno, names


def loaded_by(node: ast.AST) -> Iterator[str]:
    """What is imported when a module is loaded: bodies of functions and type-checking blocks are passed over."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        return
    yield from (name for name, _, _ in imported(node))
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from loaded_by(inner)


@functools.cache
def parse(path: Path) -> ast.Module:
    """Parse a module of the package."""
    return ast.parse((PACKAGE / path).read_text(encoding="utf-8"), filename=str(path))


def heavy_files() -> list[str]:
    """The patterns of files that the lint settings allow heavy imports in, braces spelt out."""
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = []
    for pattern, rules in settings["tool"]["ruff"]["lint"]["per-file-ignores"].items():
        if "TID253" not in rules:
            continue
        braces = re.fullmatch(r"(.*)\{(.*)\}(.*)", pattern)
        patterns += [f"{braces[1]}{word}{braces[3]}" for word in braces[2].split(",")] if braces else [pattern]
    return [pattern for pattern in patterns if pattern.startswith("ctexp/")]


def test_every_room_has_a_floor() -> None:
    """A new file or folder at the top of the package is given its floor here."""
    assert {room_of(path) for path in MODULES} - {"__init__"} <= set(FLOOR_OF)


def may_import(room: str, other: str) -> bool:
    """Whether the table above allows it; the package's own `__init__` is open to all, and the door to all."""
    if room == "__init__":
        return FLOOR_OF[other] < FLOOR_OF["cli"]
    if other in ("", "__version__") or room == other:
        return True
    return FLOOR_OF[other] <= FLOOR_OF[room] and {room, other} not in STRANGERS


def test_imports_come_from_below() -> None:
    """A module imports, at its head or lazily, only from lower floors and from its own room."""
    faults = []
    for path in MODULES:
        for name, line, _ in all_imports(path):
            library, _, rest = name.partition(".")
            if library == "ctexp" and not may_import(room_of(path), rest.partition(".")[0]):
                faults.append(f"{path}:{line} imports {name}")
    assert faults == []


def test_no_circle_of_files() -> None:
    """Following imports, lazy ones and those for types included, no file is met twice."""
    name_of = {path: ".".join(("ctexp", *path.with_suffix("").parts)).removesuffix(".__init__") for path in MODULES}
    known = set(name_of.values())
    graph = {}
    for path, name in name_of.items():
        used = set()
        for module, _, names in all_imports(path):
            used |= {module, *(f"{module}.{one}" for one in names)} & known
        # A room's own `__init__` may gather what lies in it; whoever imports a file of a room does not import the room.
        graph[name] = {other for other in used if not name.startswith(f"{other}.")}
    graph["ctexp"] = set()  # it imports from all of it, in its functions
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


def test_rooms_of_experiments_keep_to_themselves() -> None:
    """Of the rooms in `experiments/` training stands first; only `reproducing` uses several of the others."""
    below = {
        "training": set(),
        "viewing": set(),
        "answering": set(),
        "evaluating": {"training"},
        "comparing": set(),
        "reproducing": {"training", "comparing"},
    }
    found = {path.parts[1] for path in MODULES if path.parts[0] == "experiments" and len(path.parts) > 2}
    assert found == set(below)
    faults = []
    for path in (path for path in MODULES if path.parts[0] == "experiments" and path.name != "__init__.py"):
        room = path.parts[1] if len(path.parts) > 2 else ""
        for name, line, _ in all_imports(path):
            other = name.removeprefix("ctexp.experiments.").partition(".")[0] if "ctexp.experiments." in name else ""
            if other in below and other != room and other not in below.get(room, set()):
                faults.append(f"{path}:{line} imports {name}")
    assert faults == []


def test_the_package_itself_loads_nothing() -> None:
    """`import ctexp` runs no other module of the package, whatever its functions import when they are called."""
    assert set(loaded_by(parse(Path("__init__.py")))) == {"os", "typing"}


def test_heavy_libraries_stay_in_their_rooms() -> None:
    """Only the files that the lint settings list load a heavy library when they are loaded themselves."""
    faults, heavy = [], heavy_files()
    for path in MODULES:
        if not any(fnmatch.fnmatch(f"ctexp/{path.as_posix()}", pattern) for pattern in heavy):
            loaded = {name.split(".")[0] for name in loaded_by(parse(path))} & HEAVY
            faults += [f"{path} loads {name}" for name in sorted(loaded)]
    assert faults == []


def test_the_lint_settings_know_the_heavy_libraries() -> None:
    """The list here and the banned imports of the lint settings are one, and every exempted file is there."""
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    tidy = settings["tool"]["ruff"]["lint"]["flake8-tidy-imports"]
    assert set(tidy["banned-module-level-imports"]) == HEAVY
    for pattern in heavy_files():
        assert list(PROJECT.glob(pattern)), pattern


def test_starting_is_light() -> None:
    """Loading the command line loads no learning, tracking or number library, so that help and errors are instant."""
    code = "import sys, ctexp.cli.main; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "ctexp" in loaded
    assert not loaded & (HEAVY | {"numpy", "scipy", "nibabel"})


@pytest.mark.parametrize(
    "words",
    ["runs list", "runs compare abcdef abcdef", "evaluate", "reproduce abcdef", "train --resume abcdef",
     "train --preset defautl", "models list", "models promote", "models rollback", "models history", "models card",
     "predict scan.nii.gz"],
)  # fmt: skip
def test_a_mistake_is_told_before_anything_heavy_is_loaded(words: str, tmp_path: Path) -> None:
    """A mistyped preset, and any command in a folder without a store, end with one line, instantly."""
    code = """if True:
        import sys
        from ctexp.cli.main import app
        try:
            app(sys.argv[1:])
        except SystemExit as end:
            print(end.code, *sorted({name.partition('.')[0] for name in sys.modules}))
    """
    done = subprocess.run([sys.executable, "-c", code, *words.split()], capture_output=True, text=True, check=True,
                          cwd=tmp_path)  # fmt: skip
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    exit_code, *loaded = done.stdout.split()
    assert exit_code == "2"
    assert set(loaded) & ((HEAVY - {"pydantic"}) | {"numpy", "scipy", "nibabel"}) == set()  # Typer brings that one
