"""Values of a header's tags, checked, and never quoted where they are not what they should be."""

import math
from typing import Any

from ctexp.errors import ScanError


def get(dataset: Any, name: str, place: str) -> Any:
    """Give a tag's value, None where it is not there.

    Raises:
        ScanError: it is none of its kind.
    """
    try:
        return dataset.get(name)
    except Exception:  # pydicom stumbles over damage in many ways, and quotes values where it does
        raise ScanError(f"{place}: the DICOM header is damaged at {name}; copy the file again") from None


def several(value: Any) -> list[Any]:
    """Give the values of a tag that may have one, several or none."""
    if value is None or value == "":
        return []
    return list(value) if hasattr(value, "__iter__") and not isinstance(value, (str, bytes)) else [value]


def whole(dataset: Any, name: str, place: str, low: int, high: int, absent: Any = ...) -> Any:
    """Give a tag's whole number.

    Raises:
        ScanError: it is not there and `absent` is not given, is no whole number, or lies outside `low` to `high`.
    """
    value = get(dataset, name, place)
    if value is None or value == "":
        if absent is ...:
            raise ScanError(f"{place}: the DICOM header must say {name}, it does not")
        return absent
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise ScanError(f"{place}: the DICOM header's {name} must be a whole number") from None
    if not low <= number <= high:
        raise ScanError(f"{place}: {name} must be from {low} to {high}, the header says {number}")
    return number


def numbers(dataset: Any, name: str, place: str, count: int) -> tuple[float, ...] | None:
    """Give a tag's `count` numbers, or None where the tag is not there.

    Raises:
        ScanError: they are others than `count`, or not all finite and below 1e9.
    """
    values = several(get(dataset, name, place))
    if not values:
        return None
    try:
        found = tuple(float(value) for value in values)
    except (TypeError, ValueError, OverflowError):
        found = ()
    if len(found) != count or not all(math.isfinite(value) and abs(value) <= 1e9 for value in found):
        raise ScanError(f"{place}: the DICOM header's {name} must be {count} finite numbers up to 1e9")
    return found
