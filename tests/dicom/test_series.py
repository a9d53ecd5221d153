"""Which series is read when a folder holds several things, and how the choice is said."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from ctexp.errors import ScanError
from ctexp.scans.read import ReadOptions, open_scan, read_scan

OTHER = "1.2.826.0.1.3680043.8.498.2002"
CORONAL = "LSP"


@pytest.fixture(scope="module")
def export(ct: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a hospital sends: axial series, a thinner one cut short, a coronal reformat, scout, screen, report."""
    folder = tmp_path_factory.mktemp("export")
    ct.write(folder, ct.slices())
    ct.write(folder, ct.slices(uid=OTHER, number=4)[:6], name="short{}")
    derived = {"ImageType": ["DERIVED", "SECONDARY", "MPR"], "uid": OTHER + ".1", "number": 602}
    ct.write(folder, ct.slices(CORONAL, **derived), name="coronal{}")
    ct.write(folder, [ct.slices(uid=OTHER + ".2", number=1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])[0]], "a{}")
    ct.write(folder, [ct.slices(uid=OTHER + ".3", number=99, SOPClassUID="1.2.840.10008.5.1.4.1.1.7")[0]], "b{}")
    ct.write(folder, [ct.slices(uid=OTHER + ".4", number=98, Modality="SEG")[0]], "c{}")
    report = ct.slices(uid=OTHER + ".5", number=97, Modality="SR")[0]
    del report.PixelData
    ct.write(folder, [report], "d{}")
    return folder


def test_the_axial_series_with_most_slices_is_read(export: Path, assert_whole: Callable) -> None:
    """The choice, and all that was passed over, is one line."""
    scan = open_scan(export)
    assert_whole(scan.decode())
    assert scan.notes == (
        "series 3 (10 slices) is read; passed over: series 4 (6 slices), series 602 (33 slices, coronal, derived), "
        "1 x localiser, 1 x secondary capture, 1 x segmentation, 1 x report; --series picks another",
    )


@pytest.mark.parametrize("name", ["3", " 3 ", "1.2.826.0.1.3680043.8.498.1001", "498.1001"])
def test_picked_by_number_or_uid(name: str, export: Path, assert_whole: Callable) -> None:
    """A series is picked by its number, its UID or the end of its UID."""
    assert_whole(read_scan(export, ReadOptions(series=name)))


def test_another_is_picked(export: Path, assert_whole: Callable) -> None:
    """What would be passed over is read when it is named."""
    assert read_scan(export, ReadOptions(series="4")).shape == (36, 33, 6)
    assert_whole(read_scan(export, ReadOptions(series="602")))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("1", "--series must name a CT volume, series 1 is: localiser"),
        ("97", "--series must name a CT volume, series 97 is: report"),
        ("5", r"must name one series by number or UID, got 5; here is series 3 \(10 slices\), series 4"),
        ("9.9.9.9.9.9.9.12345678", r"got \.\.\.12345678; here is"),
        ("", "got ; here is"),
    ],
)
def test_picked_but_not_there(name: str, says: str, export: Path) -> None:
    """A series that is none, or not there, is a line with those that are."""
    with pytest.raises(ScanError, match=says):
        read_scan(export, ReadOptions(series=name))


def test_number_that_two_series_share(ct: ModuleType, tmp_path: Path) -> None:
    """Two series of one number are told apart by the ends of their UIDs."""
    ct.write(tmp_path, ct.slices())
    ct.write(tmp_path, ct.slices(uid=OTHER), name="other{}")
    with pytest.raises(ScanError, match=r"got 3; here is series 3 \(10 slices\) \.\.\.498\.\d+, series 3 .*498\.\d+$"):
        read_scan(tmp_path, ReadOptions(series="3"))
    assert read_scan(tmp_path, ReadOptions(series=OTHER)).shape == (36, 33, 10)


def test_series_of_one_number_are_listed_with_their_uids(ct: ModuleType, tmp_path: Path) -> None:
    """The line that says the choice writes as much of a UID as `--series` needs, and takes it as it is written."""
    long = ".98.7654.1"
    ct.write(tmp_path, ct.slices(uid=OTHER + ".1" + long))
    ct.write(tmp_path, ct.slices(uid=OTHER + ".2" + long)[:6], name="other{}")
    (note,) = open_scan(tmp_path).notes
    assert note == (
        f"series 3 (10 slices) ...1{long} is read; passed over: series 3 (6 slices) ...2{long}; --series picks another"
    )
    for name in (f"...2{long}", f"2{long}"):
        assert read_scan(tmp_path, ReadOptions(series=name)).shape == (36, 33, 6)


