"""Write `command-line.md` and `settings.md` from the program: `python docs/reference/write.py`.

A test holds both pages equal to what this gives, so that they cannot say anything else than the program does.
"""

import dataclasses
import enum
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer

from ctexp.cli.main import app
from ctexp.config import Experiment
from ctexp.overrides import flatten
from ctexp.presets import PRESETS

HERE = Path(__file__).parent

_COMMANDS = """\
# The command line

Written from the program by `python docs/reference/write.py`; `ctexp COMMAND --help` says the same.

Answers go to stdout, narration and progress to stderr; with `--json` stdout has one JSON value and nothing else.
Exit code 0: done. 1: the work failed, or one of several scans did. 2: the input is wrong. 130: Ctrl-C; a
service ends with 0 then.
An error is one line, `error: place: rule, value, remedy`, and one more for each scan that it lists; `--debug`,
anywhere on the line, adds the traceback.
Switches (options without a value) are off unless given. What settings without a default come to is said by the preset:
[settings](settings.md).

| variable | meaning |
|---|---|
| `CTEXP_DATA` | SOURCE where `--data` is not given |
| `CTEXP_CACHE` | folder of prepared scans, instead of `.ctexp/cache` in the project |
| `CTEXP_MODEL` | name of experiment and registered model, instead of `ctexp`: for studies on one server |
| `CTEXP_TOKEN` | token of `ctexp serve` where `--token-file` is not given |
| `MLFLOW_TRACKING_URI` | the store, instead of `mlflow.db`: `http://`, `https://`, `postgresql://`, `sqlite:///` |
"""

_SETTINGS = """\
# Settings

Written from the program by `python docs/reference/write.py`.

Every key can stand in a settings file (`ctexp train --config FILE`); but for `training.epochs` and `training.monitor`,
which have words of their own there, under `[settings]` of a sweep file; and, but for those named in [the sweep file's
page](../../sweeps/README.md), in its `[space]`. MLflow shows them as the parameters of a run. A value that breaks a
rule, or a key that is not here, is refused with a line that says what would be right.
"""


def command_line() -> str:
    """Give the page of all commands, in the order of `ctexp --help`."""
    parts = [_COMMANDS]
    for path, command in commands(typer.main.get_command(app), ("ctexp",)):
        inner = ["COMMAND"] if hasattr(command, "commands") else []
        options = ["[OPTIONS]"] if _options(command) else []
        usage = " ".join([*path, *options, *map(_argument, _arguments(command)), *inner])
        parts += [f"## {' '.join(path)}\n", f"{inspect.cleandoc(command.help)}\n", f"    {usage}\n"]
        rows = [(f"`{one.metavar}`", one) for one in _arguments(command)]
        rows += [(_names(one), one) for one in _options(command)]
        if rows:
            lines = [f"| {name} | {_default(one)} | {_cell(one.help)} |" for name, one in rows]
            parts.append("\n".join(["| argument or option | default | meaning |", "|---|---|---|", *lines, ""]))
    return "\n".join(parts)


def settings() -> str:
    """Give the page of all settings, a table for each group."""
    parts = [_SETTINGS]
    flat = {name: flatten(experiment) for name, experiment in PRESETS.items()}
    columns = ["default", *(name for name in PRESETS if name != "default")]
    for group, cls, meanings in _groups():
        parts.append(f"## {group or 'top level'}\n")
        parts.append(f"{inspect.getdoc(cls).partition('Attributes:')[0].strip()}\n")  # type: ignore[union-attr]
        parts.append("| key | " + " | ".join(columns) + " | meaning |")
        parts.append("|---|" + "---|" * len(columns) + "---|")
        for name, kind in get_type_hints(cls).items():
            if dataclasses.is_dataclass(kind):
                continue
            key = f"{group}.{name}".strip(".")
            values = " | ".join(f"`{_toml(flat[preset][key])}`" for preset in columns)
            choices = [f"`{one}`" for one in get_args(kind)] if get_origin(kind) is Literal else []
            known = all(one in meanings[name] for one in choices)
            meaning = meanings[name] if known else f"{meanings[name]} One of {', '.join(choices)}."
            parts.append(f"| `{key}` | {values} | {_cell(meaning)} |")
        parts.append("")
    return "\n".join(parts)


PAGES = {"command-line.md": command_line, "settings.md": settings}


def commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Give every command and group with the words that call it."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


def _arguments(command: Any) -> list[Any]:
    return [one for one in command.params if one.param_type_name == "argument" and not one.hidden]


def _options(command: Any) -> list[Any]:
    return [one for one in command.params if one.param_type_name == "option" and not one.hidden and one.name != "help"]


def _argument(one: Any) -> str:
    words = f"{one.metavar}{'...' if one.nargs == -1 and not one.metavar.endswith('...') else ''}"
    return words if one.required else f"[{words}]"


def _names(one: Any) -> str:
    kind = one.type_descriptor.annotation
    words = get_args(kind) if get_origin(kind) is Literal else [item.value for item in kind] if _is_enum(kind) else []
    value = "" if one.is_flag else f" {one.metavar or '|'.join(words)}"
    return _cell(", ".join(f"`{name}{value}`" for name in one.opts))


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def _default(one: Any) -> str:
    if isinstance(one.show_default, str):
        return one.show_default
    value = one.default.value if isinstance(one.default, enum.Enum) else one.default
    return "" if value is None or value is False or value == "" else f"`{value}`"


def _groups() -> Iterator[tuple[str, Any, dict[str, str]]]:
    yield "", Experiment, _attributes(Experiment)
    for name, kind in get_type_hints(Experiment).items():
        if dataclasses.is_dataclass(kind):
            yield name, kind, _attributes(kind)


def _attributes(cls: Any) -> dict[str, str]:
    """Read the `Attributes:` of a docstring: name to meaning, on one line."""
    text = (inspect.getdoc(cls) or "").partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", text, flags=re.MULTILINE)
    return {name: f"{words[:1].upper()}{' '.join(words.split())[1:]}" for name, words in found}


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    for page, write in PAGES.items():
        (HERE / page).write_text(write(), encoding="utf-8")
        print(HERE / page)
