"""Zips of DICOM files: read in place, and the hostile ones refused in one line."""

import io
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from helpers.refusals import refused

import ctexp.scans.dicom.archive
from ctexp.scans.read import ReadOptions, read_scan


def zipped(path: Path, members: dict[str, bytes], **options: Any) -> Path:
    """Write a zip of made-up members."""
    with zipfile.ZipFile(path, "w", **options) as stream:
        for name, content in members.items():
            stream.writestr(name, content)
    return path


class TestZip:
    """Archives."""

    def test_names_that_lead_elsewhere_are_only_names(
        self, ct: ModuleType, assert_whole: Callable, tmp_path: Path
    ) -> None:
        """Nothing is written, so a name cannot lead anywhere."""
        members = {f"../../{index}.dcm": ct.encode(one) for index, one in enumerate(ct.slices())}
        members |= dict.fromkeys(("..", "..\\..", "\\", "/"), b"x")
        before = sorted(tmp_path.parent.rglob("*"))
        path = zipped(tmp_path / "a.zip", members)
        assert_whole(read_scan(path))
        assert sorted(tmp_path.parent.rglob("*")) == sorted([*before, path])

    def test_damage(self, ct: ModuleType, tmp_path: Path) -> None:
        """Cut, changed, empty, encrypted and oddly packed archives are named."""
        whole = ct.pack(ct.write(tmp_path / "scan", ct.slices()), tmp_path / "a.zip").read_bytes()
        path = tmp_path / "b.zip"
        path.write_bytes(whole[: len(whole) // 2])
        refused(path, "the zip archive is cut short")
        middle = len(whole) // 4
        path.write_bytes(whole[:middle] + bytes(200) + whole[middle + 200 :])
        refused(path, "damaged in the zip archive|zip archive is damaged")
        refused(zipped(path, {}), "there is none")
        changed = bytearray(whole)
        changed[changed.index(b"PK\x01\x02") + 8] |= 1
        path.write_bytes(changed)
        refused(path, "must not be encrypted")
        refused(zipped(path, {"a.dcm": b"text"}, compression=zipfile.ZIP_LZMA), "stored or deflated")

    def test_bombs(self, ct: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Too much, too many, and a size that is a lie are refused in little memory."""
        content = ct.encode(ct.slices()[0]) + bytes(32 << 20)
        path = zipped(tmp_path / "a.zip", {"a.dcm": content}, compression=zipfile.ZIP_DEFLATED)
        lie = bytearray(path.read_bytes())
        for magic, shift in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
            at = lie.index(magic) + shift
            lie[at : at + 4] = struct.pack("<I", 2000)
        path.write_bytes(lie)
        refused(path, "damaged|cut short|bytes before|no end")
        for at in (lie.index(b"PK\x03\x04") + 22, lie.index(b"PK\x01\x02") + 24):
            lie[at : at + 4] = struct.pack("<I", 0xFFFFFFF0)
        path.write_bytes(lie + b"")
        monkeypatch.setattr(ctexp.scans.dicom.archive, "MAX_BYTES", 1 << 30)
        refused(path, r"at most 50,000 files and 4 GiB unpacked, it claims 1 and 4,294,967,280 bytes")
        monkeypatch.setattr(ctexp.scans.dicom.archive, "MAX_PARTS", 3)
        refused(zipped(path, {str(index): b"" for index in range(4)}), "at most 3 files")

    def test_directory_of_members_is_bounded(self, ct: ModuleType, tmp_path: Path) -> None:
        """An archive whose list of members is huge, or of the kind for huge ones, is refused before it is read."""
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("a", b"")
        whole = stream.getvalue()
        end = whole.index(b"PK\x05\x06")
        path = tmp_path / "a.zip"
        path.write_bytes(whole[: end + 12] + struct.pack("<I", 1 << 30) + whole[end + 16 :])
        refused(path, "at most 50,000 files and 4 GiB")
        path.write_bytes(whole[:end] + struct.pack("<4sIQI", b"PK\x06\x07", 0, 0, 1) + whole[end:])
        refused(path, "at most 50,000 files and 4 GiB")

    def test_several_patients_are_refused_as_in_a_folder(self, ct: ModuleType, tmp_path: Path) -> None:
        """What is no scan as a folder is none zipped; one named by --series, or all of one study, is."""
        for number, study in ((3, "1.2.3"), (4, "1.2.4")):
            parts = ct.slices(uid=f"1.2.{number}", number=number, StudyInstanceUID=study)
            ct.write(tmp_path / "export" / f"patient {number}", parts)
        path = ct.pack(tmp_path / "export", tmp_path / "a.zip")
        refused(
            path, "must hold one scan, it holds 2 sub-folders with series: series 3 .* in export/patient 3, series 4"
        )
        assert read_scan(path, ReadOptions(series="4")).shape[2] == 10
        for home in (tmp_path / "flat", tmp_path / "flat" / "below"):  # all at the root, and one beneath the other
            ct.write(tmp_path / "flat", ct.slices(uid="1.2.3", number=3, StudyInstanceUID="1.2.3"), name="a{}")
            ct.write(home, ct.slices(uid="1.2.4", number=4, StudyInstanceUID="1.2.4"), name="b{}")
            flat = ct.pack(tmp_path / "flat", tmp_path / "flat.zip")
            refused(
                flat, "holds series of 2 studies: series 3 .*, series 4 .*; give each a folder of its own, or pick a "
            )
            assert read_scan(flat, ReadOptions(series="4")).shape[2] == 10
            shutil.rmtree(tmp_path / "flat")
        for number in (3, 4):
            parts = ct.slices(uid=f"1.2.{number}", number=number, StudyInstanceUID="1.2.3")
            ct.write(tmp_path / "study" / f"series {number}", parts)
        assert read_scan(ct.pack(tmp_path / "study", tmp_path / "b.zip")).shape[2] == 10
