"""How unlike the training scans a scan is: features, distance, limit, words."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from ctexp.config import ScanSettings
from ctexp.datasets.phantom import PhantomSettings, make_scan
from ctexp.errors import WorkError
from ctexp.registry.manifest import PredictorManifest
from ctexp.registry.network import NETWORK_NAME
from ctexp.scans import Volume
from ctexp.scans.quality import Reference, examine
from ctexp.scans.quality.features import FEATURES
from ctexp.scans.quality.reference import ledoit_wolf_shrinkage

TYPICAL = np.array([0.7, 8.0, 330, 360, 0.2, 370, 3.5, -900, -850, -700, -105, 30, 350, 15, 0.5])
SPREAD = np.array([0.05, 0.0, 20, 15, 0.05, 20, 0.5, 20, 20, 25, 4, 10, 40, 2, 0.03])


def rows(rng: np.random.Generator, count: int) -> list[tuple[float, ...]]:
    """Features of scans of one scanner."""
    return [tuple(row) for row in (TYPICAL + SPREAD * rng.standard_normal((count, len(TYPICAL)))).tolist()]


def changed(name: str, value: float) -> tuple[float, ...]:
    """The typical scan with one feature changed."""
    return tuple(value if one.name == name else float(x) for one, x in zip(FEATURES, TYPICAL, strict=True))


def fitted(rows: list[tuple[float, ...]]) -> Reference:
    """A reference that is there."""
    reference = Reference.fit(rows)
    assert reference is not None
    return reference


@pytest.fixture(scope="module")
def chest() -> Volume:
    """A synthetic chest in RAS+."""
    scan = make_scan(0, PhantomSettings(scans=2, size=64, seed=3))
    return Volume(scan.hu[::-1], 1.0, 0.0, np.diag([*np.abs(np.diag(scan.affine))[:3], 1.0]))


def features_of(volume: Volume) -> dict[str, float]:
    """Features by name."""
    found = examine(volume).features
    assert found is not None
    return dict(zip([one.name for one in FEATURES], found, strict=True))


def test_geometry_is_measured_in_mm(chest: Volume) -> None:
    """Spacing, height and field are those of the grid."""
    found = features_of(chest)
    x, _, z = chest.spacing_mm
    assert found["pixel_mm"] == pytest.approx(x, abs=1e-3)
    assert found["slice_mm"] == 8.0
    assert found["height_mm"] == pytest.approx(chest.shape[2] * z)
    assert found["field_mm"] == pytest.approx(64 * x, abs=1e-3)
    assert 0.5 * found["field_mm"] < found["body_mm"] <= found["field_mm"] + 1e-3


def test_noise_is_measured(chest: Volume, rng: np.random.Generator) -> None:
    """Adding noise of 40 HU adds as much, in quadrature, and makes neighbours differ as much as far voxels."""
    before = features_of(chest)
    noisy = chest.stored + rng.normal(0, 40, chest.shape)
    after = features_of(Volume(noisy, 1.0, 0.0, chest.affine))
    assert after["noise_hu"] == pytest.approx(np.hypot(before["noise_hu"], 40), rel=0.12)
    assert after["grain"] > before["grain"] + 0.1


def test_lung_and_tissue_move_with_the_intercept(chest: Volume) -> None:
    """Numbers that are 20 HU too high show in the HU features, and not in the noise."""
    found, moved = features_of(chest), features_of(dataclasses.replace(chest, intercept=20.0))
    for name in ("lung_low_hu", "lung_hu", "tissue_hu", "bone_hu"):
        assert moved[name] - found[name] == pytest.approx(20, abs=8), name
    assert moved["noise_hu"] == pytest.approx(found["noise_hu"], rel=0.1)


def test_refused_scan_has_no_features(chest: Volume) -> None:
    """What is no chest is not compared."""
    assert examine(Volume(chest.stored[:, :, ::-1], 1.0, 0.0, chest.affine)).features is None


@pytest.mark.parametrize("count", [4, 12, 100])
def test_scans_of_the_same_kind_are_rarely_warned_of(count: int, rng: np.random.Generator) -> None:
    """Of new scans of the training scans' kind few are beyond the limit, even after few training scans."""
    reference = fitted(rows(rng, count))
    warned = [reference.compare(row) is not None for row in rows(rng, 200)]
    assert np.mean(warned) < 0.05


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("slice_mm", 2.5, "slices 2.5 mm apart, training scans 8"),
        ("noise_hu", 60.0, "noise of 60 HU, training scans 1"),
        ("padding", 0.9, "padding 90 %, training scans 1"),
        ("lung_hu", -600.0, "lung at -600 HU, training scans -8"),
    ],
)
def test_what_differs_is_named_first(name: str, value: float, words: str, rng: np.random.Generator) -> None:
    """A scan that differs in one feature is warned of, with that feature and both values."""
    reference = fitted(rows(rng, 40))
    assert reference.compare(changed("slice_mm", 8.0)) is None
    finding = reference.compare(changed(name, value))
    assert finding is not None
    assert (finding.code, finding.level) == ("unlike-training", "warn")
    assert finding.text.partition("): ")[2].startswith(words)


