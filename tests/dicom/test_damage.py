"""Damaged, absurd and hostile files: one line, in little memory and time, and nothing written anywhere."""

import importlib.util
import struct
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from helpers.refusals import refused
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

import ctexp.scans.dicom.header
import ctexp.scans.dicom.library
import ctexp.scans.dicom.parts
from ctexp.errors import ScanError
from ctexp.scans.read import read_scan


def test_every_cut_is_noticed(ct: ModuleType, tmp_path: Path) -> None:
    """A file cut short anywhere is named."""
    folder = ct.write(tmp_path / "scan", ct.slices(), order=None)
    whole = (folder / "004.dcm").read_bytes()
    for cut in range(0, len(whole), 97):
        (folder / "004.dcm").write_bytes(whole[:cut])
        with pytest.raises(ScanError, match=r"004\.dcm: |1 slice is missing"):
            read_scan(folder)
    (folder / "004.dcm").write_bytes(whole[:-1])
    refused(folder, r"004\.dcm: the file ends 1 bytes before its voxels do; copy it again")


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless, None])
def test_cut_and_damaged_packed_slices(syntax: str | None, ct: ModuleType, tmp_path: Path) -> None:
    """A packed slice that is cut short, or claims another size than its header, is named before it is unpacked."""
    parts = ct.slices()
    one = parts[4]
    if syntax is None:
        ct.jpeg_lossless(one)
    else:
        one.compress(syntax, generate_instance_uid=False)
    content = ct.encode(one)
    folder = ct.write(tmp_path / "scan", parts, order=None)
    for cut in (len(content) - 900, content.index(b"\xe0\x7f\x10\x00") + 40):
        (folder / "004.dcm").write_bytes(content[:cut])
        refused(folder, r"004\.dcm: must hold 1 packed slices, they are cut short")
    if syntax != RLELossless:
        marker, shift = {JPEGLSLossless: (b"\xff\xf7", 5), JPEG2000Lossless: (b"\xff\x51", 6)}.get(
            syntax, (b"\xff\xc3", 5)
        )
        at = content.index(marker) + shift
        (folder / "004.dcm").write_bytes(content[:at] + b"\x7f\xff\x7f\xff" + content[at + 4 :])
        refused(folder, r"004\.dcm: packed slices must be 36 x 33 of one colour as the header says")


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        ({"Rows": 65535, "Columns": 65535}, "Rows must be from 2 to 2048, the header says 65535"),
        ({"Columns": 0}, "Columns must be from 2 to 2048, the header says 0"),
        ({"Rows": 2048, "Columns": 2048}, "bytes before its voxels do"),
        ({"Rows": None}, "must say Rows, it does not"),
        ({"NumberOfFrames": 2000000000}, "NumberOfFrames must be from 1 to"),
        ({"BitsAllocated": 1}, "BitsAllocated must be from 8 to 32"),
        ({"BitsAllocated": 24}, "BitsAllocated must be 8, 16 or 32, the header says 24"),
        ({"BitsStored": 40}, "BitsStored must be from 1 to 16"),
        ({"HighBit": 3}, "HighBit must be from 15 to 15"),
        ({"PixelSpacing": None}, "must say PixelSpacing"),
        ({"PixelSpacing": [0, 0.7]}, "spacing must be from 0.001 to 1000 mm"),
        ({"PixelSpacing": [0.7]}, "PixelSpacing must be 2 finite numbers"),
        ({"ImagePositionPatient": [0, 0, 1e8]}, "positions must be below 1e6 mm"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "two unit vectors at right angles"),
        ({"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, "two unit vectors at right angles"),
        ({"RescaleSlope": "0"}, "RescaleSlope must not be 0"),
        ({"RescaleIntercept": "1e30"}, "RescaleIntercept must be 1 finite numbers"),
    ],
)
def test_absurd_headers(tags: dict[str, Any], says: str, ct: ModuleType, tmp_path: Path) -> None:
    """What no CT has is refused with its value, before memory is asked for."""
    refused(ct.write(tmp_path / "scan", ct.slices(**tags)), says)


@pytest.mark.parametrize("tag", [b"\x02\x00\x02\x00UI", b"\x02\x00\x10\x00UI", b"\x28\x00\x30\x00DS"])
def test_kind_of_value_that_does_not_exist(tag: bytes, ct: ModuleType, tmp_path: Path) -> None:
    """A value of a kind that there is not is a damaged header, be it in the file's own group or behind it."""
    content = ct.encode(ct.slices()[0])
    assert tag in content
    parts = [content.replace(tag, tag[:4] + b"QI"), *ct.slices()[1:]]
    refused(ct.write(tmp_path / "scan", parts), r"dcm: the DICOM header is damaged")


def test_absurd_multi_frame_file(ct: ModuleType, tmp_path: Path) -> None:
    """A file must describe every frame that it claims, and hold it."""
    one = ct.multi_frame(ct.slices())
    one.NumberOfFrames = 12
    refused(ct.write(tmp_path / "more", [one]) / "000.dcm", "must describe each of its 12 frames, it describes 10")
    one.NumberOfFrames = 10
    one.PixelData = one.PixelData[:-2]
    refused(ct.write(tmp_path / "cut", [one]) / "000.dcm", "the file ends 2 bytes before its voxels do")
    del one.PerFrameFunctionalGroupsSequence
    del one.SharedFunctionalGroupsSequence
    refused(ct.write(tmp_path / "nowhere", [one]) / "000.dcm", "1 x CT picture without a position")


