"""Distance fields of body, lungs, heart and upper abdomen on the coarse grid, in mm, negative inside."""

from dataclasses import dataclass

import numpy as np

from ctexp.datasets.phantom.grid import Array, Grid
from ctexp.datasets.phantom.patient import Patient


@dataclass(frozen=True)
class Organs:
    """Fields `(z, y, x)` on the coarse grid.

    `skin`, `muscle`, `cage` (inner wall), `lung` (both), `heart`, `liver`, `spleen`, `stomach` are distances;
    `dome` is the height over the diaphragm, `depth` 0 at the front of the chest to 1 at its back.
    """

    skin: Array
    muscle: Array
    cage: Array
    lung: Array
    heart: Array
    liver: Array
    spleen: Array
    stomach: Array
    dome: Array
    depth: Array


def ellipsoid(offsets: tuple[Array, Array, Array], axes: tuple[float, float, float]) -> Array:
    """Approximate distance to an ellipsoid from offsets (broadcast) along its half axes."""
    u, v, w = (np.asarray(o, dtype=np.float32) / np.float32(a) for o, a in zip(offsets, axes, strict=True))
    k0 = np.sqrt(u * u + v * v + w * w)
    u, v, w = (o / np.float32(a) for o, a in zip((u, v, w), axes, strict=True))
    k1 = np.sqrt(u * u + v * v + w * w)
    distance: Array = k0 * (k0 - 1) / np.maximum(k1, 1e-4)
    return distance


def oval(x: Array, y: Array, half_width: "Array | float", half_depth: "Array | float", power: float) -> Array:
    """Radial distance to a superellipse `(|x|/a)^p + (|y|/b)^p = 1` whose axes may change with the slice."""
    u, v = np.abs(x) / half_width, np.abs(y) / half_depth
    radius = (u**power + v**power) ** np.float32(1 / power)
    return np.sqrt(x * x + y * y) * (1 - 1 / np.maximum(radius, 1e-3))


def blend_min(a: Array, b: Array, width: float) -> Array:
    """Union of two distances with a fillet of about `width` mm."""
    h = np.maximum(np.float32(width) - np.abs(a - b), 0)
    return np.minimum(a, b) - h * h / np.float32(4 * width)


def heart_centre(patient: Patient) -> tuple[float, float, float]:
    """Centre of the ventricles, on the diaphragm and to the left of the midline."""
    z = patient.dome_right * patient.lung_height - patient.dome_left + 30 * patient.heart_size
    s = np.array([z / patient.lung_height], dtype=np.float32)
    y = float(0.56 * patient.front(s)[0] + 0.44 * patient.spine(s)[0])
    return 27.0, y + 4, z


def _skin(patient: Patient, x: Array, y: Array, s: Array, wide: Array, front: Array, back: Array) -> Array:
    # Fat lies thicker on the belly and the sides than over the sternum and the spine.
    lower = np.clip(0.6 - s, 0, 1)
    a = wide + patient.fat * (0.75 + 0.5 * lower)
    f = front + patient.fat * (0.75 + 0.6 * lower) + 2
    b = back - patient.fat * (0.7 + 0.2 * lower) - 2
    skin = oval(x, y - (f + b) / 2, a, (f - b) / 2, 2.35)
    if patient.breast:
        z, lift = s * patient.lung_height, 0.53 * patient.lung_height
        size = patient.breast
        for side in (-1, 1):
            offsets = (x - side * patient.cage_half_width * 0.6, y - f + 0.6 * size + 4, z - lift)
            skin = blend_min(skin, ellipsoid(offsets, (58.0, 1.25 * size, 62.0)), 22)
    return skin


def make_organs(patient: Patient, grid: Grid) -> Organs:
    """All distance fields of one patient."""
    x, y = (a[None] for a in grid.coarse_xy)
    z = grid.z_mm[:, None, None]
    s = z / np.float32(patient.lung_height)
    width, depth_half, centre = (f(s) for f in (patient.half_width, patient.half_depth, patient.centre))
    wide, front, back = patient.muscle_axes(s)
    cage = oval(x, y - centre, width, depth_half, patient.cage_power)
    muscle = oval(x, y - (front + back) / 2, wide, (front - back) / 2, 2.3)
    skin = np.minimum(_skin(patient, x, y, s, wide, front, back), muscle + 4)

    dome = z - _diaphragm(patient, x, y)
    heart = _heart(patient, x, y, z)
    lung = _lungs(patient, x, y, z, s, cage, dome, heart)
    inner = np.maximum(cage + 3, dome + 4)
    spleen, stomach = _left_upper_abdomen(patient, x, y, z, inner)
    # The left lobe reaches across the midline in front of the stomach; the crura and the spine stay free.
    reach = 8 + 50 / (1 + np.exp(-(y - centre - 8) / 10)) - 0.25 * np.minimum(dome + 60, 0)
    wave = 4 * np.sin(z / 17 + np.float32(patient.wobble[0])) + 3 * np.sin(y / 19 + np.float32(patient.wobble[1]))
    liver = np.maximum(inner, x - reach - wave)
    liver = np.maximum(liver, 24 - np.hypot(x - 4, y - patient.spine(s) - 6))
    # The lower edge rises from the tip at the right flank; under it only fat and bowel are left.
    lobe = patient.lung_height * -0.08 - 14 - 45 * np.clip(-x / patient.cage_half_width - 0.1, -0.5, 0.9)
    liver = np.maximum(liver, (lobe - z) * np.float32(0.5))
    depth = np.clip((front - y) / (front - back), 0, 1)
    fields = (skin, muscle, cage, lung, heart, liver, spleen, stomach, dome, depth)
    return Organs(*(f.astype(np.float32, copy=False) for f in fields))


