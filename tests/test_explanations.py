"""What `--explain` writes: maps that lie on their scans, pictures, and names that never meet."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from ctexp.config import ScanSettings
from ctexp.errors import ConfigError
from ctexp.experiments.answering.explanations import ExplanationFolder
from ctexp.experiments.answering.free_names import FreeNames
from ctexp.experiments.answering.heat_picture import slice_words
from ctexp.registry.explain import explain
from ctexp.registry.predictor import Predictor
from ctexp.scans import Volume
from ctexp.scans.hot import hottest_slices, patient_box
from ctexp.scans.maps import write_map
from ctexp.scans.read import read_scan


@pytest.fixture(scope="module")
def predictor(make_predictor, tmp_path_factory) -> Predictor:
    """A small network."""
    return make_predictor(tmp_path_factory.mktemp("predictor") / "it", ScanSettings(shape=(42, 42, 21)))


def test_map_lies_on_its_scan(predictor, one_sided, tmp_path) -> None:
    """The written map has the shape and the affine of the file, and is hot where the lesion is, in millimetres."""
    image, ball = one_sided
    inside = {tuple(np.round(image.affine[:3] @ [*place, 1], 3)) for place in np.argwhere(ball)}
    for axes in ("RAS", "LPS", "PIR"):
        turned = image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt(axes)))
        nib.save(turned, tmp_path / "scan.nii.gz")
        volume = read_scan(tmp_path / "scan.nii.gz")
        write_map(tmp_path / "map.nii.gz", explain(predictor, volume).heat, volume, "a map")
        heat = nib.load(tmp_path / "map.nii.gz")
        assert heat.shape == turned.shape
        np.testing.assert_allclose(heat.affine, turned.affine, atol=1e-4)
        np.testing.assert_allclose(heat.get_qform(), turned.affine, atol=1e-3)
        values = heat.get_fdata()
        assert (values.min(), values.max()) == (0, pytest.approx(1))
        hottest = np.unravel_index(values.argmax(), values.shape)
        assert tuple(np.round(heat.affine[:3] @ [*hottest, 1], 3)) in inside


def test_sheared_scan_keeps_its_affine(tmp_path) -> None:
    """A scan whose axes are not square to each other has its affine in the map all the same."""
    affine = np.array([[-0.7, 0.02, 0, 100], [0.01, 0.8, 0.6, -50], [0, -0.1, 5, 30], [0, 0, 0, 1.0]])
    nib.save(nib.Nifti1Image(np.zeros((5, 6, 4), np.int16), affine), tmp_path / "scan.nii")
    volume = read_scan(tmp_path / "scan.nii")
    write_map(tmp_path / "map.nii.gz", np.zeros(volume.shape, np.float32), volume, "a map")
    written = nib.load(tmp_path / "map.nii.gz")
    np.testing.assert_allclose(written.affine, affine, atol=1e-6)
    assert int(written.header["qform_code"]) == 0


def test_names_never_meet(tmp_path) -> None:
    """Scans of one name get files of their own, capitals or not, and none that is itself a scan."""
    scans = [tmp_path / name for name in ("a/Scan.nii.gz", "b/scan.nii", "c/scan.ZIP", "out/scan_heat.nii.gz", "d")]
    names = FreeNames(tmp_path / "out", ("_heat.nii.gz", "_heat.png"), scans)
    taken = [names.take(scan) for scan in scans]
    stems = ["Scan-2", "scan-3", "scan-4", "scan_heat", "d"]
    assert [[one.name for one in files] for files in taken] == [[f"{s}_heat.nii.gz", f"{s}_heat.png"] for s in stems]
    assert {one.parent for files in taken for one in files} == {tmp_path / "out"}


def test_any_name_makes_a_file(tmp_path) -> None:
    """Names that are too long, hold a line break, or are none give files that can be written."""
    names = FreeNames(tmp_path, ("_heat.png",))
    for scan in (Path("ü" * 120 + ".nii"), Path("two\nlines.nii.gz"), Path(), Path("/")):
        (file,) = names.take(scan)
        file.write_text("")
        assert file.name.isprintable()
    assert len(list(tmp_path.iterdir())) == 4


def test_folder_must_be_writable(tmp_path) -> None:
    """A folder that cannot be made is one clear line, before any scan is read."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"^--explain .*file/out: must be a folder that can be written to"):
        ExplanationFolder(tmp_path / "file" / "out")


def test_slices_are_named_as_the_file_counts_them() -> None:
    """A slice has the number that its own file gives it, from 1, and its height in mm."""
    stored = np.zeros((4, 4, 10), dtype=np.int16)
    affine = np.diag([1.0, 1.0, 5.0, 1.0])
    affine[2, 3] = -100.0
    words = {axes: slice_words(Volume(stored, 1, 0, affine, axes), 2) for axes in ("RAS", "LPI", "SAR")}
    assert words == {
        "RAS": "slice 3 of 10, z = −90 mm",
        "LPI": "slice 8 of 10, z = −90 mm",
        "SAR": "slice 3 of 10 of axis 1, z = −90 mm",
    }


def test_hottest_slices_are_not_all_of_one_place() -> None:
    """The hottest slices come from the head down, with room between them; without heat they are spread evenly."""
    heat = np.zeros((2, 2, 48), dtype=np.float32)
    heat[:, :, 20:24] = 1.0
    heat[:, :, 40] = 0.5
    chosen = hottest_slices(heat, 3)
    assert chosen[0] == 40
    assert chosen == sorted(chosen, reverse=True)
    assert min(np.abs(np.diff(chosen))) > 4
    assert len(hottest_slices(np.zeros_like(heat), 6)) == 6
    assert hottest_slices(np.ones((2, 2, 3), np.float32), 6) == [2, 0]  # fewer, where all others are beside these


def test_where_no_patient_is_found_all_is_shown(one_sided) -> None:
    """The picture is cut to the patient; an empty field is shown whole."""
    image, _ = one_sided
    hu = np.asarray(image.get_fdata(), dtype=np.float32)
    empty = Volume(np.full_like(hu, -1000.0), 1.0, 0.0, image.affine)
    assert patient_box(empty) == (slice(0, hu.shape[0]), slice(0, hu.shape[1]))
