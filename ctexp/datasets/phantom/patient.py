"""One synthetic patient: every drawn measure of the body, and the curves along the body that follow from them.

Heights are given as `s`, 0 at the lowest point of the lungs and 1 at the apices. Patient coordinates are in mm:
x to the patient's left, y to the front, z to the head; x = 0 is the midline, y = 0 the centre of the lower chest.
"""

from dataclasses import dataclass

import numpy as np

from ctexp.datasets.phantom.grid import SLICE_MM, Array, Grid


def _curve(s: "Array | float", *knots: tuple[float, float]) -> Array:
    """Piecewise linear curve through `(s, value)` knots, rounded at the knots by a short moving average."""
    at, value = zip(*knots, strict=True)
    near = [np.interp(s + d, at, value) for d in (-0.045, -0.015, 0.015, 0.045)]
    smooth: Array = np.asarray(np.mean(near, axis=0), dtype=np.float32)
    return smooth


@dataclass(frozen=True)
class Patient:
    """Drawn measures in mm, HU where named so."""

    female: bool
    inspiration: float  # 1 full breath, under 1 shallow: lower and denser lungs
    lung_height: float  # lowest sulcus to apex
    cage_half_width: float
    cage_half_depth: float
    cage_power: float  # 2 is an ellipse, more is boxier
    fat: float
    muscle: float
    breast: float  # 0 without
    kyphosis: float
    dome_right: float
    dome_left: float
    heart_size: float
    heart_turn: float
    vessel_size: float
    rib_drop: float
    lung_hu: float
    gravity_hu: float  # front to back
    table_gap: float
    bone: float  # density factor
    margin_low: float
    margin_high: float
    fov_slack: float
    shift: tuple[float, float]
    roll: float
    z_phase: float
    wobble: tuple[float, ...]  # free phases for shapes

    def half_width(self, s: "Array | float") -> Array:
        """Inner half width of the rib cage."""
        return self.cage_half_width * _curve(
            s,
            (-0.4, 0.93),
            (0, 0.99),
            (0.2, 1),
            (0.4, 0.98),
            (0.6, 0.9),
            (0.75, 0.78),
            (0.88, 0.62),
            (1, 0.44),
            (1.1, 0.32),
        )

    def half_depth(self, s: "Array | float") -> Array:
        """Inner half depth of the rib cage."""
        return self.cage_half_depth * _curve(
            s,
            (-0.4, 0.9),
            (0, 0.98),
            (0.2, 1),
            (0.4, 0.97),
            (0.6, 0.87),
            (0.75, 0.75),
            (0.88, 0.61),
            (1, 0.45),
            (1.1, 0.36),
        )

    def back(self, s: "Array | float") -> Array:
        """Position y of the inner back wall of the cage; the kyphosis puts its middle furthest back."""
        return np.asarray(-self.cage_half_depth + self.kyphosis * 4 * (np.asarray(s) - 0.5) ** 2, dtype=np.float32)

    def centre(self, s: "Array | float") -> Array:
        """Position y of the middle of the cage."""
        return self.back(s) + self.half_depth(s)

    def front(self, s: "Array | float") -> Array:
        """Position y of the inner front wall of the cage."""
        return self.back(s) + 2 * self.half_depth(s)

    def spine(self, s: "Array | float") -> Array:
        """Position y of the middle of the vertebral bodies."""
        return self.back(s) + np.float32(21)

    def muscle_axes(self, s: "Array | float") -> tuple[Array, Array, Array]:
        """Outer muscle contour: half width, y of its front and y of its back."""
        wide = _curve(
            s, (-0.4, 0), (0.2, 0.05), (0.45, 0.25), (0.7, 0.7), (0.85, 1), (1.0, 1.1), (1.1, 0.7), (1.25, 0.2)
        )
        width = self.half_width(s) * (1 - wide) + wide * self.cage_half_width * 1.16
        width = width + 9 + self.muscle * _curve(s, (-0.2, 0.5), (0.2, 0.7), (0.5, 1.4), (0.7, 1.5), (1, 1), (1.2, 0.2))
        front = self.front(s) + 9 + self.muscle * _curve(s, (0.1, 0.3), (0.45, 0.7), (0.7, 1), (0.9, 0.6), (1.05, -0.2))
        back = self.back(s) - 20 - self.muscle * _curve(s, (-0.2, 1.2), (0.3, 1), (0.8, 1.3), (1.1, 1.2))
        return width.astype(np.float32), front.astype(np.float32), back.astype(np.float32)


