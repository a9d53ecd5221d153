"""Great vessels, airways and the vessel trees of the lungs, as tapering tubes."""

import numpy as np

from ctexp.datasets.phantom.grid import COARSE_MM, Array, Grid
from ctexp.datasets.phantom.organs import Organs, heart_centre
from ctexp.datasets.phantom.patient import Patient
from ctexp.datasets.phantom.tubes import Tubes, join, polyline

_LEAVES = 256  # twigs of one tree; a power of two, since every branching halves them
_AIRWAYS = 8
_MURRAY = 2.7  # r^2.7 is kept at a branching


class Landmarks:
    """Places in the mediastinum, in patient mm, that vessels, airways and trees share."""

    def __init__(self, patient: Patient) -> None:
        self.height = patient.lung_height
        cx, cy, cz = heart_centre(patient)
        self.heart = np.array([cx, cy, cz], dtype=np.float32)
        self.base_z = cz + 40 * patient.heart_size
        self.carina_z = max(0.63 * self.height, self.base_z + 14)
        self.arch_z = self.carina_z + 20
        self.patient = patient

    def before_spine(self, z: "float | Array", forward: float) -> "float | Array":
        """Position y of a point `forward` mm before the front of the vertebral bodies."""
        s = np.asarray(z, dtype=np.float32) / np.float32(self.height)
        return self.patient.spine(s) + np.float32(15 + forward)

    def hilum(self, side: int) -> Array:
        """Where vessels enter the lung of a side (-1 right, 1 left)."""
        z = self.carina_z - (18 if side < 0 else 12)
        return np.array([side * 36.0 + 3, float(self.before_spine(z, 20)), z], dtype=np.float32)


def great_vessels(patient: Patient, marks: Landmarks) -> Tubes:
    """Aorta, pulmonary arteries, caval veins, arch branches and oesophagus."""
    v, h, base, arch = patient.vessel_size, marks.height, marks.base_z, marks.arch_z
    _, hy, hz = marks.heart
    y = marks.before_spine
    low = np.linspace(-90, arch - 10, 9)
    descending = [[16 + 5 * np.clip(q / h, 0, 1), y(q, 1), q] for q in low]
    bend = [[17, y(arch, 8), arch + 2], [8, y(arch, 26), arch + 7], [-4, y(arch, 42), arch + 4]]
    rise = [[-13, y(base, 50), arch - 14], [-14, y(base, 50), base + 4], [-4, hy + 4, base - 20]]
    aorta = polyline(
        np.array(descending + bend + rise), [11.5 * v] * 9 + [12 * v, 12.5 * v, 13 * v, 15 * v, 15.5 * v, 15 * v]
    )
    fork = np.array([10, y(base, 40), marks.carina_z - 16])
    trunk = polyline(np.array([[16, hy + 22, base - 18], [20, y(base, 58), base], fork]), [14 * v, 14 * v, 13 * v])
    right = polyline(np.array([fork, [-12, y(base, 26), fork[2] - 4], marks.hilum(-1)]), [12 * v, 11 * v, 8.5 * v])
    left = polyline(np.array([fork, [27, y(base, 28), fork[2] + 5], marks.hilum(1)]), [12 * v, 10.5 * v, 8.5 * v])
    cava_top = 0.86 * h
    cava = polyline(
        np.array([[-24, hy - 4, hz + 18], [-25, y(arch, 36), arch - 8], [-22, y(cava_top, 34), cava_top]]),
        [10 * v, 9 * v, 8 * v],
    )
    lower_cava = polyline(np.array([[-20, hy - 22, hz], [-19, y(hz, 20), hz - 60], [-16, y(0, 12), -90]]), 12 * v)
    top = 1.15 * h
    arteries = [(-5.0, -9.0, 40.0, 24.0), (6.0, 13.0, 30.0, 22.0), (15.0, 24.0, 18.0, 18.0)]
    branches = [
        polyline(
            np.array([[a, y(arch, f0), arch + 6], [b, y(0.9 * h, f1), 0.9 * h], [1.6 * b, y(h, f1), top]]),
            [6.5 * v, 5 * v, 4 * v],
        )
        for a, b, f0, f1 in arteries
    ]
    veins = [
        polyline(
            np.array([[-22, y(cava_top, 34), cava_top], [-26, y(h, 34), 0.95 * h], [-28, y(h, 26), top]]), 6.5 * v
        ),
        polyline(
            np.array(
                [
                    [-20, y(cava_top, 36), cava_top],
                    [8, y(cava_top, 46), cava_top + 4],
                    [26, y(h, 34), 0.95 * h],
                    [30, y(h, 26), top],
                ]
            ),
            6 * v,
        ),
    ]
    gullet_z = np.linspace(0.2 * h, 1.15 * h, 7)
    gullet = polyline(np.array([[4 if q > marks.carina_z else 6, y(q, 6), q] for q in gullet_z]), 6.5)
    return join([aorta, trunk, right, left, cava, lower_cava, gullet, *branches, *veins])


