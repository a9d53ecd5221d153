"""Slices of a scan as they are and under their heat, beside each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from ctexp.files import spell_out

PAPER, INK, PALE = "#111418", "#f2f2f2", "#aab2bd"  # dark, as a reading room's screen: a white page blinds the greys
FAINT, STRONG = 0.08, 0.60
"""Below this heat nothing is laid over the scan; this much of the scan is covered by the hottest."""
_PAIRS = 2
_COLOURS = colormaps["inferno"]
_OUTLINE = withStroke(linewidth=2, foreground=PAPER)


@dataclass(frozen=True, eq=False)
class HeatSlice:
    """One slice.

    Attributes:
        caption: which one it is.
        picture: (rows, columns) float32 0..1, grey; row 0 at the front, column 0 at the patient's right.
        heat: (rows, columns) float32 0..1.
    """

    caption: str
    picture: npt.NDArray[np.float32]
    heat: npt.NDArray[np.float32]


def heat_figure(slices: Sequence[HeatSlice], *, title: str, said: str, foot: str, aspect: float = 1.0) -> Figure:
    """Draw slices in pairs, without and with their heat.

    Args:
        slices: at least one, all of one size.
        title: which scan.
        said: the answer, by whom, and how the map was made.
        foot: what the map does not say.
        aspect: height of a pixel over its width.
    """
    lines = -(-len(slices) // _PAIRS)
    rows, columns = slices[0].picture.shape
    tile = 2.7  # inches
    tall = float(np.clip(tile * rows * aspect / columns, 1.2, 4.0))
    width, head, bottom = 2 * _PAIRS * tile + 0.95, 0.82, 0.62
    height = lines * (tall + 0.28) + head + bottom
    figure = Figure(figsize=(width, height), facecolor=PAPER)
    figure.text(
        0.15 / width, 1 - 0.33 / height, spell_out(title), color=INK, fontsize=14, weight="bold", parse_math=False
    )
    figure.text(0.15 / width, 1 - 0.63 / height, said, color=INK, fontsize=10, parse_math=False)
    figure.text(0.15 / width, 0.16 / height, foot, color=PALE, fontsize=8.5, linespacing=1.4, parse_math=False)
    for number, one in enumerate(slices):
        line, pair = divmod(number, _PAIRS)
        top = height - head - line * (tall + 0.28)
        for place in (0, 1):
            left = 0.15 + pair * (2 * tile + 0.12) + place * tile
            axes = figure.add_axes((left / width, (top - 0.24 - tall) / height, (tile - 0.03) / width, tall / height))
            axes.imshow(one.picture, cmap="gray", vmin=0, vmax=1, aspect=aspect, interpolation="antialiased")
            if place:
                axes.imshow(_coloured(one.heat), aspect=aspect, interpolation="bilinear")
            else:
                axes.set_title(one.caption, loc="left", fontsize=9, color=INK, pad=3)
                for where, letter in ((0.02, "R"), (0.98, "L")):  # in the upper corners, where air is
                    axes.text(where, 0.97, letter, transform=axes.transAxes, color=INK, fontsize=9,
                              ha="left" if letter == "R" else "right", va="top", path_effects=[_OUTLINE])  # fmt: skip
            axes.axis("off")
    bar = figure.add_axes(((width - 0.68) / width, (bottom + 0.1) / height, 0.13 / width,
                           (height - head - bottom - 0.35) / height))  # fmt: skip
    colours = figure.colorbar(ScalarMappable(Normalize(0, 1), _COLOURS), cax=bar)
    colours.set_label("heat, 1 = hottest voxel of this scan", color=INK, fontsize=8.5)
    colours.set_ticks([0, 0.25, 0.5, 0.75, 1], labels=["0", "", "0.5", "", "1"])
    bar.tick_params(colors=INK, labelsize=8)
    return figure


def _coloured(heat: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Give (rows, columns, 4) colours whose opacity grows with the heat."""
    colours = np.asarray(_COLOURS(heat), dtype=np.float64)
    colours[..., 3] = np.clip((heat - FAINT) / (0.5 - FAINT), 0.0, 1.0) * STRONG
    return colours
