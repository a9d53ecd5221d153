"""What a phantom collection is: its settings, one scan of it, and the random streams of a scan."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ctexp.errors import ConfigError

Difficulty = Literal["standard", "hard"]
DIFFICULTIES: tuple[Difficulty, ...] = ("standard", "hard")

# One stream per theme, so that a change in what one theme draws leaves the others as they were,
# and so that the two classes draw anatomy and confounders in exactly the same way.
STREAMS = ("anatomy", "vessels", "lesions", "confounders", "acquisition", "noise")


@dataclass(frozen=True)
class PhantomSettings:
    """Settings of a phantom collection.

    Attributes:
        scans: Number of scans, even: half of them normal, half abnormal.
        size: Voxels along each in-plane axis; the field of view does not depend on it.
        seed: Seed of the whole collection.
        difficulty: `standard` (6 to 40 % of the lung) or `hard` (1.5 to 9 %, faint).
        masks: Whether lesion masks are written beside the scans.
    """

    scans: int = 200
    size: int = 512
    seed: int = 0
    difficulty: Difficulty = "standard"
    masks: bool = True

    def __post_init__(self) -> None:
        for name, low in (("scans", 2), ("size", 32), ("seed", 0)):
            value = getattr(self, name)
            kind = "an even number" if name == "scans" else "a whole number"
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole or value < low or (name == "scans" and value % 2):
                raise ConfigError(f"{name}: must be {kind} >= {low}, got {value!r}")
        if self.difficulty not in DIFFICULTIES:
            raise ConfigError(f"difficulty: must be one of {', '.join(DIFFICULTIES)}, got {self.difficulty!r}")
        if not isinstance(self.masks, bool):
            raise ConfigError(f"masks: must be true or false, got {self.masks!r}")


@dataclass(frozen=True)
class PhantomScan:
    """One synthetic scan in stored order.

    Attributes:
        hu: int16 `(x, y, z)` in HU; x runs to the patient's left, y to the front, z to the head (LAS).
        affine: float64 `(4, 4)`, voxel index to RAS+ millimetres.
        mask: bool `(x, y, z)`, True where a lesion is; empty for a normal scan.
        label: 0 normal, 1 abnormal.
    """

    hu: NDArray[np.int16]
    affine: NDArray[np.float64]
    mask: NDArray[np.bool_]
    label: int


def label_of(index: int) -> int:
    """Class of scan `index`: even indices are normal (0), odd ones abnormal (1)."""
    return index % 2


def stream(settings: PhantomSettings, index: int, theme: str) -> np.random.Generator:
    """Random stream of one theme of one scan; it depends on seed, index and theme alone."""
    return np.random.default_rng([settings.seed, index, STREAMS.index(theme)])
