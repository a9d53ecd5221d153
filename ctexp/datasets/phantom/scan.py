"""Putting one scan together: draw the patient, paint organs from outside inwards, then scan it."""

import numpy as np
from numpy.typing import NDArray

from ctexp.datasets.phantom.acquisition import draw_acquisition, scan_volume
from ctexp.datasets.phantom.confounders import (
    Confounders,
    add_to_parenchyma,
    breathe,
    draw_confounders,
    small_findings,
)
from ctexp.datasets.phantom.grid import SLICE_MM, Array, Grid
from ctexp.datasets.phantom.lesions import add_lesions, draw_plan
from ctexp.datasets.phantom.organs import Organs, make_organs
from ctexp.datasets.phantom.patient import Patient, draw_patient, make_grid
from ctexp.datasets.phantom.settings import PhantomScan, PhantomSettings, label_of, stream
from ctexp.datasets.phantom.skeleton import axial_skeleton, posterior_elements, ribs, shoulder_girdle
from ctexp.datasets.phantom.texture import smooth_noise
from ctexp.datasets.phantom.tubes import Tubes, draw, join
from ctexp.datasets.phantom.vessels import Landmarks, airways, great_vessels, lung_vessels
from ctexp.errors import ConfigError

AIR, FAT, MUSCLE, BLOOD = -1000.0, -103.0, 52.0, 41.0


def make_scan(index: int, settings: PhantomSettings) -> PhantomScan:
    """Scan `index` of the collection; it depends on seed, index, size and difficulty only.

    Args:
        index: 0 to `settings.scans - 1`; even indices are normal, odd ones abnormal.
        settings: The collection.

    Raises:
        ConfigError: The index is outside the collection.
    """
    if not 0 <= index < settings.scans:
        raise ConfigError(f"index: must be between 0 and {settings.scans - 1}, got {index}")
    rng = stream(settings, index, "anatomy")
    patient = draw_patient(rng)
    grid = make_grid(patient, settings.size)
    organs = make_organs(patient, grid)
    label = label_of(index)

    chance = stream(settings, index, "confounders")
    found = draw_confounders(chance, settings.difficulty)
    gravity = patient.gravity_hu * (organs.depth - np.float32(0.5))
    parenchyma = (np.float32(patient.lung_hu) + gravity).astype(np.float32)
    add_to_parenchyma(found, patient, grid, organs, parenchyma, chance)
    lesion: Array | None = None
    if label:
        ill = stream(settings, index, "lesions")
        lesion = add_lesions(patient, grid, organs, parenchyma, draw_plan(ill, settings.difficulty), ill)

    volume = _paint_soft(patient, grid, organs, parenchyma, found, rng)
    _paint_tubes(volume, patient, grid, organs, found, stream(settings, index, "vessels"), chance)
    _paint_bones(volume, patient, grid)
    if found.breathing:
        breathe(volume, grid, patient, found.breathing)
    mask = _stored_mask(grid, lesion, volume)
    scanner = draw_acquisition(stream(settings, index, "acquisition"), patient)
    stored = scan_volume(volume, grid, patient, scanner, stream(settings, index, "noise"))
    return PhantomScan(stored.transpose(2, 1, 0), _affine(grid), mask.transpose(2, 1, 0), label)


def _stored_mask(grid: Grid, lesion: Array | None, volume: Array) -> NDArray[np.bool_]:
    """Lesion mask `(z, y, x)` on the stored grid; bone at the edge of a lesion is not part of it."""
    mask = np.zeros(volume.shape, dtype=bool)
    if lesion is not None:
        for k in range(grid.slices):
            box = grid.box(lesion[k] > 0)
            if box is not None:
                mask[k][box] = (grid.upsample(lesion[k], *box) > 0) & (volume[k][box] < 80)
    return mask