class TestSeveralSubFolders:
    """A folder whose sub-folders hold a scan each."""

    @pytest.fixture
    def patients(self, ct: ModuleType, tmp_path: Path) -> Path:
        """Two scans of one series number in sub-folders, one of them deeper."""
        ct.write(tmp_path / "a", ct.slices())
        ct.write(tmp_path / "b" / "ST0" / "SE0", ct.slices(uid=OTHER, hu=ct.HU[:, :, :10] // 2))
        return tmp_path

    def test_are_refused(self, patients: Path) -> None:
        """No answer about one passes for that of the folder: the sub-folders and their series are named."""
        with pytest.raises(ScanError) as caught:
            open_scan(patients)
        assert str(caught.value) == (
            f"{patients}: must hold one scan, it holds 2 sub-folders with series: series 3 (10 slices) ...498.1001 in "
            f"a, series 3 (10 slices) ...498.2002 in {Path('b/ST0/SE0')}; name them one by one, or pick a series with "
            "--series"
        )

    def test_each_is_read_by_itself(self, patients: Path, assert_whole: Callable) -> None:
        """A sub-folder that is named, a series that is picked, and one patient's folder of a collection are read."""
        assert_whole(read_scan(patients / "a"))
        assert_whole(read_scan(patients, ReadOptions(series="498.1001")))
        assert read_scan(patients / "b").shape == (36, 33, 10)
        assert "passed over: series 3" in open_scan(patients, ReadOptions(one_patient=True)).notes[0]

    def test_reconstructions_of_one_study_are_one_scan(self, ct: ModuleType, tmp_path: Path) -> None:
        """Series of one examination in folders of their own: the one with most slices is read, and that is said."""
        fine = ct.HU.repeat(2, axis=2)
        ct.write(tmp_path / "SE0", ct.slices(StudyInstanceUID="1.2.3"))
        ct.write(tmp_path / "SE1", ct.slices(uid=OTHER, hu=fine, StudyInstanceUID="1.2.3"))
        assert read_scan(tmp_path).shape == fine.shape
        assert "passed over: series 3 (10 slices)" in open_scan(tmp_path).notes[0]
        ct.write(tmp_path / "SE1", ct.slices(uid=OTHER, hu=fine, StudyInstanceUID="1.2.4"))
        with pytest.raises(ScanError, match="2 sub-folders with series"):
            open_scan(tmp_path)

    def test_many_are_counted(self, ct: ModuleType, patients: Path) -> None:
        """The line names three."""
        for name in "cdef":
            ct.write(patients / name, ct.slices(uid=f"{OTHER}.{ord(name)}"))
        with pytest.raises(ScanError, match=r"6 sub-folders with series: .* in a, .* in b.*, .* in c and 3 more; name"):
            open_scan(patients)

    def test_what_is_beside_one_scan_is_passed_over(
        self, ct: ModuleType, assert_whole: Callable, tmp_path: Path
    ) -> None:
        """Radiograph, scout, reformat, a short and a derived series in folders of their own are no second scan."""
        ct.write(tmp_path / "chest" / "one", ct.slices()[:4])
        ct.write(tmp_path / "chest" / "two", ct.slices()[4:])
        beside = {
            "radiograph": ct.slices(uid=OTHER + ".1", Modality="DX")[:1],
            "scout": ct.slices(uid=OTHER + ".2", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])[:1],
            "coronal": ct.slices(CORONAL, uid=OTHER + ".3"),
            "short": ct.slices(uid=OTHER + ".4")[:6],
            "derived": ct.slices(uid=OTHER + ".5", ImageType=["DERIVED", "SECONDARY", "MIP"]),
        }
        for name, parts in beside.items():
            ct.write(tmp_path / name, parts)
        assert_whole(read_scan(tmp_path))

    def test_derived_of_another_study_is_no_derivative(self, ct: ModuleType, tmp_path: Path) -> None:
        """A derived series is passed over beside the study that it may be derived from, not beside another one."""
        words = {"uid": OTHER, "ImageType": ["DERIVED", "SECONDARY", "MIP"]}
        ct.write(tmp_path, ct.slices(StudyInstanceUID="1.2.3"))
        ct.write(tmp_path, ct.slices(StudyInstanceUID="1.2.3", **words), name="other{}")
        assert "passed over: series 3 (10 slices, derived)" in open_scan(tmp_path).notes[0]
        ct.write(tmp_path, ct.slices(StudyInstanceUID="1.2.4", **words), name="other{}")
        with pytest.raises(ScanError, match="it holds series of 2 studies: series 3"):
            open_scan(tmp_path)

    def test_series_whose_files_lie_mixed(self, ct: ModuleType, assert_whole: Callable, tmp_path: Path) -> None:
        """Two series of one examination, spread over the same folders, are one place: the longer one is read."""
        other = ct.slices(uid=OTHER, hu=ct.HU.repeat(2, axis=2)[:, :, :9])
        for name, part, more in (("SE0", ct.slices()[:5], other[:5]), ("SE1", ct.slices()[5:], other[5:])):
            ct.write(tmp_path / name, part)
            ct.write(tmp_path / name, more, name="other{}")
        assert_whole(read_scan(tmp_path))


def test_original_before_derived(ct: ModuleType, assert_whole: Callable, tmp_path: Path) -> None:
    """A derived axial series is passed over for an original one, and read when it is all there is."""
    long = ct.slices("LPS", hu=ct.HU.repeat(2, axis=2), uid=OTHER, number=5, ImageType=["DERIVED", "SECONDARY", "MIP"])
    folder = ct.write(tmp_path / "both", [*long, *ct.slices()])
    assert_whole(read_scan(folder))
    derived = ct.write(tmp_path / "alone", ct.slices(ImageType=["DERIVED", "SECONDARY", "PROCESSED"]))
    assert open_scan(derived).notes == ()
    assert_whole(read_scan(derived))


def test_pictures_of_one_place_are_no_longer_series(ct: ModuleType, assert_whole: Callable, tmp_path: Path) -> None:
    """A contrast bolus watched in one slice has many pictures and one place."""
    watched = [ct.slices(uid=OTHER, number=2, InstanceNumber=count)[0] for count in range(30)]
    assert_whole(read_scan(ct.write(tmp_path, [*ct.slices(), *watched])))


def test_strays_within_a_series(ct: ModuleType, assert_whole: Callable, tmp_path: Path) -> None:
    """A scout that says nothing but shares the series' UID, and a slice of another matrix, are told apart and said."""
    scout = ct.slices(CORONAL)[0]
    small = ct.slices(hu=ct.HU[:20, :20])[4]
    folder = ct.write(tmp_path / "whole", [*ct.slices(), scout, small])
    scan = open_scan(folder)
    assert_whole(scan.decode())
    assert "passed over: series 3 (1 slice), series 3 (1 slice, coronal)" in scan.notes[0]
    # In the place of a slice they explain why it is missing.
    parts = ct.slices()
    parts[4] = small
    with pytest.raises(ScanError, match=r"1 slice is missing.*\(the series has 1 more of 20 x 20, axial\)"):
        read_scan(ct.write(tmp_path / "gap", parts))


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        ({"Modality": "MR"}, "it holds 10 DICOM files, none of CT slices: 10 x MR"),
        ({"Modality": "PT"}, "10 x PET"),
        ({"Modality": "DOE JOHN"}, "10 x of another modality"),
        ({"Modality": None}, "10 x without a modality"),
        ({"RescaleType": "Z_EFF"}, r"10 x spectral map \(no HU\)"),
        ({"ImagePositionPatient": None}, "10 x CT picture without a position"),
        ({"SamplesPerPixel": 3}, "10 x colour picture"),
        ({"SOPClassUID": "1.2.840.10008.1.3.10"}, "10 x index"),
    ],
)
def test_no_ct(tags: dict[str, object], says: str, ct: ModuleType, tmp_path: Path) -> None:
    """A folder without CT slices is told what it holds."""
    with pytest.raises(ScanError, match=f"must hold a CT series; .*{says}"):
        read_scan(ct.write(tmp_path, ct.slices(**tags)))


def test_series_is_for_dicom(ct: ModuleType, tmp_path: Path) -> None:
    """A NIfTI file has no series to pick."""
    with pytest.raises(ScanError, match="--series picks a series of a DICOM folder or zip"):
        read_scan(ct.nifti(tmp_path / "scan.nii"), ReadOptions(series="3"))
