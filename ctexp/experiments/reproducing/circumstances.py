"""What two trainings did not have in common besides their numbers: code, packages, data, hardware."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ctexp.tracking.tags import RESUMED_TAG

Group = Literal["code", "packages", "data", "hardware"]
_NAMES: dict[str, Group] = {
    "ctexp.version": "code",
    "git.commit": "code",
    "git.dirty": "code",
    "data.hash": "data",
    "split.hash": "data",
}
_PREFIXES: dict[str, Group] = {"version.": "packages", "hardware.": "hardware"}
_GPU = "hardware.gpu"
"""Recorded only where there is one."""
_GROUPS: tuple[Group, ...] = ("code", "packages", "data", "hardware")


@dataclass(frozen=True)
class Difference:
    """One fact that is not the same; None where it was not recorded."""

    group: Group
    name: str
    before: str | None
    now: str | None

    def __str__(self) -> str:
        absent = "not installed" if self.group == "packages" else "none" if self.name == _GPU else "not recorded"
        before, now = (value if value is not None else absent for value in (self.before, self.now))
        return f"{self.group}: {self.name} was {before}, is {now}"


@dataclass(frozen=True)
class Circumstances:
    """Under which circumstances a run was trained.

    Attributes:
        facts: a run's tags and parameters; those that are no circumstance are not looked at.
        environment: every installed distribution, `name==version` lines; None where the run keeps no such list.
    """

    facts: Mapping[str, str]
    environment: str | None = None

    @property
    def packages(self) -> dict[str, str]:
        """Version of each distribution by its name in lower case; those of the tags stand in where no list is kept."""
        pairs = [line.partition("==") for line in (self.environment or "").splitlines() if "==" in line]
        tagged = {key.removeprefix("version."): text for key, text in self.facts.items() if key.startswith("version.")}
        return {name.strip().lower().replace("_", "-"): text.strip() for name, _, text in pairs} | tagged


def compare_circumstances(before: Circumstances, now: Circumstances) -> tuple[Difference, ...]:
    """Name what differs: code first, then packages, data and hardware, each in the order of the alphabet.

    Where one of the two keeps no list of all packages, only those of its tags are compared.
    """
    found = []
    for key in sorted({*before.facts, *now.facts}):
        group = _group(key)
        if group is not None and group != "packages" and before.facts.get(key) != now.facts.get(key):
            found.append(Difference(group, key, before.facts.get(key), now.facts.get(key)))
    mine, theirs = before.packages, now.packages
    names = {*mine, *theirs} if before.environment and now.environment else {*mine} & {*theirs}
    names -= {"ctexp"}  # its version is the code's
    found += [
        Difference("packages", name, mine.get(name), theirs.get(name))
        for name in sorted(names)
        if mine.get(name) != theirs.get(name)
    ]
    return tuple(sorted(found, key=lambda one: _GROUPS.index(one.group)))


def doubts(before: Circumstances, now: Circumstances, *, of_sweep: bool) -> tuple[str, ...]:
    """Say what the records cannot tell, so that "nothing differs" is not read as more than it is.

    Args:
        before: of the run.
        now: of its reproduction.
        of_sweep: whether the run was trained by a worker of a sweep.
    """
    said = []
    if "true" in (before.facts.get("git.dirty"), now.facts.get("git.dirty")):
        said.append("code: files of the project's checkout were not committed, then or now: the commit does not tell "
                    "what they were")  # fmt: skip
    elif "git.commit" not in before.facts and "git.commit" not in now.facts:
        said.append("code: no git commit was recorded, the project's folder is in no checkout")
    if changed := before.facts.get(RESUMED_TAG):
        said.append(f"the run, or its sweep, was gone on with under other circumstances, which were kept: {changed}")
    if before.environment is None:
        said.append("packages: the run keeps no list of all packages, only the main ones were compared")
    if of_sweep:
        said.append("hardware: the sweep's worker may have had fewer cores than its machine, which was not recorded; "
                    "another number of cores changes the last digits")  # fmt: skip
    return tuple(said)


def _group(key: str) -> Group | None:
    if key in _NAMES:
        return _NAMES[key]
    return next((group for prefix, group in _PREFIXES.items() if key.startswith(prefix)), None)
