"""What the option parser refuses, as the one line that every other refusal has.

Typer's errors are told by what they have, not by their classes, which are private to it and move between versions.
"""

import re
from typing import Any

from ctexp.overrides import nearest

_RULES = {
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
}
"""What Pydantic, which reads the values of options, calls a broken rule, and the words for it."""


def is_usage_error(error: BaseException) -> bool:
    """Tell what the option parser refused from all other errors, and from a group without a command, which is help."""
    return hasattr(error, "format_message") and type(error).__name__ != "NoArgsIsHelpError"


def usage_line(error: Any) -> str:
    """Say what was refused, why, and which help tells more.

    Args:
        error: for which `is_usage_error` holds.
    """
    ctx = getattr(error, "ctx", None)
    more = f"; `{ctx.command_path} --help` tells more" if ctx else ""
    return f"{_refused(error, ctx)}{more}"


def _refused(error: Any, ctx: Any) -> str:
    param = getattr(error, "param", None)
    broken = getattr(error.__cause__, "errors", None)
    if param is not None and broken is not None:
        first = broken()[0]
        rule = _RULES.get(first["type"], "").format(**first.get("ctx", {}))
        if rule:
            name = next((word for word in param.opts if word.startswith("--")), param.name)
            return f"{name}: must be {rule}, got {first['input']!r}"
    message: str = " ".join(error.format_message().split()).rstrip(".")
    option = getattr(error, "option_name", None)
    if option is not None and ctx is not None and message.startswith("No such"):
        known = [word for one in ctx.command.params for word in one.opts]
        return f"{option}: no such option{nearest(option, known)}"
    if ctx is not None and (unknown := re.match("No such command '(.*?)'", message)):
        return f"{unknown[1]}: no such command{nearest(unknown[1], ctx.command.commands)}"
    return message[:1].lower() + message[1:]
