"""SOURCE, the word a user types, to the place it stands for; what a dry run needs, so nothing heavy is loaded."""

import os
from dataclasses import dataclass
from pathlib import Path

from ctexp.errors import DataError
from ctexp.overrides import nearest
from ctexp.project import Project

PHANTOM_MARK = "phantom.json"
"""The file that says a folder's scans are synthetic."""
BUILT_IN = ("phantom", "mosmed")
"""Sources with a place of their own in the project's `data` folder."""


@dataclass(frozen=True)
class Source:
    """A source that was found.

    Attributes:
        name: what the user typed, or the default that was taken.
        place: the folder or the manifest.
        is_default: nothing was typed and nothing real was found: these are the synthetic scans.
    """

    name: str
    place: Path
    is_default: bool = False

    @property
    def resumable_name(self) -> str:
        """A SOURCE that means the same from any folder of the project."""
        return self.name if self.name in BUILT_IN else str(self.place.absolute())

    @property
    def synthetic(self) -> bool:
        """Whether the scans are drawn by a program."""
        folder = self.place if self.place.is_dir() else self.place.parent
        return self.name == "phantom" or (folder / PHANTOM_MARK).is_file()


def find_source(typed: str | None, project: Project, besides: tuple[str, ...] = ()) -> Source:
    """Find what `--data` means; without it `$CTEXP_DATA`, else `data/mosmed` where it is, else `phantom`.

    Args:
        typed: by the user.
        project: whose `data` folder.
        besides: further words that could have been typed, for the error message.

    Raises:
        DataError: there is no such folder or manifest.
    """
    name = typed or os.environ.get("CTEXP_DATA")
    if not name:
        mosmed = project.data / "mosmed"
        if mosmed.is_dir():
            return Source("mosmed", mosmed)
        return Source("phantom", project.data / "phantom", is_default=True)
    if name in BUILT_IN:  # a folder of your own with such a name is ./phantom
        place = project.data / name
        if name == "mosmed" and not place.is_dir():
            raise DataError(
                f"mosmed: the scans must lie in {place}; MosMedData cannot be shipped with ctexp (CC BY-NC-ND 3.0): "
                "`ctexp data fetch mosmed` downloads and unpacks CT-0.zip and CT-23.zip there"
            )
        return Source(name, place)
    place = Path(name).expanduser()
    if not place.exists():
        words = (*besides, *BUILT_IN)
        raise DataError(
            f"{name}: must be {', '.join(words)}, a folder or a CSV manifest, there is nothing of that name"
            f"{nearest(name, words)}"
        )
    if place.is_file() and place.suffix.lower() != ".csv":
        raise DataError(f"{name}: a collection must be a folder or a .csv manifest, this is one file")
    return Source(name, place)
