"""First doubts about a scan: is this HU, and is there enough of it to be a chest?

These are doubts, not a gate: a scan with findings is answered with `warn` beside the answer.
"""

from dataclasses import dataclass
from typing import Literal

from ctexp.scans.volume import Volume

LUNG_HU = (-950.0, -600.0)
TISSUE_HU = (-150.0, 250.0)
MIN_SLICES = 10
EXTENT_MM = (150.0, 700.0)


@dataclass(frozen=True)
class Quality:
    """What was noticed. `ok` when nothing was, else `warn`."""

    verdict: Literal["ok", "warn"]
    findings: tuple[str, ...] = ()


def assess(volume: Volume) -> Quality:
    """Look for reasons to doubt that a volume is a chest CT in HU, on about every fourth voxel of each axis.

    The limits are wide: a chest CT of a child or with little air passes; an MR, a mask, a picture of 0..255 or a
    single slab does not.
    """
    x, y, z = (max(1, n // 64) for n in volume.shape)
    hu = volume.to_hu(volume.stored[::x, ::y, ::z])
    findings = []
    if float(hu.max()) == float(hu.min()):
        findings.append(f"all voxels must not be equal, all are {hu.max():g} HU")
    else:
        lung = float(((hu > LUNG_HU[0]) & (hu < LUNG_HU[1])).mean())
        tissue = float(((hu > TISSUE_HU[0]) & (hu < TISSUE_HU[1])).mean())
        if lung < 0.01:
            findings.append(f"lung (-950..-600 HU) should fill at least 1 % of the volume, it fills {lung:.1%}")
        if tissue < 0.05:
            findings.append(f"soft tissue (-150..250 HU) should fill at least 5 % of the volume, it fills {tissue:.1%}")
    if volume.shape[2] < MIN_SLICES:
        findings.append(f"a chest should have at least {MIN_SLICES} slices, it has {volume.shape[2]}")
    for name, count, mm in zip(("width", "depth", "height"), volume.shape, volume.spacing_mm, strict=True):
        if not EXTENT_MM[0] <= count * mm <= EXTENT_MM[1]:
            findings.append(f"the field's {name} should be 150 to 700 mm, it is {count * mm:.0f} mm")
    return Quality("warn" if findings else "ok", tuple(findings))
