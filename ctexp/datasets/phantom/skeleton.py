"""Bones: ribs and cartilage, vertebrae, sternum, clavicles, shoulder blades."""

from dataclasses import dataclass

import numpy as np

from ctexp.datasets.phantom.grid import Array, Grid
from ctexp.datasets.phantom.organs import oval
from ctexp.datasets.phantom.patient import Patient
from ctexp.datasets.phantom.tubes import Tubes, join, polyline

# Bony end of ribs 1 to 12 as an angle round the cage, 0 behind, 1 at the sternum; and their fall in mm.
_RIB_END = (0.84, 0.8, 0.79, 0.78, 0.77, 0.76, 0.75, 0.72, 0.68, 0.62, 0.42, 0.28)
_RIB_FALL = (48, 66, 80, 92, 102, 110, 116, 118, 116, 112, 104, 96)


def _on_cage(patient: Patient, angle: Array, z: Array, side: int, off: "float | Array") -> Array:
    """Points `(n, 3)` at `angle` (0 behind to pi in front) round the cage, `off` mm outside its inner wall."""
    s = np.asarray(z, dtype=np.float32) / np.float32(patient.lung_height)
    power = 2 / patient.cage_power
    sine, cosine = np.sin(angle), np.cos(angle)
    x = side * (patient.half_width(s) + off) * np.abs(sine) ** power
    y = patient.centre(s) - (patient.half_depth(s) + off) * np.sign(cosine) * np.abs(cosine) ** power
    return np.stack([x, y, z], axis=1).astype(np.float32)


def vertebra_heights(patient: Patient) -> Array:
    """`(17,)` z of the middles of C6 to L3; T1 stands at the apices and T12 at the lowest sulcus."""
    return (patient.lung_height * (1.02 - np.arange(-2, 15) / 11.0)).astype(np.float32)


def ribs(patient: Patient) -> tuple[Tubes, Tubes]:
    """Bony ribs and their cartilage; both are to be drawn flattened, since ribs are taller than thick."""
    bone, cartilage = [], []
    middles = vertebra_heights(patient)[2:]
    for n, (end, fall) in enumerate(zip(_RIB_END, _RIB_FALL, strict=True)):
        angle = np.linspace(0.17, end, 18) * np.pi
        z = middles[n] + 4 - fall * patient.rib_drop * (1 - np.cos(angle)) / 2
        for side in (-1, 1):
            arc = _on_cage(patient, angle, z, side, 5.0)
            spine = float(patient.spine(middles[n] / patient.lung_height))
            neck = np.array([[side * 15, spine - 8, middles[n] + 5], [side * 30, spine - 15, middles[n] + 5]])
            radii = np.full(20, 3.9, np.float32)
            radii[:2] = 3.2
            bone.append(polyline(np.concatenate([neck, arc]), radii * (0.9 if n > 9 else 1)))
            if n < 10:
                tip = arc[-1]
                s_join = max(0.86 - 0.085 * n, 0.34)
                z_join = s_join * patient.lung_height
                front = float(patient.front(s_join)) + 6
                bow = np.array([(tip[0] + side * 20) / 2, max(front, tip[1]), (tip[2] + z_join) / 2 - 6])
                if n > 6:  # the lower cartilages join the one above, along the costal margin
                    bow, front = np.array([tip[0] * 0.75, tip[1] + 14, tip[2] + 8]), front - 4
                cartilage.append(polyline(np.stack([tip, bow, np.array([side * 20, front, z_join])]), 4.2))
    return join(bone), join(cartilage)


def posterior_elements(patient: Patient) -> Tubes:
    """Pedicles, laminae, transverse and spinous processes of all vertebrae."""
    parts = []
    for z in vertebra_heights(patient):
        y = float(patient.spine(z / patient.lung_height))
        parts.append(
            polyline(np.array([[0, y - 33, z - 6], [0, y - 44, z - 13], [0, y - 54, z - 21]]), [4.0, 3.2, 4.2])
        )
        for side in (-1, 1):
            parts += [
                polyline(np.array([[side * 11, y - 8, z + 3], [side * 12.5, y - 21, z + 2]]), 4.4),
                polyline(np.array([[side * 12.5, y - 22, z], [0, y - 34, z - 5]]), [4.2, 3.6]),
                polyline(np.array([[side * 12, y - 22, z + 1], [side * 32, y - 29, z + 5]]), [4.6, 4.0]),
            ]
    return join(parts)


