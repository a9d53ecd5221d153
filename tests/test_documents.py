"""The documents say what the program does: commands, options, links, settings, and help for all of it."""

import importlib.util
import re
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from helpers.pages import CHECKOUT, GENERATED, PAGES, commands_of

from ctexp.cli.main import app


@pytest.fixture(scope="module")
def root() -> Any:
    """The program's commands as Typer builds them."""
    return typer.main.get_command(app)


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """The script that writes the reference pages."""
    spec = importlib.util.spec_from_file_location("write", CHECKOUT / "docs" / "reference" / "write.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def spoken_of(page: Path) -> list[str]:
    """Every `ctexp ...` that stands between backticks in a page's text; `a|b` are two of them."""
    found = []
    for phrase in re.findall(r"`(ctexp [^`]+)`", page.read_text(encoding="utf-8").replace("\n", " ")):
        words = phrase.split()
        first = next((word for word in words if "|" in word), "")
        found += [" ".join(one if word == first else word for word in words) for one in first.split("|")]
    return found


def find(root: Any, words: list[str]) -> tuple[Any, list[str]]:
    """The command that some words call, and what is left of them; global options are passed over."""
    command, rest = root, list(words)
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"no command {rest[0]}"
        command = command.commands[rest.pop(0)]
    return command, rest


def faults(root: Any, typed: str, *, whole: bool) -> str | None:
    """What the program would say against a command line; `whole` asks for its arguments, too."""
    try:
        command, rest = find(root, shlex.split(typed)[1:])
        if whole and not hasattr(command, "commands"):
            command.make_context("ctexp", rest)
        known = {"--help", "--debug"}.union(*(one.opts + one.secondary_opts for one in command.params))
        given = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert given <= known, f"no option {', '.join(sorted(given - known))}"
    except AssertionError as error:
        return f"{typed}: {str(error).splitlines()[0]}"
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        return f"{typed}: {error.format_message()}"
    return None


@pytest.mark.parametrize("page", [page for page in PAGES if page != GENERATED], ids=lambda page: page.name)
def test_every_command_in_a_page_is_one(root: Any, page: Path) -> None:
    """A command line that a page gives exists, takes the options, arguments and kinds of values that it is given."""
    wrong = [faults(root, typed, whole=True) for typed in commands_of(page)]
    wrong += [faults(root, typed, whole=False) for typed in spoken_of(page)]
    assert [one for one in wrong if one] == []


def test_commands_are_found_and_wrong_ones_seen(root: Any, tmp_path: Path) -> None:
    """The tests above look at what they should: the README has many commands, and a wrong one is told."""
    assert len(commands_of(CHECKOUT / "README.md")) > 20
    page = tmp_path / "page.md"
    page.write_text("Type `ctexp runs list|lsit`:\n\n    $ ctexp train --data scans/ \\\n        --epoch 3   # a few\n")
    assert [faults(root, one, whole=False) for one in spoken_of(page)] == [None, "ctexp runs lsit: no command lsit"]
    assert commands_of(page) == ["ctexp train --data scans/ --epoch 3"]
    assert faults(root, "ctexp train --epoch 3", whole=True)
    assert faults(root, "ctexp train --epochs many", whole=True)
    assert faults(root, "ctexp predict", whole=True)


def headings(page: Path) -> set[str]:
    """The anchors that a forge gives a page's headings."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    """A link to a file of the checkout, and to a heading of a page, has its end."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        end = (page.parent / path).resolve() if path else page
        if not end.exists() or (anchor and anchor not in headings(end)):
            broken.append(target)
    assert broken == []


def test_every_page_is_reached_from_the_index() -> None:
    """`docs/README.md` links every page of docs/, so that nothing is written for nobody."""
    index = (CHECKOUT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {path.relative_to(CHECKOUT / "docs").as_posix() for path in (CHECKOUT / "docs").rglob("*.md")}
    assert {page for page in pages - {"README.md"} if f"]({page})" not in index} == set()


def test_the_designs_places_are_there() -> None:
    """Each `file: name` of the page on design is a module of the package that defines this name."""
    text = (CHECKOUT / "docs" / "design.md").read_text(encoding="utf-8")
    places = re.findall(r"`([\w/]+\.py):\s+(\w+)`", text)
    assert len(places) > 15
    lost = []
    for file, name in places:
        path = CHECKOUT / "ctexp" / file
        if not path.is_file() or not re.search(rf"^(?:def|class) {name}\b", path.read_text(encoding="utf-8"), re.M):
            lost.append(f"{file}: {name}")
    assert lost == []


@pytest.mark.parametrize("name", ["command-line.md", "settings.md"])
def test_reference_pages_are_what_the_program_says(generator: ModuleType, name: str) -> None:
    """`python docs/reference/write.py` would change nothing."""
    page = CHECKOUT / "docs" / "reference" / name
    assert page.read_text(encoding="utf-8") == generator.PAGES[name]()


def test_every_command_and_option_has_help(root: Any, generator: ModuleType) -> None:
    """Whatever can be typed is explained in a sentence."""
    dumb = []
    for path, command in generator.commands(root, ("ctexp",)):
        dumb += [] if command.help else [" ".join(path)]
        dumb += [f"{' '.join(path)} {one.opts[0]}" for one in command.params if not one.help]
    assert dumb == []


def test_every_setting_has_its_meaning(generator: ModuleType) -> None:
    """The page of settings has each key that a settings file may have, with words beside it."""
    from ctexp.overrides import setting_types

    rows = re.findall(r"^\| `([\w.]+)` \|.*\| ([^|]+) \|$", generator.settings(), flags=re.MULTILINE)
    assert [key for key, _ in rows] == sorted(setting_types(), key=[key for key, _ in rows].index)
    assert all(len(meaning.split()) >= 3 for _, meaning in rows)
