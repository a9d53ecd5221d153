"""What a header says about a patient stays in it."""

import logging
from pathlib import Path
from types import ModuleType

import pytest

from ctexp.config import ScanSettings
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.ingest import ingest
from ctexp.errors import ScanError
from ctexp.scans.prepare import prepare
from ctexp.scans.read import ReadOptions, open_scan

WORD = "ZYXWVU"
TAGS = {
    "PatientName": f"{WORD}^NAME", "PatientID": f"{WORD}-ID", "PatientBirthDate": "19121112",
    "AccessionNumber": f"{WORD}ACC", "InstitutionName": f"{WORD} Hospital", "StudyDate": "19121112",
    "StudyDescription": f"{WORD} study", "SeriesDescription": f"{WORD} series", "ProtocolName": f"{WORD} plan",
    "ReferringPhysicianName": f"{WORD}^DOCTOR", "StationName": WORD, "StudyID": WORD,
    "RescaleType": WORD,
}  # fmt: skip


def damaged(content: bytes, *changes: tuple[bytes, bytes]) -> bytes:
    """Replace some bytes of a file."""
    for old, new in changes:
        assert len(old) == len(new)
        assert old in content
        content = content.replace(old, new)
    return content


def test_no_header_text_gets_out(
    ct: ModuleType,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    recwarn: pytest.WarningsRecorder,
) -> None:
    """Notes, errors, warnings, logs and the cache hold nothing of a header, even of tags whose value is no value."""
    caplog.set_level(logging.DEBUG)
    parts = ct.slices(**TAGS)
    whole = [ct.encode(one) for one in parts]
    cases = {
        "whole": whole,
        "two series": [*whole, *(ct.encode(one) for one in ct.slices(uid="1.2.19121112", number=8, **TAGS)[:5])],
        "missing": whole[:3] + whole[4:],
        "modality": [damaged(one, (b"CS\x02\x00CT", b"CS\x02\x00ZY")) for one in whole],
        "slope": [ct.encode(one) for one in parts],
        "cut": [whole[0][:400], *whole[1:]],
        "no pixels": [one[: one.index(b"\xe0\x7f\x10\x00")] for one in whole],
    }
    said = []
    for tag in ("ImagePositionPatient", "RescaleSlope", "SeriesNumber", "SeriesInstanceUID", "ImageType", "Modality"):
        changed = ct.slices(**TAGS)
        for one in changed:
            one.SpecificCharacterSet = WORD
        content = [bytearray(ct.encode(one)) for one in changed]
        for one in content:
            element = ct.tag_bytes(tag)
            at = one.index(element) + 8
            length = int.from_bytes(one[at - 2 : at], "little")
            one[at : at + length] = (WORD * 20).encode()[:length]
        cases[tag] = [bytes(one) for one in content]
    cache = ScanCache(tmp_path / "cache", ScanSettings(shape=(8, 8, 8)))
    caplog.clear()  # writing such files is not silent
    recwarn.clear()
    capfd.readouterr()
    for name, contents in cases.items():
        folder = ct.write(tmp_path / name, contents)
        for options in (ReadOptions(), ReadOptions(allow_gaps=True), ReadOptions(series="8")):
            try:
                scan = open_scan(folder, options)
                volume = scan.decode()
                said += [*scan.notes, repr(volume)]
                cache.store(scan.sha256, prepare(volume, cache.settings))
            except ScanError as error:
                said.append(str(error))
                while error is not None:  # what --debug would print
                    said.append(repr(error))
                    error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
            said += [str(one.error) for one in ingest([folder], cache)]
    shown = capfd.readouterr()
    said += [caplog.text, shown.out, shown.err, *(str(one.message) for one in recwarn)]
    entries = list(cache.folder.iterdir())
    assert entries
    for text in said:
        assert WORD not in text
        assert "19121112" not in text.replace("...19121112", "")
    for path in entries:
        assert WORD.encode() not in path.read_bytes()
        assert WORD not in path.name
