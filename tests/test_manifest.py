"""A CSV manifest."""

from pathlib import Path

import pytest

from ctexp.datasets.entries import Entry
from ctexp.datasets.manifest import list_manifest
from ctexp.errors import DataError


@pytest.fixture
def write(tmp_path: Path):
    """A function that writes a manifest and lists it."""

    def written(text: str | bytes, positive: str | None = None) -> list[Entry]:
        path = tmp_path / "scans.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return list_manifest(path, positive)

    return written


def test_all_columns(write, tmp_path: Path) -> None:
    """Relative paths start at the manifest's folder, absolute ones stay, sides have their usual short names."""
    entries = write(
        "path,label,patient,split\n"
        "a.nii,CT-0,p1,train\n"
        "/data/b.nii,abnormal,p2,VAL\n"
        "deep/c.nii,1,p3,test\n"
        '"with, comma.nii",0,p4,Training\n'
        "d.nii,0,p5,valid\n"
    )
    assert entries == [
        Entry(tmp_path / "a.nii", 0, "CT-0", "p1", "train"),
        Entry(Path("/data/b.nii"), 1, "abnormal", "p2", "validation"),
        Entry(tmp_path / "deep/c.nii", 1, "1", "p3", "test"),
        Entry(tmp_path / "with, comma.nii", 0, "0", "p4", "train"),
        Entry(tmp_path / "d.nii", 0, "0", "p5", "validation"),
    ]


def test_two_columns_in_any_order(write, tmp_path: Path) -> None:
    """Without a patient column every scan is a patient of its own, and no side is fixed."""
    entries = write("label,path\nnormal,a.nii\nabnormal,b.nii\n")
    assert [entry.patient for entry in entries] == [str(tmp_path / "a.nii"), str(tmp_path / "b.nii")]
    assert [entry.side for entry in entries] == [None, None]


def test_what_spreadsheets_write(write) -> None:
    """A byte order mark, CRLF, spaces round the values, blank lines and umlauts do not matter."""
    plain = write("path,label\ngröße.nii,0\nb.nii,1\n")
    assert write("\ufeffpath, label\r\n\r\ngröße.nii , 0\r\nb.nii, 1\r\n\r\n") == plain


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"must name the columns path,label\[,patient\]\[,split\], got $"),
        ("\n\n", r"must name the columns"),
        ("path,label\n", "must list at least one scan, it has only its header"),
        ("file,label\na.nii,0\n", r"must name the columns .* got file, label$"),
        ("path;label\na.nii;yes\n", r"line 2: label must be one of"),
        (
            "path,label,age\na.nii,0,61\n",
            "columns must be among path, label, patient, split, got 'age'; rename or remove it",
        ),
        ("path,label,age,sex\na.nii,0,61,f\n", "got 'age', 'sex'; rename or remove them"),
        ("path,label,\na.nii,0,\n", "columns must be among path, label, patient, split, got ''"),
        (b"path,label\n\xff\xfe.nii,0\n", "must be a readable CSV file"),
        ("path,label\na.nii\n", "line 2: must have as many values"),
        ("path,label\na.nii,0,1\n", "line 2: must have as many values"),
        ("path,label\n,0\n", "line 2: path must not be empty"),
        ("path,label\na.nii,CT-9\n", "line 2: label must be one of .*, got 'CT-9'; name your own with --positive"),
        ("path,label\na.nii,\n", "line 2: label must be one of .*, got ''"),
        ("path,label,patient\na.nii,0,\n", "line 2: patient must not be empty"),
        ("path,label,split\na.nii,0,hold-out\n", "line 2: split must be train, validation or test, got 'hold-out'"),
        ("path,label,split\na.nii,0,\n", "line 2: split must be train, validation or test, got ''"),
    ],
)
def test_faults(text: str | bytes, says: str, write, tmp_path: Path) -> None:
    """Each broken rule is a line with the manifest, the rule and the value."""
    with pytest.raises(DataError, match=says) as caught:
        write(text)
    assert str(caught.value).startswith(f"{tmp_path / 'scans.csv'}: ")
    assert "\n" not in str(caught.value)


def test_all_faults_at_once_with_their_lines(write) -> None:
    """Every faulty line is listed by its number in the file, blank lines and values with line breaks included."""
    with pytest.raises(DataError) as caught:
        write('path,label\na.nii,0\n\nb.nii,what\n"c\nd.nii",1\n,1\n')
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == ["line 4", "line 7"]


def test_every_label_that_is_none_has_its_line(write) -> None:
    """Where all scans of a class have a label that is unknown, each of their lines is named."""
    with pytest.raises(DataError) as caught:
        write("path,label\na.nii,covid\nb.nii,0\nc.nii,covid\nd.nii,covid\n")
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == ["line 2", "line 4", "line 5"]


def test_patient_on_two_sides(write) -> None:
    """Every patient whose scans lie on more than one side is named, with the sides."""
    with pytest.raises(DataError) as caught:
        write("path,label,patient,split\na,0,p,train\nb,0,p,test\nc,1,q,val\nd,1,q,validation\ne,1,r,test\nf,0,r,val\n")
    assert [line.split(": ", 1)[1] for line in str(caught.value).splitlines()] == [
        "patient 'p': all scans of one patient must be on one side, got test and train",
        "patient 'r': all scans of one patient must be on one side, got test and validation",
    ]


def test_positive(write) -> None:
    """`--positive` makes one of two labels abnormal in any letter case, and wins over known names."""
    text = "path,label\na,Covid\nb,flu\nc,covid\n"
    assert [entry.label for entry in write(text, "covid")] == [1, 0, 1]
    assert [entry.label for entry in write("path,label\na,CT-0\nb,CT-1\n", "CT-0")] == [1, 0]


@pytest.mark.parametrize("labels", [("flu", "cold"), ("covid", "covid"), ("covid", "flu", "cold")])
def test_positive_must_be_one_of_two(labels: tuple[str, ...], write) -> None:
    """Another name, one class alone or a third one is refused before any scan is read."""
    with pytest.raises(DataError, match="with --positive covid there must be that label and one other, got"):
        write("path,label\n" + "".join(f"{number}.nii,{label}\n" for number, label in enumerate(labels)), "covid")


def test_no_file(tmp_path: Path) -> None:
    """A missing manifest is a line."""
    with pytest.raises(DataError, match=r"none\.csv: must be a readable CSV file"):
        list_manifest(tmp_path / "none.csv")


def test_a_column_named_twice_is_refused(tmp_path: Path) -> None:
    """Two columns of one name are an error, not a silent choice."""
    manifest = tmp_path / "scans.csv"
    manifest.write_text("path,label,label\na.nii,0,1\n")
    with pytest.raises(DataError, match="every column must be named once"):
        list_manifest(manifest)


def test_semicolons_separate_as_well(tmp_path: Path) -> None:
    """What a spreadsheet with a comma for its decimals exports is read like any other manifest."""
    manifest = tmp_path / "scans.csv"
    manifest.write_text("path;label;patient\na.nii;0;p1\nb.nii;1;p2\n")
    assert [(entry.path.name, entry.label, entry.patient) for entry in list_manifest(manifest)] == [
        ("a.nii", 0, "p1"),
        ("b.nii", 1, "p2"),
    ]
