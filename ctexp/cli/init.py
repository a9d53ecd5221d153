"""`ctexp init`: a folder to begin a study in."""

from pathlib import Path
from typing import Annotated

import typer

from ctexp.cli.console import narrate


def init(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="The study's folder; made if there is none.", show_default="here"),
    ] = None,
) -> None:
    """Start a study's folder: its own sweeps and store, and a .gitignore that keeps scans out of git."""
    from ctexp.searching.definition import builtin_folder
    from ctexp.starter import start_project

    started = start_project((folder or Path()).expanduser(), builtin_folder())
    for path in started.written:
        print(started.root / path)
    for path in started.kept:
        narrate(f"kept as it is: {started.root / path}")
    if started.not_ignored:
        narrate(f"{started.root / '.gitignore'} lacks, and should have: {' '.join(started.not_ignored)}")
    here = started.root.absolute() == Path.cwd()
    narrate("Next:" if here else f"Next: cd {started.root}")
    narrate("  ctexp data check SCANS      # a folder with one sub-folder a class, or a CSV manifest")
    narrate("  ctexp train --data SCANS    # without --data: on synthetic scans, to see how it goes")
    narrate("  ctexp sweep --dry-run       # the plan of sweeps/default.toml")
