"""Series in class folders and manifests, and the commands that read them."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from typer.testing import CliRunner

from ctexp.cli.main import app
from ctexp.config import ScanSettings
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.folders import list_folder
from ctexp.datasets.ingest import ingest
from ctexp.datasets.manifest import list_manifest
from ctexp.errors import DataError


@pytest.fixture
def chest(ct: ModuleType) -> Callable[[int], list]:
    """A function that gives the slices of a body with two lungs and a spine; another seed, another patient."""

    def made(seed: int) -> list:
        x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in (64, 64, 40)), indexing="ij")
        hu = np.full(x.shape, -1000.0)
        hu[(x / 0.9) ** 2 + (y / 0.65) ** 2 < 1] = 40
        for side in (-0.42, 0.42):
            hu[((x - side) / 0.32) ** 2 + (y / 0.45) ** 2 + (z / 0.9) ** 2 < 1] = -850
        hu[x**2 + (y + 0.5) ** 2 < 0.005] = 400
        hu += np.random.default_rng(seed).normal(0, 15, hu.shape)
        affine = np.array([[6.0, 0, 0, -190], [0, 6.0, 0, -190], [0, 0, 7.5, 0], [0, 0, 0, 1]])
        return ct.slices(hu=hu.astype(np.int16), affine=affine, dtype="i2")

    return made


def test_scans_of_a_class_folder(ct: ModuleType, tmp_path: Path) -> None:
    """A sub-folder with DICOM files at any depth is one scan; so are a zip, a DICOM file and each NIfTI file."""
    parts = ct.slices()[:3]
    ct.write(tmp_path / "normal" / "p1" / "study" / "series", parts, name="IM{}")
    ct.write(tmp_path / "normal" / "p2", [ct.multi_frame(parts)], name="enhanced.dcm")
    ct.write(tmp_path / "normal", [ct.multi_frame(parts)], name="ENHANCED")
    ct.pack(tmp_path / "normal" / "p1", tmp_path / "normal" / "p3.zip")
    for place in (tmp_path / "normal" / "p4", tmp_path / "abnormal" / "notes"):
        place.mkdir(parents=True)
    ct.nifti(tmp_path / "normal" / "p4" / "a.nii")
    ct.nifti(tmp_path / "abnormal" / "b.nii")
    (tmp_path / "abnormal" / "notes" / "letter.doc").write_bytes(b"text")
    entries, problems = list_folder(tmp_path)
    assert [(entry.path.relative_to(tmp_path).as_posix(), entry.patient) for entry in entries] == [
        ("abnormal/b.nii", "abnormal/b.nii"),
        ("normal/ENHANCED", "normal/ENHANCED"),
        ("normal/p1", "normal/p1"),
        ("normal/p2", "normal/p2"),
        ("normal/p3.zip", "normal/p3.zip"),
        ("normal/p4/a.nii", "normal/p4"),
    ]
    assert [problem.path.name for problem in problems] == ["letter.doc"]
    # Beside a NIfTI file slices belong to nothing.
    ct.write(tmp_path / "normal" / "p4", parts)
    assert len(list_folder(tmp_path)[1]) == 4


def test_series_in_a_manifest_are_prepared_once(ct: ModuleType, chest: Callable, tmp_path: Path) -> None:
    """A folder and a zip of one series are one content, whose entry is the NIfTI's; notes come with the result."""
    ct.write(tmp_path / "one" / "deep", chest(0), name="IM{}")
    ct.pack(tmp_path / "one", tmp_path / "same.zip")
    scout = ct.slices(uid="1.2.3", number=1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])[0]
    ct.write(tmp_path / "two", [*chest(1), scout], name="IM{}")
    (tmp_path / "m.csv").write_text("path,label\none,0\nsame.zip,0\ntwo,1\n")
    paths = [entry.path for entry in list_manifest(tmp_path / "m.csv")]
    cache = ScanCache(tmp_path / "cache", ScanSettings(shape=(8, 8, 8)))
    one, same, two = ingest(paths, cache)
    assert [result.error for result in (one, same, two)] == [None, None, None]
    assert one.sha256 == same.sha256 != two.sha256
    assert one.notes == ()
    assert two.notes[0].endswith("is read; passed over: 1 x localiser")
    assert len(list(cache.folder.glob("*.npy"))) == 2