def airways(marks: Landmarks, targets: dict[int, Array], wall_mm: float) -> Tubes:
    """Outer wall of trachea, main bronchi and a few generations of bronchi in each lung."""
    z, h = marks.carina_z, marks.height
    y = marks.before_spine
    fork = np.array([1.0, y(z, 16), z], dtype=np.float32)
    trachea = polyline(np.array([[0, y(h, 18), 1.2 * h], [0, y(0.85 * h, 15), 0.85 * h], [1, y(z, 16), z + 3]]), 8.5)
    parts = [trachea]
    for side, radius in ((-1, 7.0), (1, 6.2)):
        hilum = marks.hilum(side) + np.array([-side * 4, -7, -4], dtype=np.float32)
        main = polyline(np.stack([fork, (fork + hilum) / 2 + [0, 0, 1], hilum]), [7.5, radius, radius - 1.5])
        points = targets[side]
        pick = points[np.linspace(0, len(points) - 1, _AIRWAYS).astype(int)]
        parts += [main, branching(hilum, hilum + (pick - hilum) * 0.6, 2.0, np.random.default_rng(0))]
    lumen = join(parts)
    return Tubes(lumen.start, lumen.end, lumen.r_start + np.float32(wall_mm), lumen.r_end + np.float32(wall_mm))


def lung_targets(grid: Grid, organs: Organs, rng: np.random.Generator, side: int, count: int) -> Array:
    """`(count, 3)` patient points spread evenly through one lung, some mm off its surface."""
    x, y = grid.coarse_xy
    nodes = np.flatnonzero((organs.lung < -5) & ((x > 0) == (side > 0)))
    if not len(nodes):
        return np.zeros((0, 3), dtype=np.float32)
    # One draw in each of `count` equal runs of the nodes: even over z without clumps.
    chosen = nodes[((np.arange(count) + rng.random(count)) / count * len(nodes)).astype(np.int64)]
    k, inplane = np.divmod(chosen, x.size)
    jitter = rng.uniform(-COARSE_MM / 2, COARSE_MM / 2, (count, 3))
    points = np.stack([x.reshape(-1)[inplane], y.reshape(-1)[inplane], grid.z_mm[k]], axis=1)
    return (points + jitter).astype(np.float32)


def branching(root: Array, leaves: Array, twig_mm: float, rng: np.random.Generator) -> Tubes:
    """A tree from `root` to a power of two of `leaves`: each branching halves the leaves it serves.

    The radius follows from the number of leaves served, so branches thin out towards the pleura.
    """
    groups = leaves[None].astype(np.float32)
    nodes = np.asarray(root, dtype=np.float32)[None]
    parts = []
    radius = twig_mm * len(leaves) ** (1 / _MURRAY)
    while True:
        served = groups.shape[1]
        middle = groups.mean(axis=1)
        ahead = nodes + (middle - nodes) * (1.0 if served == 1 else 0.42)
        length = np.linalg.norm(ahead - nodes, axis=1, keepdims=True)
        if served > 1:
            ahead = ahead + rng.normal(0, 0.1, ahead.shape).astype(np.float32) * length
        bow = (nodes + ahead) / 2 + rng.normal(0, 0.06, ahead.shape).astype(np.float32) * length
        r = twig_mm * served ** (1 / _MURRAY)
        start, middle_r, tip = min(radius, 1.4 * r), min((radius + r) / 2, 1.2 * r), r * (0.5 if served == 1 else 1)
        radii = [np.full(len(nodes), value, np.float32) for value in (start, middle_r, tip)]
        parts += [Tubes(nodes, bow, radii[0], radii[1]), Tubes(bow, ahead, radii[1], radii[2])]
        if served == 1:
            return join(parts)
        axis = np.ptp(groups, axis=1).argmax(axis=1)
        order = np.take_along_axis(groups, axis[:, None, None], axis=2)[..., 0].argsort(axis=1, kind="stable")
        groups = np.take_along_axis(groups, order[..., None], axis=1).reshape(-1, served // 2, 3)
        nodes, radius = np.repeat(ahead, 2, axis=0), r


def lung_vessels(
    grid: Grid, organs: Organs, patient: Patient, marks: Landmarks, rng: np.random.Generator
) -> tuple[Tubes, dict[int, Array]]:
    """Arterial and venous trees of both lungs, and the points they serve on each side."""
    parts, served = [], {}
    for side in (-1, 1):
        for offset, twig in (((0, 0, 0), 0.78), ((-side * 6, 10, -14), 0.72)):
            targets = lung_targets(grid, organs, rng, side, _LEAVES)
            if len(targets):
                root = marks.hilum(side) + np.array(offset, dtype=np.float32)
                parts.append(branching(root, targets, twig * patient.vessel_size, rng))
                served[side] = targets
    return join(parts), served
