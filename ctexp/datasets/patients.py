"""Patients that copies of a scan show to be one person."""

from collections.abc import Iterable


def join_names(couples: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Name everybody who is coupled with somebody, over any number of steps, by the first name among them.

    >>> join_names([("b", "a"), ("c", "b")])
    {'a': 'a', 'b': 'a', 'c': 'a'}
    """
    groups: list[set[str]] = []
    for couple in couples:
        touched = [group for group in groups if group & set(couple)]
        groups = [group for group in groups if not group & set(couple)]
        groups.append(set(couple).union(*touched))
    return {name: min(group) for group in groups for name in sorted(group)}
