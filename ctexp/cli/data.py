"""`ctexp data`: draw, prepare and look at scans."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ctexp.cli.check import check
from ctexp.cli.console import ConsoleWatch, narrate
from ctexp.cli.fetch import fetch
from ctexp.cli.group import group

app = group("Draw, prepare and look at scans.")
app.command("fetch")(fetch)
app.command("check")(check)


@app.command("phantom")
def phantom(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; may be unfinished from before.")],
    scans: Annotated[int, typer.Option(metavar="N", help="How many, half of them abnormal.")] = 200,
    size: Annotated[int, typer.Option(metavar="N", help="Voxels along each side of a slice.")] = 512,
    seed: Annotated[int, typer.Option(metavar="N", help="Another seed, other patients.")] = 0,
    difficulty: Annotated[
        Literal["standard", "hard"], typer.Option(help="hard: small, faint lesions and more confounders.")
    ] = "standard",
) -> None:
    """Draw synthetic chest CT scans with lesion masks."""
    from ctexp.datasets.phantom import PhantomSettings, write_phantoms

    settings = PhantomSettings(scans=scans, size=size, seed=seed, difficulty=difficulty)
    write_phantoms(out, settings, progress=ConsoleWatch().stage("drawing scans"))
    print(f"{out}: {scans} synthetic scans, {size}x{size}, {difficulty}, seed {seed}")


@app.command("prepare")
def prepare(
    data: Annotated[str | None, typer.Option(metavar="SOURCE", help="As for `ctexp train`.")] = None,
    preset: Annotated[str | None, typer.Option(metavar="NAME", help="Preset whose preparation is used.")] = None,
    positive: Annotated[str | None, typer.Option(metavar="CLASS", help="Your name of the abnormal class.")] = None,
    skip_bad: Annotated[bool, typer.Option(help="Go on without scans that cannot be used.")] = False,
    allow_gaps: Annotated[bool, typer.Option(help="Interpolate missing DICOM slices where that is sound.")] = False,
) -> None:
    """Read a collection and fill the cache, as a training would."""
    from ctexp.experiments.data import prepare_data
    from ctexp.experiments.request import TrainingRequest, compose
    from ctexp.project import find_project

    chosen, experiment = compose(preset, None, {})
    request = TrainingRequest(experiment, data, positive, skip_bad, None, chosen, allow_gaps)
    prepared = prepare_data(request, find_project(), ConsoleWatch())
    for side, counts in prepared.split.counts().items():
        print(f"{side:<10}  {counts['normal']:>5} normal  {counts['abnormal']:>5} abnormal")
    print(f"collection  hash {prepared.collection.hash}")


@app.command("show")
def show(
    scan: Annotated[Path, typer.Argument(metavar="SCAN", help="A NIfTI file, or a DICOM folder, .zip or file.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The PNG to write.")] = Path("scan.png"),
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the augmentation.")] = 0,
    preset: Annotated[str | None, typer.Option(metavar="NAME", help="Preset whose preparation is shown.")] = None,
    series: Annotated[str | None, typer.Option(metavar="NUMBER", help="DICOM series to read: number or UID.")] = None,
    allow_gaps: Annotated[bool, typer.Option(help="Interpolate missing DICOM slices where that is sound.")] = False,
) -> None:
    """Draw a scan's slices in a lung window, and augmented versions of what a network reads."""
    from ctexp.experiments.request import compose
    from ctexp.experiments.viewing.show import draw_scan
    from ctexp.scans.read import ReadOptions

    _, experiment = compose(preset, None, {})
    options = ReadOptions(series, allow_gaps)
    facts = draw_scan(scan, out, experiment, seed, options=options, say=narrate)
    print(facts)
    narrate(f"written: {out}")
