"""Findings that are no pneumonia; they occur with the same probability in both classes."""

from dataclasses import dataclass

import numpy as np

from ctexp.datasets.phantom.grid import Array, Grid
from ctexp.datasets.phantom.organs import Organs
from ctexp.datasets.phantom.patient import Patient
from ctexp.datasets.phantom.settings import Difficulty
from ctexp.datasets.phantom.texture import smooth_noise
from ctexp.datasets.phantom.tubes import Tubes, polyline


@dataclass(frozen=True)
class Confounders:
    """Strength of each finding; 0 is absent.

    Attributes:
        atelectasis_hu: Rise in a smooth band along the dependent pleura.
        atelectasis_mm: Thickness of the band.
        emphysema_hu: Fall in patches, mostly above.
        mosaic_hu: Amplitude of broad patches of uneven aeration.
        nodules: Number of small nodules.
        calcified: Whether the nodules are granulomas.
        scar: Whether the apices are scarred.
        plates: Number of plate atelectases at the bases.
        breathing: Share of a second contour from breathing.
        beating_mm: Shift of a second contour of the heart.
    """

    atelectasis_hu: float
    atelectasis_mm: float
    emphysema_hu: float
    mosaic_hu: float
    nodules: int
    calcified: bool
    scar: bool
    plates: int
    breathing: float
    beating_mm: float


def draw_confounders(rng: np.random.Generator, difficulty: Difficulty) -> Confounders:
    """Findings of one patient, whatever the class."""
    more = 1.4 if difficulty == "hard" else 1.0
    has = dict(
        zip(
            ("atelectasis", "emphysema", "nodules", "scar", "plates", "breathing", "beating"),
            rng.random(7) / more,
            strict=True,
        )
    )
    draws = rng.random(7)
    return Confounders(
        atelectasis_hu=(120 + 230 * draws[0]) if has["atelectasis"] < 0.45 else 0.0,
        atelectasis_mm=6 + 9 * draws[1] * more,
        emphysema_hu=(35 + 65 * draws[2]) if has["emphysema"] < 0.2 else 0.0,
        mosaic_hu=(6 + 10 * draws[3]) * (2.2 if difficulty == "hard" else 1.0),
        nodules=1 + int(3 * draws[4]) if has["nodules"] < 0.4 else 0,
        calcified=bool(draws[4] * 3 % 1 < 0.4),
        scar=bool(has["scar"] < 0.2),
        plates=1 + int(2 * draws[5]) if has["plates"] < 0.2 else 0,
        breathing=0.2 + 0.25 * draws[6] if has["breathing"] < 0.3 else 0.0,
        beating_mm=2.5 + 4 * draws[6] if has["beating"] < 0.5 else 0.0,
    )


def add_to_parenchyma(
    found: Confounders, patient: Patient, grid: Grid, organs: Organs, parenchyma: Array, rng: np.random.Generator
) -> None:
    """Change `parenchyma` (HU, coarse) in place by the diffuse findings."""
    parenchyma += np.float32(found.mosaic_hu) * smooth_noise(rng, grid, 34.0)
    s = grid.z_mm[:, None, None] / np.float32(patient.lung_height)
    if found.atelectasis_hu:
        # Dependent lung collapses evenly: the band follows the back wall and fades within some mm.
        band = np.clip(1 + (organs.cage + 2) / np.float32(found.atelectasis_mm), 0, 1)
        band *= np.clip((organs.depth - 0.62) / 0.12, 0, 1) * np.clip((0.85 - s) / 0.35, 0.15, 1)
        parenchyma += np.float32(found.atelectasis_hu) * band
    if found.emphysema_hu:
        holes = np.clip(smooth_noise(rng, grid, 15.0) + (s - 0.5) * np.float32(1.5) - np.float32(0.4), 0, 1)
        parenchyma -= np.float32(found.emphysema_hu) * holes
    if found.scar:
        cap = np.clip((s - 0.86) / 0.06, 0, 1) * np.clip(1 + (organs.cage + 3) / 12, 0, 1)
        parenchyma += cap * (180 + 140 * smooth_noise(rng, grid, 12.0))
    np.clip(parenchyma, -990, 60, out=parenchyma)


def small_findings(
    found: Confounders, targets: dict[int, Array], patient: Patient, rng: np.random.Generator
) -> tuple[Tubes | None, Tubes | None]:
    """Soft and calcified nodules, scar strands and plate atelectases as tubes."""
    soft: list[tuple[Array, Array, float]] = []
    hard: list[tuple[Array, Array, float]] = []
    sides = sorted(targets)
    for _ in range(found.nodules):
        points = targets[sides[int(rng.integers(len(sides)))]]
        spot, radius = points[int(rng.integers(len(points)))], float(rng.uniform(2, 5))
        (hard if found.calcified else soft).append(
            (spot, spot + np.float32(0.8), radius * (0.75 if found.calcified else 1))
        )
    for n in range(found.plates):
        points = targets[sides[n % len(sides)]]
        low = points[points[:, 2] < 0.4 * patient.lung_height]
        if len(low):
            spot, turn, half = low[int(rng.integers(len(low)))], rng.uniform(-0.6, 0.6), rng.uniform(12, 26)
            way = np.array([np.cos(turn), np.sin(turn), rng.uniform(-0.1, 0.1)], dtype=np.float32) * np.float32(half)
            soft.append((spot - way, spot + way, 1.8))
    return _tubes(soft), _tubes(hard)


def _tubes(items: list[tuple[Array, Array, float]]) -> Tubes | None:
    if not items:
        return None
    parts = [polyline(np.stack([a, b]), r) for a, b, r in items]
    fields = ("start", "end", "r_start", "r_end")
    return Tubes(*(np.concatenate([getattr(p, f) for p in parts]) for f in fields))


def breathe(volume: Array, grid: Grid, patient: Patient, share: float) -> None:
    """Blend each slice in place with the next higher one, most at the bases: the diaphragm moved during the scan."""
    s = grid.z_mm / patient.lung_height
    weight = share * np.clip((0.75 - s) / 0.5, 0, 1)
    for k in range(grid.slices - 1):
        if weight[k] > 0:
            volume[k] += np.float32(weight[k]) * (volume[k + 1] - volume[k])
