"""Run ids as they are typed: whole, or the first letters that a list shows."""

import re

_WHOLE = 32
"""Hex digits of an id of MLflow's."""
_FEWEST = 6
"""Of fewer letters nobody can tell that an id is meant."""


def part_of_id(text: str) -> str | None:
    """Give rule and remedy for the first letters of a run id where the whole is needed; None for all other texts."""
    if not re.fullmatch(f"[0-9a-f]{{{_FEWEST},{_WHOLE - 1}}}", text.lower()):
        return None
    return f"needs the whole id of {_WHOLE} letters, `ctexp runs show {text}` prints it"
