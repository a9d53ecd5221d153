"""Class names and what they mean: 0 normal, 1 abnormal."""

from collections.abc import Sequence

NORMAL, ABNORMAL = 0, 1
LABEL_WORDS = {NORMAL: "normal", ABNORMAL: "abnormal"}

_NORMAL_NAMES = frozenset({"0", "normal", "healthy", "negative", "ct-0"})
_ABNORMAL_NAMES = frozenset({"1", "abnormal", "pneumonia", "positive", "ct-1", "ct-2", "ct-3", "ct-4", "ct-23"})

KNOWN_NAMES = "normal, abnormal, CT-0 (normal), CT-1, CT-2, CT-3, CT-4, CT-23 (abnormal), 0 and 1"

SHOWN_NAMES = 3
"""In a message: a folder that is no collection has as many sub-folders as scans."""


def label_of(name: str, positive: str | None = None) -> int | None:
    """Give the label that a class name stands for, or None when it stands for none.

    Args:
        name: a folder's name or a manifest's label; letter case does not matter.
        positive: the one name that is abnormal, when the names are the user's own; every other name is then normal.
    """
    word = name.strip().casefold()
    if positive is not None:
        return ABNORMAL if word == positive.strip().casefold() else NORMAL
    if word in _NORMAL_NAMES:
        return NORMAL
    return ABNORMAL if word in _ABNORMAL_NAMES else None


def first_names(names: Sequence[str]) -> str:
    """Name the first three, and count the others."""
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + more
