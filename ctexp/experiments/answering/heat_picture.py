"""From a scan and its heat map to the picture: which slices, which part of them, and the words beside them."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ctexp.registry.answer import Answer
from ctexp.registry.explain import WORDS, Explanation
from ctexp.scans.frame import as_picture
from ctexp.scans.hot import hottest_slices, patient_box
from ctexp.scans.maps import in_file_order
from ctexp.scans.views import LUNG_WINDOW_HU
from ctexp.scans.volume import Volume

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SLICES = 6
FOOT = (
    "Heat: what raised the network's answer, relative to this scan's own hottest voxel, whatever the answer is. "
    "It is no outline of disease, and where it is cold nothing is ruled out."
)


def scan_picture(name: str, volume: Volume, answer: Answer, explanation: Explanation) -> "Figure":
    """Draw the slices of a scan that its heat map speaks of most.

    Args:
        name: of the scan.
        volume: the scan.
        answer: with a prediction.
        explanation: of it.
    """
    from ctexp.tracking.figures_heat import HeatSlice, heat_figure

    x, y = patient_box(volume)
    low, high = LUNG_WINDOW_HU
    slices = []
    for number in hottest_slices(explanation.heat, SLICES):
        part = (x, y, slice(number, number + 1))
        grey = np.clip((volume.to_hu(volume.stored[part]) - low) / (high - low), 0, 1)
        slices.append(HeatSlice(slice_words(volume, number), _picture(grey), _picture(explanation.heat[part])))
    said = answer.prediction
    words = []
    if said is not None:
        words.append(
            f"{100 * said.abnormal:.1f} % abnormal, called {said.label} (from {100 * said.threshold:.1f} % on)"
        )
    words += [f"{answer.model.name} version {answer.model.version}",
              f"{WORDS[explanation.method]}, {'x'.join(map(str, explanation.cells))} cells"]  # fmt: skip
    synthetic = "Model trained on synthetic scans: it says nothing about patients. " if answer.synthetic else ""
    foot = f"{FOOT}\nR: the patient's right. {synthetic}Research software; not a medical device."
    if explanation.peak == 0:
        words.append("nothing speaks for abnormal")
    return heat_figure(slices, title=name if len(name) < 90 else f"{name[:60]}…{name[-25:]}", said=" · ".join(words),
                       foot=foot, aspect=volume.spacing_mm[1] / volume.spacing_mm[0])  # fmt: skip


def slice_words(volume: Volume, number: int) -> str:
    """Name a slice as the scan's own file does: counted from 1 along the file's axis, and its height.

    Args:
        volume: the scan.
        number: of the slice along z, 0 at the feet.
    """
    axis, direction = in_file_order(volume)[2]
    count = volume.shape[2]
    own = number + 1 if direction > 0 else count - number
    middle = np.array([(volume.shape[0] - 1) / 2, (volume.shape[1] - 1) / 2, number, 1.0])
    height_mm = float((volume.affine @ middle)[2])
    which = "" if axis == 2 else f" of axis {int(axis) + 1}"
    return f"slice {own} of {count}{which}, z = {height_mm:.0f} mm".replace("-", "−")


def _picture(part: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Turn (x, y, 1) into (rows, columns)."""
    return np.asarray(as_picture(part)[:, :, 0], dtype=np.float32)
