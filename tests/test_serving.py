"""The tables that a served version takes: which cells are scans, and one sentence for what is none."""

import pytest

from ctexp.errors import InputError
from ctexp.registry.example import example_nifti
from ctexp.registry.serving import Cell, read_cells

RULE = "each row must have exactly one of the columns path, nifti, array"


def test_each_row_is_one_scan() -> None:
    """Rows may differ in their column; what is empty in the others (None, NaN) does not count."""
    table = {"path": ["a.nii", None, float("nan")], "nifti": [None, "AAAA", None], "array": [None, None, [[[0]]]]}
    assert list(read_cells(table)) == [
        Cell("row 1", "path", "a.nii"), Cell("row 2", "nifti", "AAAA"), Cell("row 3", "array", [[[0]]])
    ]  # fmt: skip


def test_list_of_texts_in_a_cell_is_several_scans() -> None:
    """MLflow turns a mapping of lists into one row of lists; each text is a scan all the same."""
    assert [cell.value for cell in read_cells({"path": [["a.nii", "b.nii"]]})] == ["a.nii", "b.nii"]


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (5, f"input: must be a table, {RULE}; got int"),
        ({"scan": ["a"]}, f"input: {RULE}; got scan; "),
        ({"path": ["a"], "nifti": ["b"]}, f"row 1: {RULE}; got path and nifti"),
        ({"path": ["a", None]}, f"row 2: {RULE}; got none"),
        ({"path": ["a"], "nifti": []}, "input: columns must be equally long lists"),
        ({"path": 5}, "input: columns must be equally long lists"),
    ],
)
def test_what_is_no_table_of_scans_is_one_sentence(table, sentence) -> None:
    """A wrong table, row or column is refused with the rule, on one line."""
    with pytest.raises(InputError) as caught:
        list(read_cells(table))
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_example_is_a_readable_chest() -> None:
    """The input example of a registered version is always the same, and no rule refuses it."""
    import base64

    from ctexp.scans.nifti import decode_nifti
    from ctexp.scans.quality import assess

    volume = decode_nifti(base64.b64decode(example_nifti()), "example")
    assert volume.synthetic
    assert assess(volume).verdict == "ok"
    assert example_nifti() == example_nifti()
