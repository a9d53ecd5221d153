"""Another site's scans: which are new to a version, and how far they are from what it was trained on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ctexp.datasets.collection import Collection, LabelledScan
from ctexp.datasets.entries import Problem
from ctexp.errors import DataError
from ctexp.experiments.evaluating.copies import OwnScans
from ctexp.experiments.evaluating.site import describe_site, unknown_scans
from ctexp.scans.quality import REFUSAL, Examination, Finding, Quality, Reference
from ctexp.scans.quality.features import FEATURES

USUAL = {"pixel_mm": 0.7, "slice_mm": 8.0, "height_mm": 320.0, "field_mm": 360.0, "padding": 0.1, "body_mm": 340.0,
         "lung_litres": 4.0, "lung_low_hu": -920.0, "lung_hu": -850.0, "lung_high_hu": -600.0, "fat_hu": -100.0,
         "tissue_hu": 40.0, "bone_hu": 300.0, "noise_hu": 12.0, "grain": 0.7}  # fmt: skip


def own(sides: dict[str, str], patients=(), copies: frozenset[str] = frozenset(), unsearched: int = 0) -> OwnScans:
    """A version with 60 scans, some of which are the site's."""
    return OwnScans(sides, copies, frozenset(patients), unsearched, 60)


def row(rng, **changed: float) -> tuple[float, ...]:
    """Features of a scan: usual but for a few per cent, and for what is changed."""
    values = {**USUAL, **changed}
    return tuple(values[one.name] * rng.normal(1, 0.01) for one in FEATURES)


def collection(rng, count: int = 10, skipped=(), findings=(), **changed: float) -> Collection:
    """A collection of scans with both classes in turn."""
    scans = tuple(
        LabelledScan(Path(f"{number}.nii"), number % 2, "", str(number), f"{number:064x}",
                     examination=Examination(Quality(tuple(findings)), row(rng, **changed)))
        for number in range(count)
    )  # fmt: skip
    return Collection("site", scans, False, tuple(skipped))


@pytest.fixture
def reference(rng) -> Reference:
    """What 60 training scans were like."""
    return Reference.fit([row(rng) for _ in range(60)])


def test_usual_scans_are_called_usual(rng, reference) -> None:
    """A site like the training scans has next to none that is unlike, and no feature is named."""
    given = collection(rng)
    report = describe_site(given, given.scans, own({}), reference)
    assert report.unlike <= 1
    assert report.lines()[-1] == "In spacing, slices, field and intensity they are as the training scans are."


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"slice_mm": 1.0}, "(median), training scans 7.9 to 8.1"),
        ({"pixel_mm": 1.4}, "pixels of 1.4 mm"),
        ({"height_mm": 150.0}, "150 mm from first to last slice"),
        ({"field_mm": 600.0}, "a field of 6"),
        ({"padding": 0.6}, "padding 6"),
        ({"lung_hu": -500.0}, "lung at -5"),
    ],
)
def test_what_differs_is_named_first(rng, reference, changed, words) -> None:
    """All scans are unlike, and the farthest feature is the one that was changed, in plain words with both values."""
    given = collection(rng, **changed)
    report = describe_site(given, given.scans, own({}), reference)
    assert report.unlike == 10
    assert report.farthest[0].name == next(iter(changed))
    assert words in "\n".join(report.lines())


def test_gate_is_counted(rng, reference) -> None:
    """Refused, otherwise unusable and warned-of scans are counted and said."""
    skipped = (Problem(Path("a"), f"a: {REFUSAL}: no lungs"), Problem(Path("b"), "b: every scan must be there once"))
    given = collection(rng, skipped=skipped, findings=(Finding("slice-gap", "warn", "slices"),))
    report = describe_site(given, given.scans, own({}), reference)
    assert (report.refused, report.unusable, report.warned) == (1, 1, 10)
    assert report.lines()[0].startswith("Refused as no readable chest CT in HU: 1")
    assert report.lines()[1].startswith("The quality gate warns of 10 of 10 scans")


def test_scans_that_were_not_measured_are_in_no_share(rng, reference) -> None:
    """A scan of which features are missing counts neither among those warned of nor among the scans."""
    warned = Finding("slice-gap", "warn", "slices")
    given = collection(rng, findings=(warned,))
    bare = replace(given.scans[0], examination=Examination(Quality((warned,))))
    report = describe_site(given, (bare, *given.scans[1:]), own({}), reference)
    assert (report.warned, report.scans) == (9, 9)


def test_version_without_reference_says_so(rng) -> None:
    """Where a version does not say what it was trained on nothing is made up."""
    given = collection(rng)
    report = describe_site(given, given.scans, own({}), None)
    assert report.unlike is None
    assert "how far these scans are is not known" in report.lines()[-1]


def test_known_scans_are_refused_or_left_out(rng) -> None:
    """Scans of any of the version's sides are refused with counts; left out on wish; one class alone is refused."""
    given = collection(rng)
    sides = {given.scans[0].sha256: "train", given.scans[1].sha256: "validation", given.scans[2].sha256: "test"}
    with pytest.raises(DataError, match=r"3 of 10 are its own \(1 in train, 1 in validation, 1 in test\)"):
        unknown_scans(given, own(sides, "012"), skip=False)
    kept = unknown_scans(given, own(sides, "012"), skip=True)
    assert kept == given.scans[3:]
    assert describe_site(given, kept, own(sides), None).known == 3
    with pytest.raises(DataError, match="both classes must be new"):
        unknown_scans(given, own({scan.sha256: "train" for scan in given.scans if scan.label}, "13579"), skip=True)
    assert unknown_scans(given, own({}), skip=False) == given.scans


def test_copies_are_told_and_patients_go_whole(rng) -> None:
    """How many were saved in another form stands beside the counts; no scan of a known patient is new."""
    given = collection(rng)
    first, second = given.scans[0].sha256, given.scans[1].sha256
    known = own({first: "train", second: "test"}, "01", copies=frozenset({second}))
    with pytest.raises(DataError, match=r"2 of 10 are its own \(1 in train, 1 in test; 1 saved in another form\)"):
        unknown_scans(given, known, skip=False)
    again = replace(given, scans=(*given.scans[:9], replace(given.scans[9], patient=given.scans[1].patient)))
    assert unknown_scans(again, known, skip=True) == given.scans[2:9]


def test_what_was_not_looked_for_is_said(rng) -> None:
    """Where own scans are not prepared here the report says of how many no copy could be found."""
    given = collection(rng)
    report = describe_site(given, given.scans, own({}, unsearched=12), None)
    assert "12 of 60 could not be looked for" in report.lines()[0]
    assert report.as_json()["unsearched"] == 12


def test_report_is_plain_json(rng, reference) -> None:
    """The JSON form has plain values only."""
    import json

    given = collection(rng)
    assert json.loads(json.dumps(describe_site(given, given.scans, own({}), reference).as_json()))["scans"] == 10
    assert np.isfinite(describe_site(given, given.scans, own({}), reference).distance)