def test_what_is_no_dicom(ct: ModuleType, tmp_path: Path) -> None:
    """An empty folder, one of other files, and a file whose name promises more than it holds."""
    (tmp_path / "scan" / "deep").mkdir(parents=True)
    refused(tmp_path / "scan", "a scan must be a NIfTI file or hold DICOM files, there is none")
    (tmp_path / "scan" / "deep" / "note").write_bytes(b"text")
    refused(tmp_path / "scan", "there is none")
    (tmp_path / "scan" / "a.DCM").touch()
    refused(tmp_path / "scan", r"a\.DCM: must be a DICOM file as its name says")


def test_file_of_zeros_is_given_up_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight zeros are an empty element to a parser: a file of them is refused after so many, not read to its end."""
    monkeypatch.setattr(ctexp.scans.dicom.header, "MAX_READS", 20_000)
    path = tmp_path / "zeros.dcm"
    path.write_bytes(bytes(128) + b"DICM" + bytes(8 * 30_000))
    refused(path, "the DICOM header is damaged")


def test_deflated_and_unknown_syntaxes(ct: ModuleType, tmp_path: Path) -> None:
    """A header that is itself packed could unpack to anything; a codec that nothing reads is named as such."""
    for uid, says in (
        ("1.2.840.10008.1.2.1.99", "deflated DICOM"),
        ("1.2.840.10008.1.2.4.100", "packed (in a way|slices)"),
    ):
        content = ct.encode(ct.slices()[0])
        old = content.index(b"1.2.840.10008.1.2.1\0")
        length = len(uid) + len(uid) % 2
        grown = content[: old - 2] + struct.pack("<H", length) + uid.encode().ljust(length, b"\0") + content[old + 20 :]
        folder = ct.write(tmp_path / uid, [grown, *ct.slices()[1:]])
        refused(folder, says)


def test_pipe_is_not_waited_for(ct: ModuleType, assert_whole: Callable, tmp_path: Path) -> None:
    """What is no regular file is passed over."""
    folder = ct.write(tmp_path / "scan", ct.slices())
    import os

    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.dcm")
    (folder / "loop.dcm").symlink_to(folder / "loop.dcm")
    assert_whole(read_scan(folder))


def test_too_many_files(ct: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of half a disk is not read through."""
    monkeypatch.setattr(ctexp.scans.dicom.parts, "MAX_PARTS", 5)
    refused(ct.write(tmp_path / "scan", ct.slices()), "one series' folder, this one holds over 5 files")


def test_missing_extra(ct: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pydicom the one line says what to install."""

    def absent() -> None:
        raise ImportError("No module named 'pydicom'")

    monkeypatch.setattr(ctexp.scans.dicom.library, "_load", absent)
    folder = ct.write(tmp_path / "scan", ct.slices())
    refused(folder, r'reading DICOM needs the extra: pip install "ctexp\[dicom\]"$')
    refused(folder / "003.dcm", r"pip install")


def test_without_the_extra_nothing_is_loaded() -> None:
    """Reading NIfTI never loads pydicom: that the door itself is lazy is what keeps the extra one."""
    assert importlib.util.find_spec("pydicom") is not None
    source = Path(ctexp.scans.dicom.library.__file__).parent
    for path in source.glob("*.py"):
        heads = [line for line in path.read_text().splitlines() if line.startswith(("import ", "from "))]
        assert not [line for line in heads if "pydicom" in line and "ctexp" not in line], path


@pytest.fixture(scope="module")
def contents(ct: ModuleType) -> list[tuple[list[bytes], int]]:
    """Small series in several syntaxes, with the length of their headers."""
    made = []
    for syntax in ("", RLELossless, JPEGLSLossless, JPEG2000Lossless, "1.2.840.10008.1.2", "jpeg", "frames"):
        parts = ct.slices(hu=ct.HU[:, :, :4], PixelPaddingValue=0)
        if syntax == "frames":
            parts = [ct.multi_frame(parts)]
        for one in parts:
            if syntax == "jpeg":
                ct.jpeg_lossless(one)
            elif syntax == "1.2.840.10008.1.2":
                one.file_meta.TransferSyntaxUID = syntax
            elif syntax and syntax != "frames":
                one.compress(syntax, generate_instance_uid=False)
        encoded = [ct.encode(one) for one in parts]
        made.append((encoded, encoded[0].index(b"\xe0\x7f\x10\x00") + 120))
    return made


@settings(max_examples=100)
@given(
    which=st.integers(0, 6),
    changes=st.lists(
        st.tuples(st.floats(0, 1), st.one_of(st.sampled_from([0, 1, 127, 128, 255]), st.integers(0, 255))), max_size=8
    ),
    cut=st.one_of(st.none(), st.floats(0, 1)),
)
@pytest.mark.filterwarnings("ignore:.*:UserWarning:pydicom")  # the fixture's filters hide those set at loading
def test_any_header_is_read_or_refused(
    which: int,
    changes: list[tuple[float, int]],
    cut: float | None,
    contents: list[tuple[list[bytes], int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Whatever bytes a slice's header and first voxels have, the series is read or refused by one line."""
    encoded, length = contents[which]
    changed = bytearray(encoded[0])
    for place, value in changes:
        changed[132 + int(place * (length - 133))] = value
    if cut is not None:
        del changed[int(cut * len(changed)) :]
    folder = tmp_path_factory.mktemp("scan")
    for number, content in enumerate([bytes(changed), *encoded[1:]]):
        (folder / f"{number}.dcm").write_bytes(content)
    try:
        finite = bool(np.isfinite(read_scan(folder).hu).all())
        message = str(folder)
    except ScanError as error:
        finite, message = True, str(error)
    assert finite
    assert message.startswith(str(folder))
    assert "\n" not in message
