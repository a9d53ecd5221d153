"""`ctexp data fetch`: real scans from where they are published, a mirror, or this disk."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ctexp.cli.console import ConsoleWatch


def fetch(
    collection: Annotated[Literal["mosmed"], typer.Argument(metavar="mosmed", help="MosMedData.")],
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="FILE_OR_URL",
            help="A mirror's base address, a zip's address, a zip, or an unpacked folder (also the full MosMedData, "
            "`studies/CT-0` ...); may be repeated.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where to, instead of data/mosmed.")] = None,
    sha256: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=HEX", help="Insist on a file's checksum, such as CT-0.zip=0a1b...; repeatable."),
    ] = None,
) -> None:
    """Fetch 200 real scans, about 2 GB; run it again to go on after a break."""
    from ctexp.datasets.mosmed import fetch_mosmed, find_origins
    from ctexp.project import find_project

    place = out.expanduser() if out else find_project().data / collection
    watch = ConsoleWatch()
    scans = fetch_mosmed(place, find_origins(source or [], sha256 or []), watch)
    print(f"{place}: " + ", ".join(f"{name} {number} scans" for name, number in scans.items()))