def draw_patient(rng: np.random.Generator) -> Patient:
    """A patient with plausible, partly correlated measures."""
    female = bool(rng.random() < 0.48)
    stature = float(np.clip(rng.normal(0.94 if female else 1.03, 0.045), 0.84, 1.14))
    inspiration = float(np.clip(1.0 - rng.gamma(1.4, 0.07), 0.68, 1.0))
    fat = float(np.clip(rng.lognormal(np.log(17 if female else 14), 0.45), 5, 40))
    height = 274 * stature * (0.55 + 0.45 * inspiration) * float(np.clip(rng.normal(1, 0.05), 0.9, 1.1))
    return Patient(
        female=female,
        inspiration=inspiration,
        lung_height=height,
        cage_half_width=float(np.clip(rng.normal(133, 6) * stature, 112, 150)),
        cage_half_depth=float(np.clip(rng.normal(88, 6) * stature * (0.9 + 0.1 * inspiration), 72, 104)),
        cage_power=float(rng.uniform(2.15, 2.6)),
        fat=fat,
        muscle=float(np.clip(rng.normal(12 if female else 16, 3), 7, 24)),
        breast=float(rng.uniform(12, 30) + 0.5 * fat) if female else 0.0,
        kyphosis=float(rng.uniform(8, 22)),
        dome_right=float(np.clip(rng.normal(0.36, 0.03) + 0.25 * (1 - inspiration), 0.27, 0.48)),
        dome_left=float(rng.normal(12, 5)),
        heart_size=float(np.clip(rng.normal(0.97, 0.07) * stature, 0.8, 1.2)),
        heart_turn=float(rng.normal(0.6, 0.12)),
        vessel_size=float(np.clip(rng.normal(1.0, 0.08), 0.8, 1.2)),
        rib_drop=float(rng.normal(1.0, 0.12)),
        lung_hu=float(np.clip(-862 + 200 * (1 - inspiration) + rng.normal(0, 31), -925, -720)),
        gravity_hu=float(rng.uniform(30, 80)),
        table_gap=float(rng.uniform(2, 9)),
        bone=float(np.clip(rng.normal(1.0, 0.15), 0.65, 1.3)),
        margin_low=float(rng.uniform(16, 72)),
        margin_high=float(rng.uniform(6, 34)),
        fov_slack=float(rng.uniform(0.94, 1.06)),
        shift=(float(rng.normal(0, 6)), float(rng.normal(2, 5))),
        roll=float(np.deg2rad(rng.normal(0, 2))),
        z_phase=float(rng.random()),
        wobble=tuple(rng.uniform(0, 2 * np.pi, 8).tolist()),
    )


def make_grid(patient: Patient, size: int) -> Grid:
    """Grid that covers the chest of a patient: 36 to 52 slices, a field of view of 330 to 420 mm."""
    span = patient.lung_height + patient.margin_low + patient.margin_high
    slices = int(np.clip(round(span / SLICE_MM), 36, 52))
    low = -patient.margin_low - max(0.0, (slices * SLICE_MM - span) * 0.7) + SLICE_MM * (patient.z_phase - 0.5)
    z = low + SLICE_MM * (np.arange(slices) + 0.5)
    width, front, back = patient.muscle_axes(np.array([0.5], dtype=np.float32))
    widest = 2 * (float(width[0]) + patient.fat)
    fov = float(np.clip(max(widest * 1.04, 1.2 * float(front[0] - back[0])) * patient.fov_slack, 330, 420))
    # The couch is set so that the body, not the cage, lies in the middle of the field of view.
    middle = (float(front[0]) + float(back[0])) / 2 - 4
    shift = (patient.shift[0], patient.shift[1] - middle)
    around = patient.fat * 1.4 + 12
    s = (z / patient.lung_height).astype(np.float32)
    _, fronts, backs = patient.muscle_axes(s)
    y_range = float(backs.min()) - around, float(fronts.max()) + around + 1.4 * patient.breast
    return Grid(size, fov, z.astype(np.float32), shift, patient.roll, y_range)
