"""How a group of commands is made: its help is plain text, in which each command has its whole first sentence."""

from typing import Any

import typer
from typer.core import TyperGroup


def _no_type(ctx: Any) -> str:
    return ""


class PlainGroup(TyperGroup):
    """Commands whose first sentence is not cut off where the group lists them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for command in self.commands.values():
            if command.help and not command.short_help:
                command.short_help = " ".join(command.help.partition("\n\n")[0].split())
            for one in command.params:
                if one.param_type_name == "argument" and hasattr(one, "display_type_rich"):
                    one.display_type_rich = _no_type  # `<list[Path]>`, which newer Typers put beside an argument's name


def group(help: str, *, cls: type[PlainGroup] = PlainGroup, **settings: Any) -> typer.Typer:
    """Make a group without Rich, which takes longer to load and to draw than all the rest of a help page."""
    return typer.Typer(
        cls=cls, help=help, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False, **settings
    )