def test_commands(ct: ModuleType, chest: Callable, tmp_path: Path) -> None:
    """`data prepare` and `data show` take series; gaps need their option, and the choice is said on stderr."""
    for number, side in enumerate(("normal", "abnormal")):
        for copy in range(4):
            parts = chest(4 * number + copy)
            ct.write(tmp_path / "data" / side / f"p{copy}", parts if copy else parts[:3] + parts[4:])
    run = CliRunner().invoke
    done = run(app, ["data", "prepare", "--data", str(tmp_path / "data"), "--preset", "smoke"])
    assert done.exit_code == 2
    assert done.stderr.count("1 slice is missing") == 2
    done = run(app, ["data", "prepare", "--data", str(tmp_path / "data"), "--preset", "smoke", "--allow-gaps"])
    assert done.exit_code == 0, done.stderr
    assert done.stderr.count(": interpolated from ") == 2
    assert "train" in done.stdout
    scan = tmp_path / "data" / "normal" / "p1"
    ct.write(scan, ct.slices(uid="1.2.3", number=8)[:5], name="other{}")
    done = run(app, ["data", "show", str(scan), "--series", "8", "--out", "a.png"])
    assert done.exit_code == 0, done.stderr
    assert "36 x 33 x 5" in done.stdout
    assert "series 8 (5 slices) is read; passed over: series 3 (40 slices)" in done.stderr


def test_check_of_folders_that_are_no_known_classes(ct: ModuleType, chest: Callable, tmp_path: Path) -> None:
    """Series' folders without classes are a scan each; class folders of unknown names are none, and said to be."""
    for number, name in enumerate(("covid/a", "covid/b", "gesund/a", "gesund/b")):
        parts = chest(number)
        for one in parts:
            one.SeriesInstanceUID = f"{ct.SERIES}.{number}"
        ct.write(tmp_path / "data" / name, parts)
        ct.write(tmp_path / "flat" / f"series {number}", parts)
    run = CliRunner().invoke
    done = run(app, ["data", "check", str(tmp_path / "flat")])
    assert (done.exit_code, done.stdout.splitlines()[-1][:13]) == (0, "4 scans: 4 ok")
    assert "Warning" not in done.stderr
    done = run(app, ["data", "check", str(tmp_path / "data")])
    assert done.exit_code == 1
    assert " ".join(done.stdout.split()).count("must hold one scan, it holds 2 sub-folders with series") == 2
    assert "not for classes: covid, gesund;" in " ".join(done.stderr.split())
    done = run(app, ["data", "check", str(tmp_path / "data"), "--positive", "covid"])
    assert (done.exit_code, done.stdout.splitlines()[-2]) == (0, "labels: 2 normal, 2 abnormal")
    # Below a class a folder is one patient's, and one of the series is taken.
    (tmp_path / "data" / "all").mkdir()
    (tmp_path / "data" / "covid").rename(tmp_path / "data" / "all" / "covid")
    (tmp_path / "data" / "gesund").rename(tmp_path / "data" / "all" / "gesund")
    (tmp_path / "data" / "all").rename(tmp_path / "data" / "normal")
    done = run(app, ["data", "check", str(tmp_path / "data")])
    assert (done.exit_code, done.stdout.splitlines()[-2]) == (0, "labels: 2 normal, 0 abnormal")
    assert "passed over: series 3" in done.stdout


def test_loose_slices_in_a_class_folder(ct: ModuleType, tmp_path: Path) -> None:
    """Slices beside each other in a class folder could be of anyone: each is told where it belongs."""
    from ctexp.datasets.collection import gather

    ct.write(tmp_path / "data" / "normal", ct.slices()[:2])
    ct.write(tmp_path / "data" / "abnormal" / "p", ct.slices())
    entries, problems = list_folder(tmp_path / "data")
    assert problems == []
    with pytest.raises(DataError) as caught:
        gather("data", entries, ScanCache(tmp_path / "cache", ScanSettings(shape=(8, 8, 8))))
    assert str(caught.value).count("got 1; the slices of a series belong into a folder of their own") == 2
