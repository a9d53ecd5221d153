"""The gate: a chest CT in HU passes, whatever else is refused or warned of for its own reason."""

import time
from collections.abc import Callable

import numpy as np
import pytest

from ctexp.datasets.phantom import PhantomSettings, make_scan
from ctexp.scans import Volume
from ctexp.scans.quality import Examination, Finding, Quality, assess, examine

pytestmark = pytest.mark.slow  # whole chests are drawn and judged

Array = np.ndarray


def volume(hu: Array, spacing_mm: tuple[float, ...]) -> Volume:
    """Numbers on a grid in RAS+."""
    return Volume(hu, 1.0, 0.0, np.diag([*spacing_mm, 1.0]))


def drawn(index: int = 1, size: int = 64, **settings: object) -> Volume:
    """A synthetic chest in RAS+."""
    scan = make_scan(index, PhantomSettings(scans=40, size=size, seed=9, **settings))  # type: ignore[arg-type]
    return volume(scan.hu[::-1].astype(np.float32), tuple(np.abs(np.diag(scan.affine))[:3]))


@pytest.fixture(scope="module")
def chest() -> Volume:
    """One chest that passes, padded outside its field of view."""
    return drawn()


def head() -> Volume:
    """A skull with a brain and small sinuses, on a neck."""
    x, y, z = np.meshgrid(np.linspace(-115, 115, 64), np.linspace(-115, 115, 64), np.arange(-60, 140, 5), indexing="ij")
    radius = np.sqrt((x / 75) ** 2 + (y / 95) ** 2 + ((z - 40) / 90) ** 2)
    hu = np.full(x.shape, -1000.0)
    hu[((x / 60) ** 2 + (y / 60) ** 2 < 1) & (z < 0)] = 45
    hu[radius < 1.1], hu[radius < 1.02], hu[radius < 0.94] = 20, 900, 35
    hu[(x / 14) ** 2 + ((y - 60) / 12) ** 2 + ((z - 10) / 18) ** 2 < 1] = -950
    return volume(hu + np.random.default_rng(0).normal(0, 8, hu.shape), (3.6, 3.6, 5.0))


def codes(quality: Quality, level: str) -> set[str]:
    """The codes of one level."""
    return {one.code for one in quality.findings if one.level == level}


@pytest.mark.parametrize("difficulty", ["standard", "hard"])
@pytest.mark.parametrize("size", [48, 160])
def test_synthetic_chests_pass(difficulty: str, size: int) -> None:
    """Normal and ill, coarse and fine: nothing is found."""
    for index in range(2):
        assert assess(drawn(index, size, difficulty=difficulty)) == Quality()


def mr_like(hu: Array) -> Array:
    """Bright fat, dark lung and bone, positive noise."""
    grey = np.interp(hu, [-1024, -700, -120, 40, 200, 1000], [0, 20, 700, 400, 300, 10])
    return np.abs(grey + np.random.default_rng(0).normal(0, 15, hu.shape))


def padded_as_air(hu: Array) -> Array:
    """Without numbers below -1024."""
    return np.maximum(hu, -1024)


NUMBERS: dict[str, tuple[Callable[[Array], Array], str, str]] = {
    "constant": (lambda hu: np.zeros_like(hu), "constant", "all are 0"),
    "mask": (lambda hu: (hu < -500).astype(np.uint8), "mask", "this has 2 from 0 to 1"),
    "labels": (lambda hu: np.digitize(hu, [-900, -500, 0, 100]), "mask", "this has 5 from 0 to 4"),
    "8 bit": (lambda hu: (np.clip((hu + 1350) / 1500, 0, 1) * 255).astype(np.uint8), "eight-bit", "to 255"),
    "0..1": (lambda hu: np.clip((hu + 1000) / 1400, 0, 1), "normalised", "from 0 to 0."),
    "0..4095": (lambda hu: np.clip(padded_as_air(hu) + 1024, 0, 4095), "offset", "intercept of -1024 is missing"),
    "0..4095, padded": (lambda hu: np.where(hu < -1024, -2000, hu + 1024), "offset", "intercept of -1024 is missing"),
    "twice": (lambda hu: padded_as_air(hu) - 1024, "offset", "applied twice"),
    "soft window": (lambda hu: np.clip(hu, -160, 240), "windowed", "the lowest is -160 HU"),
    "MR": (mr_like, "not-hu", "from 0 to"),
    "beyond": (lambda hu: hu * 100 + 50, "not-hu", "the largest is"),
    "NaN": (lambda hu: np.where(hu == hu.max(), hu, np.nan), "not-finite", "NaN"),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_numbers_that_are_no_hu_are_refused(chest: Volume, case: str) -> None:
    """The same chest in other numbers is refused for exactly that, with the numbers that were found."""
    change, code, words = NUMBERS[case]
    quality = assess(volume(change(chest.stored), chest.spacing_mm))
    assert quality.verdict == "refuse"
    assert codes(quality, "refuse") == {code}
    assert words in quality.reasons


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (-1024, 3071, set()),
        (-1000, 150, {"clipped-high", "no-bone"}),
        (-900, 3071, {"clipped-low"}),
    ],
)
def test_clipping_is_warned_of(chest: Volume, low: float, high: float, found: set[str]) -> None:
    """A lung window leaves a readable scan; full range is no clipping."""
    quality = assess(volume(np.clip(chest.stored, low, high), chest.spacing_mm))
    assert codes(quality, "warn") == found
    assert codes(quality, "refuse") == set()


