"""`ctexp serve`."""

from pathlib import Path
from typing import Annotated

import typer


def serve(
    model: Annotated[
        str | None,
        typer.Option(metavar="REF", help="NAME@ALIAS, models:/NAME/VERSION or a run id; default the champion."),
    ] = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Others than this machine's own need a token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(metavar="N", help="0 for any that is free.")] = 8080,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Holds the token; default $CTEXP_TOKEN.", show_default=False)
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name that a proxy before it is reached by.", show_default=False),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Scans at once; default one a core, four at most.")
    ] = None,
    queue: Annotated[int, typer.Option(metavar="N", help="Further requests that wait; then 503.")] = 32,
    max_mb: Annotated[int, typer.Option(metavar="N", help="Size of an upload, in MiB.")] = 512,
    body_seconds: Annotated[float, typer.Option(metavar="S", help="Time for an upload.")] = 300.0,
    answer_seconds: Annotated[float, typer.Option(metavar="S", help="Time for reading and answering a scan.")] = 120.0,
    worker_gb: Annotated[float, typer.Option(metavar="N", help="Memory for one scan, in GiB.")] = 4.0,
    poll_seconds: Annotated[float, typer.Option(metavar="S", help="How often to look where the alias points.")] = 5.0,
) -> None:
    """Answer scans over HTTP, with a page at /, until Ctrl-C or SIGTERM.

    Put TLS before it where others use it: a proxy on the same machine, and a token.
    """
    from ctexp.datasets.parallel import cores
    from ctexp.project import find_project
    from ctexp.service.limits import GIBI, MEBI, Limits
    from ctexp.service.serve import Address, read_token
    from ctexp.service.serve import serve as run

    limits = Limits(
        upload_bytes=max_mb * MEBI,
        workers=workers if workers is not None else min(4, cores()),
        queue=queue,
        body_seconds=body_seconds,
        answer_seconds=answer_seconds,
        worker_bytes=round(worker_gb * GIBI),
    )
    address = Address(host, port, tuple(allow_host or ()))
    run(
        find_project(),
        model,
        address,
        token=read_token(token_file),
        limits=limits,
        poll_seconds=poll_seconds,
    )