def shoulder_girdle(patient: Patient) -> Tubes:
    """Shoulder blades, turned outwards by the raised arms, clavicles and the heads of the humeri."""
    h = patient.lung_height
    parts = []
    for side in (-1, 1):
        for level in np.arange(0.44, 1.0, 4.5 / h):
            up = min((level - 0.44) / 0.42, 1.0)
            angle = np.linspace(0.32 - 0.1 * up, 0.40 + 0.17 * up, 6) * np.pi
            off = np.linspace(13 + 5 * up, 19 + 15 * up, 6)
            blade = _on_cage(patient, angle, np.full(6, level * h, np.float32), side, off)
            # The blade is flatter than the cage that it slides on, thin in the middle, thick at its outer border.
            chord = blade[0] + (blade[-1] - blade[0]) * np.linspace(0, 1, 6, dtype=np.float32)[:, None]
            thick = np.array([2.2, 1.6, 1.6, 1.8, 2.4, 3.0 + 2.6 * max(up - 0.5, 0)], dtype=np.float32)
            parts.append(polyline(0.45 * blade + 0.55 * chord, thick))
        ridge = _on_cage(
            patient, np.array([0.24, 0.36, 0.5]) * np.pi, np.array([0.88, 0.96, 1.04]) * h, side, np.array([28, 46, 62])
        )
        parts.append(polyline(ridge, [3.5, 5, 6]))
        a, front = patient.cage_half_width, float(patient.front(0.88))
        spine = float(patient.spine(1.0))
        collar = np.array(
            [
                [side * 24, front + 4, 0.87 * h],
                [side * 0.6 * a, front - 14, 0.97 * h],
                [side * 1.02 * a, spine + 22, 1.1 * h],
            ]
        )
        parts.append(polyline(collar, [7.5, 5.5, 6.5]))
        head = np.array([[side * 1.16 * a, spine + 12, 1.04 * h], [side * 1.2 * a, spine + 14, 1.2 * h]])
        parts.append(polyline(head, [20, 16]))
    return join(parts)


@dataclass(frozen=True)
class AxialSkeleton:
    """Distances `(z, y, x)` of vertebral bodies, canal and sternum, and HU `(z,)` of body rim and marrow."""

    body: Array
    canal: Array
    sternum: Array
    rim_hu: Array
    marrow_hu: Array


def axial_skeleton(patient: Patient, grid: Grid) -> AxialSkeleton:
    """Fields of the bones of the midline on the coarse grid."""
    x, y = (a[None] for a in grid.coarse_xy)
    z = grid.z_mm[:, None, None]
    s = z / np.float32(patient.lung_height)
    grow = 1 + 0.22 * np.clip(0.7 - s, -0.2, 0.9)
    spine = patient.spine(s)
    body = oval(x, y - spine, 15.5 * grow, 13.5 * grow, 2.2)
    canal = oval(x, y - spine + 13.5 * grow + 8, 9.5, 7.5, 2.0)
    wide = np.where(s > 0.76, 28, 16) + 0 * s
    sternum = oval(x, y - patient.front(s) - 7, wide.astype(np.float32), 6.5, 2.6)
    h = patient.lung_height
    sternum = np.maximum(sternum, np.maximum(0.34 * h - z, z - 0.88 * h))
    # Share of a slice that is disc: discs of 5 mm stand between the middles of the vertebrae.
    middles = vertebra_heights(patient)
    gaps = (middles[1:] + middles[:-1]) / 2
    near = np.abs(grid.z_mm[:, None] - gaps[None]).min(axis=1)
    disc = np.clip((6.5 - near) / 8, 0, 0.62).astype(np.float32)
    rim = (480 * (1 - disc) + 120 * disc) * patient.bone
    marrow = 190 * patient.bone * (1 - disc) + 85 * disc
    return AxialSkeleton(
        body.astype(np.float32),
        canal.astype(np.float32),
        sternum.astype(np.float32),
        rim.astype(np.float32),
        marrow.astype(np.float32),
    )