def test_equal_training_scans_tolerate_a_little(rng: np.random.Generator) -> None:
    """Where all training scans have slices of 8 mm, 8.1 mm are the same and 5 mm are not."""
    reference = fitted(rows(rng, 40))
    assert reference.compare(changed("slice_mm", 8.1)) is None
    assert reference.compare(changed("slice_mm", 5.0)) is not None


def test_several_features_at_once_are_told_up_to_three(rng: np.random.Generator) -> None:
    """The three that differ most are named, the others are not."""
    finding = fitted(rows(rng, 40)).compare(tuple((TYPICAL * 1.5).tolist()))
    assert finding is not None
    assert finding.text.count("training scans ") == 4  # once in the beginning


def test_distance_knows_what_goes_together(rng: np.random.Generator) -> None:
    """Two features that always move together are further off when they move apart by the same amounts."""
    together = rng.standard_normal(80)[:, None]
    values = TYPICAL + SPREAD * rng.standard_normal((80, len(TYPICAL)))
    values[:, [7, 8]] = TYPICAL[[7, 8]] + together * [40, 40]
    reference = fitted([tuple(row) for row in values.tolist()])
    along, across = (TYPICAL.copy() for _ in range(2))
    along[[7, 8]] += [60, 60]
    across[[7, 8]] += [60, -60]
    assert reference.distance(tuple(across)) > 1.5 * reference.distance(tuple(along))


def test_few_scans_make_no_reference(rng: np.random.Generator) -> None:
    """Three scans say nothing of a spread."""
    assert Reference.fit(rows(rng, 3)) is None


def test_reference_survives_json(rng: np.random.Generator) -> None:
    """What a version carries gives the same distances after JSON; damage is refused."""
    reference = fitted(rows(rng, 10))
    facts = json.loads(json.dumps(dataclasses.asdict(reference)))
    assert Reference.from_json(facts) == reference
    for damage in ({"names": ["a"]}, {"mean": [1.0]}, {"covariance": facts["covariance"][:-1]}):
        with pytest.raises(ValueError, match="features must"):
            Reference.from_json({**facts, **damage})


@pytest.mark.parametrize("count", [20, 200])
def test_shrinkage_is_that_of_ledoit_and_wolf(count: int, rng: np.random.Generator) -> None:
    """The weight agrees with the formula summed over single scans, lies in 0..1, and falls with more scans."""
    spread = rng.standard_normal((count, 6)) * [1, 2, 1, 1, 3, 1]
    centred = spread - spread.mean(axis=0)
    covariance = centred.T @ centred / count
    target = np.trace(covariance) / 6 * np.eye(6)
    error = sum(((np.outer(x, x) - covariance) ** 2).sum() for x in centred) / count**2
    expected = min(1.0, error / ((covariance - target) ** 2).sum())
    assert ledoit_wolf_shrinkage(spread) == pytest.approx(expected)
    assert ledoit_wolf_shrinkage(np.tile(spread, (50, 1))) < expected / 40


@pytest.mark.parametrize("count", [0, 10])
def test_version_carries_the_reference(count: int, tmp_path: Path, rng: np.random.Generator) -> None:
    """A registered version's manifest is read back with its reference, with none, and from the formats before it."""
    (tmp_path / NETWORK_NAME).write_bytes(b"network")
    sha256 = hashlib.sha256(b"network").hexdigest()
    manifest = PredictorManifest(
        ScanSettings(), {NETWORK_NAME: sha256}, True, "run", reference=Reference.fit(rows(rng, count))
    )
    file = manifest.write(tmp_path)
    assert PredictorManifest.read(tmp_path) == manifest
    facts = json.loads(file.read_text())
    assert facts["format"] == 4
    file.write_text(json.dumps({**facts, "reference": {"names": []}}))
    with pytest.raises(WorkError, match="whole predictor"):
        PredictorManifest.read(tmp_path)
    del facts["trained_networks"]
    file.write_text(json.dumps({**facts, "format": 3}))
    assert PredictorManifest.read(tmp_path) == manifest
    for key in ("networks", "calibrated_on", "operating_point"):
        del facts[key]
    facts["network_sha256"] = sha256
    file.write_text(json.dumps({**facts, "format": 2}))
    assert PredictorManifest.read(tmp_path) == manifest
    del facts["reference"]
    file.write_text(json.dumps({**facts, "format": 1}))
    assert PredictorManifest.read(tmp_path) == dataclasses.replace(manifest, reference=None)