PIECES: dict[str, tuple[Callable[[Array], Array], str]] = {
    "lower half": (lambda hu: hu[:, :, : hu.shape[2] // 2], "cut-above"),
    "upper half": (lambda hu: hu[:, :, hu.shape[2] // 2 :], "cut-below"),
    "left side": (lambda hu: hu[: hu.shape[0] // 2], "half"),
    "right side": (lambda hu: hu[hu.shape[0] // 2 :], "half"),
    "5 slices": (lambda hu: hu[:, :, 20:25], "few-slices"),
    "belly": (lambda hu: np.repeat(hu[:, :, :1], 40, axis=2), "no-lungs"),
    "air": (lambda hu: np.random.default_rng(0).normal(-1000, 10, hu.shape), "no-body"),
}


@pytest.mark.parametrize("case", PIECES)
def test_what_is_no_whole_chest_is_refused(chest: Volume, case: str) -> None:
    """Halves, slabs, a belly and an empty field each have their own code."""
    cut, code = PIECES[case]
    quality = assess(volume(cut(chest.stored), chest.spacing_mm))
    assert quality.verdict == "refuse"
    assert code in codes(quality, "refuse")


def test_head_is_refused() -> None:
    """Sinuses are no lungs."""
    quality = assess(head())
    assert codes(quality, "refuse") == {"no-lungs"}
    assert "0.3 litre" in quality.reasons


@pytest.mark.parametrize(
    ("turn", "code"),
    [
        (lambda hu: hu[:, :, ::-1], "upside-down"),
        (lambda hu: hu[:, ::-1], "back-to-front"),
        (lambda hu: hu[::-1, ::-1], "back-to-front"),
        (lambda hu: hu[::-1, :, ::-1], "upside-down"),
        (lambda hu: hu.transpose(1, 0, 2), "sideways"),
    ],
)
@pytest.mark.parametrize("index", [0, 3])
def test_header_that_lies_is_refused(index: int, turn: Callable[[Array], Array], code: str) -> None:
    """A chest whose head end, back or side is not where the header says is refused, and said to be so."""
    chest = drawn(index)
    turned = assess(volume(turn(chest.stored), chest.spacing_mm))
    assert codes(turned, "refuse") == {code}


def test_exchanged_axes_are_refused(chest: Volume) -> None:
    """Slices that are really coronal: the body runs from side to side."""
    x, y, z = chest.spacing_mm
    quality = assess(volume(chest.stored.transpose(0, 2, 1), (x, z, y)))
    assert "axes" in codes(quality, "refuse")


def test_air_at_both_ends_is_warned_of(chest: Volume) -> None:
    """A body that neither the first nor the last slice shows ends in air: padded, or no part of a person."""
    hu = np.pad(chest.stored, ((0, 0), (0, 0), (3, 3)), constant_values=-1000)
    quality = assess(volume(hu, chest.spacing_mm))
    assert "ends-in-air" in codes(quality, "warn")
    above = np.pad(chest.stored, ((0, 0), (0, 0), (0, 3)), constant_values=-1000)
    assert "ends-in-air" not in codes(assess(volume(above, chest.spacing_mm)), "warn")  # one end may lie outside


def test_mirrored_chest_is_only_warned_of(chest: Volume) -> None:
    """A heart on the right may be the patient's own."""
    quality = assess(volume(chest.stored[::-1], chest.spacing_mm))
    assert quality.verdict == "warn"
    assert codes(quality, "warn") == {"mirrored"}


def test_one_airless_lung_is_warned_of(chest: Volume) -> None:
    """A lung without air in a whole body is a patient, not half a scan."""
    hu = chest.stored.copy()
    right = hu[hu.shape[0] // 2 :]
    right[(right > -990) & (right < -300)] = 40
    quality = assess(volume(hu, chest.spacing_mm))
    assert "one-lung" in codes(quality, "warn")
    assert codes(quality, "refuse") == set()


@pytest.mark.parametrize(
    ("factor", "level", "name"),
    [((1, 1, 0.4), "warn", "height"), ((3, 1, 1), "warn", "width"), ((1, 4, 1), "refuse", "depth"),
     ((1, 1, 10), "refuse", "height")],
)  # fmt: skip
def test_field_has_the_size_of_a_chest(chest: Volume, factor: tuple[float, ...], level: str, name: str) -> None:
    """Wrong spacing makes an implausible field: a little is doubtful, much is refused."""
    spacing = tuple(mm * by for mm, by in zip(chest.spacing_mm, factor, strict=True))
    assert f"field-{name}" in codes(assess(volume(chest.stored, spacing)), level)


def test_mostly_padding_is_warned_of(chest: Volume) -> None:
    """A scan that is nearly all padding is readable and odd."""
    hu = np.pad(chest.stored, ((32, 32), (32, 32), (0, 0)), constant_values=-3024)
    assert "padding" in codes(assess(volume(hu, chest.spacing_mm)), "warn")


def test_verdict_is_the_worst_finding() -> None:
    """Refusals come first and make the reasons; without findings all is well."""
    warned = Quality().with_findings(Finding("a", "warn", "first"), Finding("b", "warn", "second"))
    refused = warned.with_findings(Finding("c", "refuse", "third"))
    assert (Quality().verdict, warned.verdict, refused.verdict) == ("ok", "warn", "refuse")
    assert (warned.reasons, refused.reasons) == ("first; second", "third")
    assert refused.as_json() == {
        "verdict": "refuse",
        "findings": ["third", "first", "second"],
        "codes": ["c", "a", "b"],
    }


@pytest.mark.parametrize("change", [lambda hu: hu, lambda hu: np.clip(hu, -160, 240)])
def test_examination_survives_json(chest: Volume, change: Callable[[Array], Array]) -> None:
    """What is kept beside a cache entry is read back equal, passed or refused."""
    found = examine(volume(change(chest.stored), chest.spacing_mm))
    assert Examination.from_json(found.as_json()) == found
    for damage in ({"rules": 0}, {"features": [1.0]}, {"findings": [["a", "b", "c"]]}):
        with pytest.raises(ValueError, match="must"):
            Examination.from_json({**found.as_json(), **damage})


@pytest.mark.parametrize("shape", [(2, 2, 2), (2, 40, 40), (40, 2, 40), (40, 40, 2), (3, 3, 400)])
@pytest.mark.parametrize("spacing_mm", [(0.001, 0.001, 0.001), (1000.0, 1000.0, 1000.0), (7.0, 7.0, 9.0)])
def test_any_grid_is_judged(
    shape: tuple[int, int, int], spacing_mm: tuple[float, ...], rng: np.random.Generator
) -> None:
    """However odd the grid is, the gate ends with a verdict."""
    for hu in (rng.integers(-1100, 1000, shape), np.full(shape, -1000), np.full(shape, 40) - np.arange(shape[2])):
        assert assess(volume(hu, spacing_mm)).verdict in ("warn", "refuse")


def test_time_does_not_grow_with_the_grid() -> None:
    """A scan of 512x512x42 takes a fraction of a second, whatever lies in it."""
    hu = np.random.default_rng(0).integers(-1000, 400, (512, 512, 42), dtype=np.int16)
    scan = volume(np.asfortranarray(hu), (0.7, 0.7, 8.0))
    began = time.process_time()
    assess(scan)
    assert time.process_time() - began < 1.0
