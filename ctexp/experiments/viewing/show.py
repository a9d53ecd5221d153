"""`ctexp data show`: one scan as a picture."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ctexp.config import Experiment, ScanSettings
from ctexp.datasets.augment import apply_change, draw_change
from ctexp.errors import WorkError
from ctexp.files import atomic_write, spell_out
from ctexp.scans.prepare import prepare
from ctexp.scans.quality import assess
from ctexp.scans.read import ReadOptions, open_scan
from ctexp.scans.views import LUNG_WINDOW_HU, montage, sheet


def draw_scan(
    path: Path,
    out: Path,
    experiment: Experiment,
    seed: int,
    *,
    options: ReadOptions = ReadOptions(),  # noqa: B008 - it is frozen
    say: Callable[[str], None] | None = None,
) -> str:
    """Write a PNG: slices from head to feet in a lung window, below them what a network reads of one, augmented.

    Args:
        path: the scan.
        out: the picture.
        experiment: whose preparation and augmentation are shown.
        seed: of the changes.
        options: how a DICOM series is read.
        say: told what reading had to decide.

    Returns:
        Lines that describe the scan: shape, spacing, HU range, doubts.

    Raises:
        ScanError: the scan cannot be read.
        WorkError: the picture cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    scan = open_scan(path, options)
    if say:
        for note in scan.notes:
            say(note)
    volume = scan.decode()
    slices = min(512, max(8, volume.shape[2]))
    lung = ScanSettings(shape=(256, 256, slices), window_hu=LUNG_WINDOW_HU, resampling="area")
    view = prepare(volume, lung)
    read = dataclasses.replace(experiment.scan, shape=lung.shape)
    middle = prepare(volume, read)[:, :, [slices // 2]]
    rng = np.random.default_rng(seed)
    changes = [draw_change(experiment.augment, rng) for _ in range(5)]
    versions = [middle] + [apply_change(middle, change, read.empty) for change in changes]
    low, high = LUNG_WINDOW_HU
    sheets = [
        (
            f"slices from head to feet, patient's right on the left, {low:g} to {high:g} HU",
            montage(view, tiles=24, columns=6),
        ),
        ("a slice of what a network reads, then augmented", sheet([image[:, :, 0] for image in versions], 6)),
    ]
    heights = [picture.shape[0] for _, picture in sheets]
    figure = Figure(figsize=(12, 12 * sum(heights) / sheets[0][1].shape[1] + 0.9), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (caption, picture) in zip(figure.subplots(2, 1, height_ratios=heights), sheets, strict=True):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axes.set_title(caption, fontsize=10)
        axes.axis("off")
    figure.suptitle(spell_out(path.name), parse_math=False)
    try:
        with atomic_write(out) as stream:
            figure.savefig(stream, format="png", dpi=110)
    except OSError as error:
        raise WorkError(f"{out}: the picture must be writable: {error.strerror or error}") from error
    quality = assess(volume)
    spacing = " x ".join(f"{mm:.3g}" for mm in volume.spacing_mm)
    lines = [
        f"shape (x, y, z)  {' x '.join(map(str, volume.shape))}",
        f"spacing          {spacing} mm",
        f"HU               {volume.hu.min():.0f} to {volume.hu.max():.0f}, padding taken as air",
        f"quality          {quality.verdict}",
        *(f"  {finding.text}" for finding in quality.findings),
    ]
    return "\n".join(lines)
