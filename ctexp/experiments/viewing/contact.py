"""Contact sheets: many scans on few pages, two slices each, framed by verdict."""

import math
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from ctexp.errors import WorkError
from ctexp.files import atomic_write, spell_out
from ctexp.scans.frame import as_picture, body_centre
from ctexp.scans.views import LUNG_WINDOW_HU
from ctexp.scans.volume import Volume

Thumbnail = npt.NDArray[np.uint8]
SIDE = 190
"""Pixels along each side of a slice's box."""
COLUMNS, ROWS = 3, 6
_GAP, _FRAME, _TEXT = 12, 4, 34
_SAMPLES = 3
"""Voxels averaged along each side of a pixel: enough against jagged edges."""
COLOURS = {"ok": "#2e7d32", "warn": "#b36200", "refuse": "#c62828", "unreadable": "#5e35b1"}


def thumbnail(volume: Volume, *, in_hu: bool) -> Thumbnail:
    """Draw an axial and a coronal slice through the middle of the body beside each other.

    Args:
        volume: the scan.
        in_hu: whether its numbers are HU; from darkest to brightest is shown where they are not.

    Returns:
        (SIDE, 2 * SIDE) grey levels of a lung window; the patient's right is on the left, the head above.
    """
    picture = as_picture(volume.stored)
    x, y, z = volume.spacing_mm
    middle = body_centre(volume, picture, (y, x, z))
    row, slice_number = (min(int(middle[axis]), picture.shape[axis] - 1) for axis in (0, 2))
    axial = volume.to_hu(picture[:, :, slice_number])
    coronal = volume.to_hu(picture[row, :, ::-1].T)
    low, high = LUNG_WINDOW_HU if in_hu else (float(axial.min()), float(axial.max()))
    return np.concatenate([_fit(axial, (y, x), low, high), _fit(coronal, (z, x), low, high)], axis=1)


def _fit(plane: npt.NDArray[np.float32], spacing_mm: tuple[float, float], low: float, high: float) -> Thumbnail:
    """Scale numbers (rows, columns) into a black box of SIDE pixels, true to millimetres; `high` and over is white."""
    extent = [count * mm for count, mm in zip(plane.shape, spacing_mm, strict=True)]
    size = [max(1, round(SIDE * mm / max(extent))) for mm in extent]
    places = [
        ((np.arange(new * _SAMPLES) + 0.5) * count / (new * _SAMPLES)).astype(np.intp)
        for new, count in zip(size, plane.shape, strict=True)
    ]
    fine = plane[np.ix_(*places)].reshape(size[0], _SAMPLES, size[1], _SAMPLES).mean(axis=(1, 3))
    grey = np.clip((fine - low) * (255.0 / max(high - low, 1e-6)), 0.0, 255.0).astype(np.uint8)
    box = np.zeros((SIDE, SIDE), dtype=np.uint8)
    top, left = ((SIDE - count) // 2 for count in size)
    box[top : top + size[0], left : left + size[1]] = grey
    return box


@contextmanager
def contact_sheet() -> Iterator["ContactSheet"]:
    """Open a sheet; its temporary file is gone afterwards."""
    with tempfile.TemporaryFile() as file:
        yield ContactSheet(file)


class ContactSheet:
    """Collects thumbnails in a file and draws them when the order is known.

    Args:
        file: empty, open for writing and reading.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._kept: dict[int, int] = {}

    def put(self, number: int, image: Thumbnail) -> None:
        """Keep the thumbnail of scan `number`."""
        self._kept[number] = self._file.seek(0, 2)
        self._file.write(image.tobytes())

    def _get(self, number: int) -> Thumbnail | None:
        if number not in self._kept:
            return None
        self._file.seek(self._kept[number])
        return np.frombuffer(self._file.read(2 * SIDE * SIDE), dtype=np.uint8).reshape(SIDE, 2 * SIDE)

    def draw(self, folder: Path, scans: Sequence[tuple[int, str, str, str]]) -> list[Path]:
        """Write the pages.

        Args:
            folder: made if needed; pages of earlier calls with the same number are replaced.
            scans: number, name, verdict and its reason for each, in the order to show them in.

        Returns:
            The pages' paths.

        Raises:
            WorkError: a page cannot be written.
        """
        pages = []
        each = COLUMNS * ROWS
        total = math.ceil(len(scans) / each)
        for page in range(total):
            path = folder / f"page-{page + 1:03}.png"
            self._draw_page(path, scans[page * each : (page + 1) * each], f"page {page + 1} of {total}")
            pages.append(path)
        return pages

    def _draw_page(self, path: Path, scans: Sequence[tuple[int, str, str, str]], title: str) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.colors import to_rgb
        from matplotlib.figure import Figure

        rows = math.ceil(len(scans) / COLUMNS)
        tile = (SIDE + 2 * _FRAME + _TEXT + _GAP, 2 * SIDE + 2 * _FRAME + _GAP)
        height, width = rows * tile[0] + _GAP + 24, COLUMNS * tile[1] + _GAP
        paper = np.full((height, width, 3), 255, dtype=np.uint8)
        figure = Figure(figsize=(width / 100, height / 100), dpi=100)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        low, high = LUNG_WINDOW_HU
        head = f"{title}, worst first; axial and coronal, patient's right on the left, {low:g} to {high:g} HU"
        axes.text(_GAP, 17, spell_out(head), fontsize=8, va="center", family="DejaVu Sans", parse_math=False)
        for place, (number, name, verdict, reason) in enumerate(scans):
            top, left = 24 + place // COLUMNS * tile[0] + _GAP, place % COLUMNS * tile[1] + _GAP
            inner = (slice(top + _FRAME, top + _FRAME + SIDE), slice(left + _FRAME, left + _FRAME + 2 * SIDE))
            colour = COLOURS[verdict]
            image = self._get(number)
            paper[top : top + SIDE + 2 * _FRAME, left : left + 2 * SIDE + 2 * _FRAME] = [
                round(255 * part) for part in to_rgb(colour)
            ]
            paper[inner] = 40 if image is None else image[:, :, None]
            below = top + SIDE + 2 * _FRAME
            axes.text(left, below + 10, _short(spell_out(name), 58), fontsize=7.5, va="center", parse_math=False)
            words = f"{verdict}: {reason}" if reason and image is not None else verdict
            if image is None:
                told = textwrap.fill(spell_out(reason), 62)
                axes.text(left + 14, top + 20, told, fontsize=7, va="top", color="white", parse_math=False)
            axes.text(left, below + 24, _short(spell_out(words), 58, end=True), fontsize=7.5, va="center", color=colour,
                      weight="bold", parse_math=False)  # fmt: skip
        axes.imshow(paper, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        try:
            with atomic_write(path) as stream:
                figure.savefig(stream, format="png")
        except OSError as error:
            raise WorkError(f"{path}: the picture must be writable: {error.strerror or error}") from error


def _short(text: str, most: int, *, end: bool = False) -> str:
    """Cut a text to `most` characters, at its end or at its beginning."""
    if len(text) <= most:
        return text
    return text[: most - 1] + "…" if end else "…" + text[-most + 1 :]
