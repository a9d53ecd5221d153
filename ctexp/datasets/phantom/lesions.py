"""Viral pneumonia: ground glass and consolidation, peripheral, posterior, mostly in the lower lobes, on both sides."""

from dataclasses import dataclass

import numpy as np

from ctexp.datasets.phantom.grid import Array, Grid
from ctexp.datasets.phantom.organs import Organs
from ctexp.datasets.phantom.patient import Patient
from ctexp.datasets.phantom.settings import Difficulty
from ctexp.datasets.phantom.texture import smooth_noise


@dataclass(frozen=True)
class LesionPlan:
    """How ill a patient is.

    Attributes:
        extent: Share of the lungs that the lesions take.
        contrast_hu: Rise of ground glass over the parenchyma.
        patches: Number of seeds.
        ragged: Weight of noise against the round seeds.
        core: Share of a lesion's depth at which consolidation begins; over 1 is none.
        paving: Strength of a crazy-paving net, 0 to 1.
    """

    extent: float
    contrast_hu: float
    patches: int
    ragged: float
    core: float
    paving: float


def draw_plan(rng: np.random.Generator, difficulty: Difficulty) -> LesionPlan:
    """Extent, contrast and form for one patient."""
    if difficulty == "hard":
        extent, contrast = 0.015 + 0.075 * rng.beta(1.3, 1.8), rng.uniform(80, 200)
    else:
        extent, contrast = 0.06 + 0.34 * rng.beta(1.1, 2.0), rng.uniform(150, 400)
    patches = int(rng.integers(6, 13)) if difficulty == "standard" else int(rng.integers(4, 10))
    core = float(rng.uniform(0.45, 0.8)) if rng.random() < (0.5 if difficulty == "standard" else 0.12) else 2.0
    paving = float(rng.uniform(0.4, 1.0)) if rng.random() < 0.25 else 0.0
    return LesionPlan(float(extent), float(contrast), patches, float(rng.uniform(0.25, 0.5)), core, paving)


def add_lesions(
    patient: Patient, grid: Grid, organs: Organs, parenchyma: Array, plan: LesionPlan, rng: np.random.Generator
) -> Array:
    """Raise `parenchyma` (HU, coarse, changed in place) where lesions are.

    Returns:
        `(z, y, x)` field on the coarse grid, positive inside a lesion.
    """
    lung = organs.lung < 0
    seeds = _seeds(patient, grid, organs, plan.patches, rng)
    x, y = grid.coarse_xy
    field = np.full(parenchyma.shape, -3, dtype=np.float32)
    spread = (plan.extent * 4.0 / plan.patches) ** (1 / 3)
    for seed in seeds:
        # Patches lie along the chest wall: wider along it and along z than deep.
        size = rng.uniform(0.6, 1.5, 3) * (95, 70, 95) * spread
        strength = rng.uniform(0.75, 1.1)
        far = ((x - seed[0]) / size[0]) ** 2 + ((y - seed[1]) / size[1]) ** 2
        for k in np.flatnonzero(np.abs(grid.z_mm - seed[2]) < 2.4 * size[2]):
            blob = strength - 0.55 * (far + ((grid.z_mm[k] - seed[2]) / size[2]) ** 2)
            np.maximum(field[k], blob, out=field[k])
    field += np.float32(plan.ragged) * smooth_noise(rng, grid, 22.0)
    field += np.float32(0.4 * plan.ragged) * smooth_noise(rng, grid, 10.0, 14.0)
    # Central lung is spared.
    field -= np.clip(-organs.cage - 22, 0, 60) * np.float32(0.011)
    level = np.quantile(field[lung], 1 - plan.extent)
    field -= level
    top = max(float(np.quantile(field[lung], 1 - plan.extent * 0.03)), 0.05)
    rise = np.clip(field / np.float32(0.22) + np.float32(0.5), 0, 1)
    grain = 1 + np.float32(0.16) * smooth_noise(rng, grid, 9.0, 12.0)
    glass = np.float32(plan.contrast_hu) * grain
    if plan.paving:
        net = np.abs(smooth_noise(rng, grid, 11.0, 16.0))
        glass += np.float32(130 * plan.paving) * np.clip(1 - net / np.float32(0.35), 0, 1)
    solid = np.clip((field / np.float32(top) - np.float32(plan.core)) / np.float32(0.18), 0, 1)
    hu = np.minimum(parenchyma + rise * glass, 0)
    parenchyma[...] = hu + solid * (np.float32(15) - hu)
    return np.where(lung, field, np.minimum(field, -0.01)).astype(np.float32)


def _seeds(patient: Patient, grid: Grid, organs: Organs, count: int, rng: np.random.Generator) -> Array:
    """`(count, 3)` subpleural patient points: alternately right and left, mostly behind and below."""
    x, y = grid.coarse_xy
    rim = (organs.lung < 0) & ((organs.cage > -16) | (organs.dome < 14))
    nodes = np.flatnonzero(rim)
    k, inplane = np.divmod(nodes, x.size)
    s = grid.z_mm[k] / patient.lung_height
    weight = 0.12 + organs.depth.reshape(-1)[nodes] ** 2 * np.exp(-(((s - 0.28) / 0.3) ** 2))
    left = x.reshape(-1)[inplane] > 0
    first = bool(rng.random() < 0.5)
    seeds = []
    for n in range(count):
        p = np.where(left == (first ^ bool(n % 2)), weight, 0).astype(np.float64)
        p /= p.sum()
        at = int(np.searchsorted(np.cumsum(p), rng.random()))
        at = min(at, len(nodes) - 1)
        seeds.append([x.reshape(-1)[inplane[at]], y.reshape(-1)[inplane[at]], grid.z_mm[k[at]]])
    return np.array(seeds, dtype=np.float32)
