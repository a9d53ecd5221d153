"""Doubts about a scan."""

import numpy as np
import pytest

from ctexp.scans import Volume
from ctexp.scans.quality import assess


def chest(shape: tuple[int, int, int] = (40, 40, 30), spacing_mm: float = 9.0) -> Volume:
    """A block of tissue with a block of lung in it, in air."""
    x, y, z = shape
    hu = np.full(shape, -1000, dtype=np.int16)
    hu[x // 8 : -x // 8, y // 8 : -y // 8] = 40
    hu[x // 4 : -x // 4, y // 4 : -y // 4, z // 4 : -z // 4] = -850
    return Volume(hu, 1.0, 0.0, np.diag([spacing_mm] * 3 + [1.0]))


def stored_as(volume: Volume, stored: np.ndarray) -> Volume:
    """The same geometry with other numbers."""
    return Volume(stored, 1.0, 0.0, volume.affine)


def test_chest_raises_no_doubt() -> None:
    """Lung and tissue in a plausible field are fine."""
    quality = assess(chest())
    assert quality.verdict == "ok"
    assert quality.findings == ()


@pytest.mark.parametrize(
    ("volume", "finding"),
    [
        (stored_as(chest(), np.zeros((40, 40, 30))), "all voxels must not be equal, all are 0 HU"),
        (stored_as(chest(), np.arange(48000).reshape(40, 40, 30) % 256), "lung"),
        (stored_as(chest(), np.linspace(-900, -700, 48000).reshape(40, 40, 30)), "soft tissue"),
        (chest((40, 40, 9), 20.0), "at least 10 slices, it has 9"),
        (chest(spacing_mm=2.0), "width should be 150 to 700 mm, it is 80 mm"),
        (chest(spacing_mm=30.0), "height should be 150 to 700 mm, it is 900 mm"),
    ],
)
def test_each_doubt_is_named(volume: Volume, finding: str) -> None:
    """Uniform, MR-like, lung only, a slab, too small and too large fields each warn with their value."""
    quality = assess(volume)
    assert quality.verdict == "warn"
    assert any(finding in text for text in quality.findings)


def test_sampling_does_not_change_the_verdict() -> None:
    """A fine grid, of which only some voxels are looked at, is judged like a coarse one."""
    assert assess(chest((200, 200, 150), 1.8)) == assess(chest())
