"""Values, times and counts as a person writes them."""

from typing import Any


def text(value: Any) -> str:
    """Write a setting's value as a person would: four digits of a fraction, lists without brackets."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e7 else f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(text, value))
    return str(value)


def duration(seconds: float) -> str:
    """Write a time: `12.3 s`, `4 min 05 s`, `3 h 20 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def count(number: int, word: str) -> str:
    """Write a number with its noun: `1 trial`, `2 trials`."""
    return f"{number} {word}" + ("" if number == 1 else "s")