def _diaphragm(patient: Patient, x: Array, y: Array) -> Array:
    """Height of the diaphragm: two domes, deep behind and at the sides, shallow in front."""
    a, b = patient.cage_half_width, patient.cage_half_depth
    top = patient.dome_right * patient.lung_height
    fall = 0.75 + 0.25 * patient.inspiration
    u = (np.abs(x) - 0.47 * a) / (0.53 * a)
    v = (y - 0.12 * b) / b
    drop = np.where(u > 0, 52, 14) * u * u + np.where(v > 0, 34, 78) * v * v
    # Two gentle waves: a dome is never a perfect paraboloid.
    drop = (
        drop + 2.5 * np.sin(x / 21 + np.float32(patient.wobble[2])) + 2 * np.sin(y / 17 + np.float32(patient.wobble[3]))
    )
    left = 1 / (1 + np.exp(-x / 12))
    return np.asarray(top - patient.dome_left * left - fall * drop, dtype=np.float32)


def _heart(patient: Patient, x: Array, y: Array, z: Array) -> Array:
    cx, cy, cz = heart_centre(patient)
    size = patient.heart_size
    u, v, w = x - np.float32(cx), y - np.float32(cy), z - np.float32(cz)
    # The long axis points to the left, to the front and a little down.
    turn, dip = patient.heart_turn, 0.35
    along = np.array([np.cos(turn) * np.cos(dip), np.sin(turn) * np.cos(dip), -np.sin(dip)], dtype=np.float32)
    side = np.array([-np.sin(turn), np.cos(turn), 0], dtype=np.float32)
    up = np.cross(along, side)
    frame = tuple(u * e[0] + v * e[1] + w * e[2] for e in (along, side, up))
    ventricles = ellipsoid(frame, (66 * size, 46 * size, 44 * size))
    right = ellipsoid((x + 22, y - np.float32(cy - 2), z - np.float32(cz + 14)), (31 * size, 34 * size, 40 * size))
    left_atrium = ellipsoid(
        (x - 6, y - np.float32(cy - 32 * size), z - np.float32(cz + 30)), (36 * size, 22 * size, 26 * size)
    )
    return blend_min(blend_min(ventricles, right, 14), left_atrium, 12)


def _lungs(patient: Patient, x: Array, y: Array, z: Array, s: Array, cage: Array, dome: Array, heart: Array) -> Array:
    spine, front = patient.spine(s), patient.front(s)
    u = np.clip((y - spine - 14) / np.maximum(front - spine - 14, 30), -0.4, 1.1)  # 0 at the spine, 1 at the sternum
    high = np.clip((s - 0.62) / 0.2, 0, 1)
    middle = np.clip(1 - np.abs(s - 0.55) / 0.22, 0, 1)
    # Narrow before the spine, widest at the great vessels, nearly closed behind the sternum.
    bump = np.exp(-(((u - 0.42) / 0.3) ** 2))
    tight = np.float32(17) + (6 + 12 * high + 12 * middle) * bump
    tight = (
        tight
        - 9 * np.clip(u - 0.55, 0, 0.45) / 0.45 * (1 - 0.6 * high)
        + 2 * np.sin(z / 23 + np.float32(patient.wobble[4]))
    )
    tight = np.where(u < 0, np.maximum(tight, 17 + 6 * np.clip(-u / 0.2, 0, 1)), tight)
    between = tight - np.abs(x - 2)
    apex_y = patient.spine(0.95) + 14
    ahead = y - apex_y
    far = (np.abs(x) - 0.36 * patient.cage_half_width) ** 2 + np.where(ahead > 0, 0.3, 1) * ahead * ahead
    apex = (z - patient.lung_height + far / 75) * np.float32(0.6)
    lung = np.maximum(np.maximum(cage, between), np.maximum(apex, -dome))
    lung = np.maximum(lung, np.float32(5) - heart)
    # The lowest rim of the lungs is a shallow curve, somewhat higher on the left or on the right.
    u = (np.abs(x) - 0.55 * patient.cage_half_width) / (0.5 * patient.cage_half_width)
    floor = (
        20 * u * u + np.where(x > 0, 0.3, -0.2) * patient.dome_left + 3 * np.sin(y / 9 + np.float32(patient.wobble[5]))
    )
    lungs: Array = np.maximum(lung, (floor - z) * np.float32(0.7))
    return lungs


def _left_upper_abdomen(patient: Patient, x: Array, y: Array, z: Array, inner: Array) -> tuple[Array, Array]:
    a, b = patient.cage_half_width, patient.cage_half_depth
    top = patient.dome_right * patient.lung_height - patient.dome_left
    spleen = ellipsoid((x - 0.62 * a, y + 0.42 * b, z - top + 62), (26.0, 46.0, 52.0))
    stomach = ellipsoid((x - 0.42 * a, y - 0.12 * b, z - top + 50), (40.0, 50.0, 48.0))
    spleen = np.maximum(spleen, inner)
    return spleen, np.maximum(np.maximum(stomach, inner + 2), 3 - spleen)
