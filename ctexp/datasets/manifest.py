"""A CSV manifest: `path,label[,patient][,split]`, one scan a line."""

import csv
from pathlib import Path
from typing import get_args

from ctexp.datasets.entries import Entry, Side
from ctexp.datasets.labels import KNOWN_NAMES, first_names, label_of
from ctexp.errors import DataError

_SIDE_WORDS = {"train": "train", "training": "train", "val": "validation", "valid": "validation"}
_SIDE_WORDS |= {side: side for side in get_args(Side)}
_COLUMNS = ("path", "label", "patient", "split")


def list_manifest(manifest: Path, positive: str | None = None) -> list[Entry]:
    """List the scans of a manifest, in its order.

    Args:
        manifest: UTF-8 CSV with a header line; relative paths start at its own folder. Without a `patient` column
            every scan is a patient of its own; with a `split` column every line says train, validation or test.
        positive: the label that is abnormal when the labels are the user's own.

    Raises:
        DataError: every line that breaks a rule, all at once; or a patient on two sides.
    """
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as stream:
            first = stream.readline()
            stream.seek(0)
            # Spreadsheets of half of Europe write semicolons.
            separator = ";" if ";" in first and "," not in first else ","
            reader = csv.DictReader(stream, skipinitialspace=True, delimiter=separator)
            columns = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{manifest}: must be a readable CSV file: {error}") from error
    if "path" not in columns or "label" not in columns:
        raise DataError(
            f"{manifest}: the first line must name the columns path,label[,patient][,split], got {', '.join(columns)}"
        )
    if len(set(columns)) < len(columns):
        raise DataError(f"{manifest}: every column must be named once, got {', '.join(columns)}")
    unknown = [name for name in columns if name not in _COLUMNS]
    if unknown:
        remedy = f"rename or remove {'it' if len(unknown) == 1 else 'them'}"
        got = ", ".join(map(repr, unknown))
        raise DataError(f"{manifest}: columns must be among {', '.join(_COLUMNS)}, got {got}; {remedy}")
    entries, faults = [], []
    for number, row in rows:
        entry = _entry(row, manifest.parent, positive, with_patient="patient" in columns, with_side="split" in columns)
        if isinstance(entry, str):
            faults.append(f"{manifest}: line {number}: {entry}")
        else:
            entries.append(entry)
    if positive is not None and not faults and entries:
        names = sorted({entry.class_name.casefold() for entry in entries})
        if len(names) != 2 or positive.strip().casefold() not in names:
            faults.append(
                f"{manifest}: with --positive {positive} there must be that label and one other, "
                f"got {first_names(names)}"
            )
    faults += _patients_on_two_sides(entries, manifest)
    if faults:
        raise DataError("\n".join(faults))
    if not entries:
        raise DataError(f"{manifest}: must list at least one scan, it has only its header")
    return entries


def _entry(
    row: dict[str, str | None], folder: Path, positive: str | None, *, with_patient: bool, with_side: bool
) -> Entry | str:
    """Give the entry of one line, or the sentence that says what is wrong with it."""
    if None in row or None in row.values():
        return "must have as many values as the first line has columns"
    values = {key: (value or "").strip() for key, value in row.items()}
    if not values["path"]:
        return "path must not be empty"
    label = label_of(values["label"], positive) if values["label"] else None
    if label is None:
        return f"label must be one of {KNOWN_NAMES}, got {values['label']!r}; name your own with --positive"
    side = _SIDE_WORDS.get(values["split"].casefold()) if with_side else None
    if with_side and side is None:
        return f"split must be train, validation or test, got {values['split']!r}"
    if with_patient and not values["patient"]:
        return "patient must not be empty; leave the column out where every scan is a patient of its own"
    path = folder / values["path"]
    patient = values["patient"] if with_patient else str(path)
    return Entry(path, label, values["label"], patient, side)  # type: ignore[arg-type]  # the words map to sides


def _patients_on_two_sides(entries: list[Entry], manifest: Path) -> list[str]:
    sides: dict[str, set[str]] = {}
    for entry in entries:
        if entry.side is not None:
            sides.setdefault(entry.patient, set()).add(entry.side)
    return [
        f"{manifest}: patient {patient!r}: all scans of one patient must be on one side, got {' and '.join(sorted(on))}"
        for patient, on in sides.items()
        if len(on) > 1
    ]