def _affine(grid: Grid) -> NDArray[np.float64]:
    """Voxel to RAS+ mm of the LAS array; x falls along the first axis, since RAS+ counts to the right."""
    pixel = grid.pixel_mm
    edge = grid.fov_mm / 2 - pixel / 2
    affine = np.diag([-pixel, pixel, SLICE_MM, 1.0])
    affine[:3, 3] = edge, -edge, float(grid.z_mm[0]) - 1000.0  # table heights are counted from far above
    return affine


def _paint_soft(
    patient: Patient, grid: Grid, organs: Organs, parenchyma: Array, found: Confounders, rng: np.random.Generator
) -> Array:
    """Air, table, body wall, abdomen, lungs and heart."""
    volume = np.full((grid.slices, grid.size, grid.size), AIR, dtype=np.float32)
    field = grid.coverage_field
    y = grid.coarse_xy[1][None]
    _paint_table(volume, patient, grid)
    skin = field(organs.skin)
    grid.paint(volume, skin, 15.0)
    strands = smooth_noise(rng, grid, 13.0, 30.0)
    grid.paint(volume, field(organs.skin + 2), FAT + 13 * np.clip(strands - 0.5, 0, 2))
    grid.paint(volume, field(organs.muscle), _flesh(patient, grid, organs, strands, rng))
    # Loops of bowel fill what the organs leave of the upper abdomen.
    loops = np.clip((smooth_noise(rng, grid, 30.0) - 0.1) / 0.25, 0, 1) * np.clip((-organs.dome - 62) / 14, 0, 1)
    loops *= np.clip((-organs.cage - 8) / 4, 0, 1)
    grid.paint(volume, field(organs.cage + 2), FAT + 8 + 128 * loops)
    grid.paint(volume, field(organs.liver), float(rng.uniform(48, 66)))
    grid.paint(volume, field(organs.spleen), float(rng.uniform(42, 54)))
    grid.paint(volume, field(organs.stomach), 45.0)
    # The patient lies on the back, so gas stands over fluid with a level line.
    level = patient.centre(0.1) + rng.uniform(0, 40)
    grid.paint(volume, field(np.maximum(organs.stomach + 4, level - y - 0 * organs.stomach)), -960.0)
    grid.paint(volume, field(organs.lung), parenchyma)
    grid.paint(volume, field(organs.heart - 4), FAT + 12)
    heart = field(organs.heart)
    if found.beating_mm:
        grid.paint(volume, field(organs.heart - np.float32(found.beating_mm)), 36.0, opacity=0.45)
    grid.paint(volume, heart, 39.0)
    return volume


def _flesh(patient: Patient, grid: Grid, organs: Organs, strands: Array, rng: np.random.Generator) -> Array:
    """HU of the muscle layer on the coarse grid: muscles with planes of fat between them, and the armpits."""
    s = grid.z_mm[:, None, None] / np.float32(patient.lung_height)
    x, y = (a[None] for a in grid.coarse_xy)
    groups = smooth_noise(rng, grid, 38.0, 60.0)
    # Two sheets lie round the cage; where a slow noise crosses zero, one muscle ends and the next begins.
    sheet = np.clip(1.3 - np.abs(organs.cage - 14 - 2 * strands) / 2.6, 0, 1)
    sheet = np.maximum(sheet, np.clip(1.3 - np.abs(organs.cage - 30 - 5 * groups) / 2.4, 0, 1))
    seam = np.clip(1.2 - np.abs(groups) / 0.1, 0, 1) * np.clip(0.65 + 0.3 * strands, 0, 1)
    fat = np.maximum(sheet * np.clip(0.75 + 0.5 * strands, 0, 1), seam)
    fat *= np.clip((organs.cage - 9) / 4, 0, 1)
    pit = (np.abs(x) - patient.half_width(s) - 36) / 20, (y - patient.centre(s) - 6) / 36, (s - 0.84) / 0.17
    fat = np.maximum(fat, np.clip(2.2 * (1 - pit[0] ** 2 - pit[1] ** 2 - pit[2] ** 2), 0, 1))
    share = 0.6 + 0.4 * min(patient.fat / 20, 1.0)  # lean patients have thin planes of fat
    return np.asarray(MUSCLE - np.float32(155 * share) * fat + 5 * strands, dtype=np.float32)


