"""Slices put in order by where they lie, and every way in which they make no volume, with numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctexp.errors import ScanError
from ctexp.scans.dicom.frames import Frame
from ctexp.scans.dicom.series import MIN_SLICES

Vector = npt.NDArray[np.float64]

TILT_DEGREES = 0.5
"""Below this the shear over a whole chest is about 3 mm, and the affine carries it."""
EVEN_MM, EVEN_SHARE = 0.1, 0.1
"""A slice may lie this far from its even place (the larger of mm and share of the distance): headers are rounded."""
MAX_GAP = 3.0
"""Times the usual distance: what lies between slices farther apart cannot be told from them."""


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices in the order of their normal.

    Attributes:
        frames: sorted.
        step: (3,) LPS millimetres from one slice of the volume to the next.
        even: whether the slices are the volume's; else they are interpolated at `targets`.
        depths: (n,) mm along the normal, of the slices.
        targets: (m,) mm along the normal, of the volume's slices.
        notes: what was done to get there.
    """

    frames: tuple[Frame, ...]
    step: Vector
    even: bool
    depths: Vector
    targets: Vector
    notes: tuple[str, ...] = ()


def stack_frames(frames: Sequence[Frame], place: str, *, allow_gaps: bool, remark: str = "") -> Stack:
    """Put the slices of one series in order.

    Args:
        frames: slices of one matrix size and about one direction.
        place: for error messages.
        allow_gaps: interpolate where slices are missing or unevenly spaced, as far as that is sound.
        remark: appended to an error.

    Raises:
        ScanError: they make no volume; the message names every reason, with positions in mm.
    """
    if len(frames) < MIN_SLICES:
        one = "; the slices of a series belong into a folder of their own" if len(frames) == 1 else ""
        raise ScanError(f"{place}: a CT series must have at least {MIN_SLICES} slices, got {len(frames)}{remark}{one}")
    directions = frames[0].directions
    normal = np.cross(directions[0], directions[1])
    axis = int(np.abs(normal).argmax())
    depths = np.array([float(frame.position @ normal) for frame in frames])
    order = np.argsort(depths, kind="stable")
    ordered = tuple(frames[index] for index in order)
    depths = depths[order]
    heights = [f"{frame.position[axis]:g}" for frame in ordered]
    faults = _mixed(ordered)
    gaps = np.diff(depths)
    usual = float(np.median(gaps[gaps > 0.01])) if (gaps > 0.01).any() else 0.0
    twice = np.flatnonzero(gaps <= max(0.01, 0.02 * usual))
    if len(twice):
        at = sorted({heights[index] for index in twice}, key=float)
        same = f"all {len(frames)} slices lie at" if usual == 0 else f"{len(twice)} slices lie where another one does,"
        faults.append(f"{same} {'xyz'[axis]} = {_some(at)} mm")
    sound = not faults
    if usual > 0:
        tilted = _sheared(ordered, normal, depths)
        sound = sound and not tilted
        faults += tilted
    uneven = _uneven(depths, gaps, usual, heights, "xyz"[axis]) if usual > 0 and not len(twice) else ""
    sound = sound and usual > 0 and float(gaps.max()) <= MAX_GAP * usual * 1.02
    if uneven and not (sound and allow_gaps):
        ways = "--allow-gaps interpolates them" if sound else "export the whole series again"
        faults.append(f"{uneven}; {ways}")
    if faults:
        raise ScanError(f"{place}: the slices must make one even volume: {'; '.join(faults)}{remark}")
    count = round(float(depths[-1] - depths[0]) / usual) + 1 if uneven else len(ordered)
    step = (ordered[-1].position - ordered[0].position) / (count - 1)
    targets = np.linspace(depths[0], depths[-1], count)
    notes = (f"interpolated from {len(ordered)} to {count} slices: {uneven}",) if uneven else ()
    return Stack(ordered, step, not uneven, depths, targets, notes)


def _mixed(frames: Sequence[Frame]) -> list[str]:
    faults = []
    first = frames[0]
    angles = [_degrees(frame.directions, first.directions) for frame in frames]
    if max(angles) > 0.1:
        low = sum(angle > 0.1 for angle in angles)
        faults.append(f"orientation is mixed, {min(low, len(frames) - low)} slices turned by {max(angles):.1f} degrees")
    spacings = {tuple(round(mm, 4) for mm in frame.spacing_mm) for frame in frames}
    if any(abs(one / two - 1) > 1e-3 for a in spacings for one, two in zip(a, first.spacing_mm, strict=True)):
        words = _some([" x ".join(f"{mm:g}" for mm in spacing) for spacing in sorted(spacings)])
        faults.append(f"pixel spacing is mixed, {words} mm")
    return faults


def _degrees(one: Vector, two: Vector) -> float:
    """Give the largest angle between the unit vectors of two slices; by the chord, which is exact for small ones."""
    chord = float(np.sqrt(((one - two) ** 2).sum(axis=1)).max())
    return math.degrees(2 * math.asin(min(1.0, chord / 2)))


def _sheared(frames: Sequence[Frame], normal: Vector, depths: Vector) -> list[str]:
    """Look whether each slice lies straight above the one before."""
    sideways = np.array([frame.position for frame in frames]) - depths[:, None] * normal
    sideways -= sideways[0]
    slope = sideways[-1] / (depths[-1] - depths[0])
    tilt = math.degrees(math.atan(float(np.sqrt(slope @ slope))))
    if tilt > TILT_DEGREES:
        return [f"the gantry was tilted by {tilt:.1f} degrees, slices are shifted against each other"]
    rest = sideways - (depths - depths[0])[:, None] * slope
    shift = float(np.sqrt((rest**2).sum(axis=1)).max())
    if shift > max(1.0, *frames[0].spacing_mm):
        return [f"slices are shifted sideways by up to {shift:.1f} mm"]
    return []


def _uneven(depths: Vector, gaps: Vector, usual: float, heights: Sequence[str], letter: str) -> str:
    """Say where slices are missing or how unevenly they lie; empty when they are even."""
    even = np.linspace(depths[0], depths[-1], len(depths))
    if float(np.abs(depths - even).max()) <= max(EVEN_MM, EVEN_SHARE * usual):
        return ""
    tolerance = max(EVEN_MM, EVEN_SHARE * usual)
    wide = [int(index) for index in np.flatnonzero(gaps > 1.5 * usual)]
    regular = all(abs(gap - round(gap / usual) * usual) <= tolerance * max(1, round(gap / usual)) for gap in gaps)
    if len(wide) and regular:
        missing = sum(round(float(gaps[index]) / usual) - 1 for index in wide)
        at = [f"{heights[index]} and {heights[index + 1]}" for index in wide]
        return (f"{missing} {'slice is' if missing == 1 else 'slices are'} missing, "
                f"between {letter} = {_some(at)} mm (others are {usual:.4g} mm apart)")  # fmt: skip
    return f"gaps are uneven, {gaps.min():.4g} to {gaps.max():.4g} mm, usually {usual:.4g} mm"


def _some(words: Sequence[str]) -> str:
    return ", ".join(words[:4]) + (f" and {len(words) - 4} more" if len(words) > 4 else "")
