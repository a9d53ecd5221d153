"""The table that MLflow hands a served version, to the table that it gives back.

A row is one scan in one of three columns: `path`, `nifti` or `array`. Whoever fills them may be anybody: what is wrong
is one sentence, and no row is answered then.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ctexp.errors import InputError, ScanError
from ctexp.registry.predictor import Predictor
from ctexp.scans.nifti import decode_nifti
from ctexp.scans.quality import Quality
from ctexp.scans.read import read_scan

COLUMNS = {
    "path": "a file, folder or zip that the serving process can read",
    "nifti": "the bytes of a .nii or .nii.gz file, base64",
    "array": "a prepared scan (rows, columns, slices), float32 in 0..1, which is answered without being judged",
}
"""What a row may have, exactly one of them."""
RESULTS = ("normal", "abnormal", "label", "quality", "findings")
NOT_JUDGED = "not judged"
_RULE = f"each row must have exactly one of the columns {', '.join(COLUMNS)}"

_BARE = '{"inputs": {"array": [...]}}'


@dataclass(frozen=True)
class Cell:
    """One scan as it was handed in.

    Attributes:
        place: which row, for errors; 1 is the first.
        column: of `COLUMNS`.
        value: what stands in it.
    """

    place: str
    column: str
    value: Any


def answer_table(predictor: Predictor, table: Any) -> list[dict[str, Any]]:
    """Answer on every row.

    Args:
        predictor: that answers.
        table: a pandas data frame, or a mapping of columns to values.

    Returns:
        One object a row: probabilities `normal` and `abnormal`, `label`, the verdict `quality` and its `findings`.

    Raises:
        InputError: a row breaks a rule, or is no readable chest CT in HU; the message begins with its number.
    """
    cells = list(read_cells(table))
    if not cells:
        raise InputError(f"input: must have at least one row, {_RULE}; it has none")
    return [_answer(predictor, cell) for cell in cells]


def read_cells(table: Any) -> Iterator[Cell]:
    """Give the scans of a table in its order; a value that is a list of texts is several of them.

    Raises:
        InputError: it is no table, or a row has none or several of the columns.
    """
    if not (isinstance(table, Mapping) or hasattr(table, "columns")):
        raise InputError(f"input: must be a table, {_RULE}; got {type(table).__name__}")
    present = [name for name in COLUMNS if name in table]
    if not present:
        named = ", ".join(str(name)[:50] for name in list(table)[:5]) or "no column"
        raise InputError(f"input: {_RULE}; got {named}; a bare array is sent as {_BARE}")
    try:
        rows = list(zip(*(table[name] for name in present), strict=True))
    except (TypeError, ValueError) as error:
        raise InputError(f"input: columns must be equally long lists, {_RULE}") from error
    number = 0
    for row in rows:
        filled = [(name, value) for name, value in zip(present, row, strict=True) if not _is_missing(value)]
        if len(filled) != 1:
            found = " and ".join(name for name, _ in filled) or "none"
            raise InputError(f"row {number + 1}: {_RULE}; got {found}")
        name, value = filled[0]
        several = isinstance(value, list) and name != "array" and all(isinstance(one, str) for one in value)
        for one in value if several else [value]:
            number += 1
            yield Cell(f"row {number}", name, one)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _answer(predictor: Predictor, cell: Cell) -> dict[str, Any]:
    if cell.column == "array":
        each = predictor.ask(_array(cell, predictor.manifest.scan.shape)[None, ..., None])[:, 0]
        return _row(predictor.conclude(each, Quality()).as_row(), NOT_JUDGED, "")
    if not isinstance(cell.value, str):
        raise InputError(f"{cell.place}: {cell.column} must be text, got {type(cell.value).__name__}")
    if cell.column == "path":
        try:
            volume = read_scan(Path(cell.value))
        except ScanError as error:
            raise InputError(f"{cell.place}: {error}") from error
        except ValueError as error:  # a path with a zero byte
            raise InputError(f"{cell.place}: path must be the name of a file: {error}") from error
    else:
        volume = decode_nifti(_decoded(cell), cell.place)
    outcome = predictor.answer(volume)
    if outcome.prediction is None:
        raise InputError(f"{cell.place}: {outcome.refusal}")
    findings = "; ".join(one.text for one in outcome.quality.findings)
    return _row(outcome.prediction.as_row(), outcome.quality.verdict, findings)


def _row(answer: Mapping[str, Any], verdict: str, findings: str) -> dict[str, Any]:
    return {**{name: answer[name] for name in RESULTS[:3]}, "quality": verdict, "findings": findings}


def _decoded(cell: Cell) -> bytes:
    try:
        return base64.b64decode(cell.value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"{cell.place}: nifti must be a NIfTI file in base64: {error}") from error


def _array(cell: Cell, shape: tuple[int, int, int]) -> npt.NDArray[np.float32]:
    words = " x ".join(map(str, shape))
    try:
        array = np.asarray(cell.value, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"{cell.place}: array must be numbers, {words}, in equally long lists") from error
    if array.shape == (*shape, 1):
        array = array[..., 0]
    if array.shape != shape:
        got = " x ".join(map(str, array.shape)) or "one number"
        raise InputError(f"{cell.place}: array must be a prepared scan of {words} (rows, columns, slices), got {got}")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0.0 and high <= 1.0):
        raise InputError(
            f"{cell.place}: array must be prepared, from 0 (bottom of the scale) to 1, got {low:g} to {high:g}; "
            "HU go into the columns path or nifti"
        )
    return array