def _paint_table(volume: Array, patient: Patient, grid: Grid) -> None:
    """The couch: a curved shell of carbon fibre filled with foam, at rest while the patient is rolled on it."""
    _, _, back = patient.muscle_axes(np.array([0.4], dtype=np.float32))
    top = float(back[0]) - patient.fat * 0.8 - 4 - patient.table_gap + grid.shift_mm[1]
    x, y = np.meshgrid(grid.fine_mm, grid.fine_mm)
    sag = top + x * x / 1100.0
    below = np.clip((sag - y) / np.float32(grid.edge_mm) + 0.5, 0, 1)
    inner = np.clip((sag - 2.5 - y) / np.float32(grid.edge_mm) + 0.5, 0, 1)
    floor = np.clip((y - top + 30 - x * x / 2600.0) / np.float32(grid.edge_mm) + 0.5, 0, 1)
    inner *= np.clip((y - top + 27.5 - x * x / 2600.0) / np.float32(grid.edge_mm) + 0.5, 0, 1)
    ends = np.clip((205 - np.abs(x)) / 2, 0, 1)
    volume += (below * floor * ends * 560 - inner * ends * 520).astype(np.float32)[None]


def _blend(volume: Array, grid: Grid, tubes: Tubes, layers: dict[float, float], flatten: float = 1.0) -> None:
    """Draw tubes in layers: HU `layers[rim]` where a point lies at least `rim` mm inside a tube."""
    box, covers = draw(grid, tubes, tuple(layers), flatten)
    part = volume[box]
    for cover, value in zip(covers, layers.values(), strict=True):
        for k in range(len(part)):  # slice by slice, while it is in cache
            part[k] += cover[k] * (np.float32(value) - part[k])


def _paint_tubes(
    volume: Array,
    patient: Patient,
    grid: Grid,
    organs: Organs,
    found: Confounders,
    rng: np.random.Generator,
    chance: np.random.Generator,
) -> None:
    """Vessels, airways, nodules."""
    marks = Landmarks(patient)
    trees, targets = lung_vessels(grid, organs, patient, marks, rng)
    soft, calcified = small_findings(found, targets, patient, chance)
    blood: list[Tubes] = [great_vessels(patient, marks), trees, *([soft] if soft else [])]
    _blend(volume, grid, join(blood), {0.0: BLOOD})
    _blend(volume, grid, airways(marks, targets, wall_mm=1.3), {0.0: 20.0, 1.3: -985.0})
    if calcified:
        _blend(volume, grid, calcified, {0.0: 600.0})


def _paint_bones(volume: Array, patient: Patient, grid: Grid) -> None:
    """Cartilage first, then each bone as a dense rim around marrow."""
    bony, cartilage = ribs(patient)
    dense = patient.bone
    _blend(volume, grid, cartilage, {0.0: 110.0}, flatten=0.7)
    _blend(volume, grid, bony, {0.0: 580.0 * dense, 1.7: 190.0 * dense}, flatten=0.6)
    axial = axial_skeleton(patient, grid)
    field = grid.coverage_field
    grid.paint(volume, field(axial.body), axial.rim_hu)
    grid.paint(volume, field(axial.body + 1.8), axial.marrow_hu)
    outer = join([posterior_elements(patient), shoulder_girdle(patient)])
    _blend(volume, grid, outer, {0.0: 520.0 * dense, 2.2: 170.0 * dense})
    grid.paint(volume, field(axial.canal), 28.0)
    grid.paint(volume, field(axial.sternum), 420.0 * patient.bone)
    grid.paint(volume, field(axial.sternum + 2), 130.0 * patient.bone)
