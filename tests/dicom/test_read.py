"""A series and the NIfTI made of it are the same volume, however the series is stored."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from ctexp.errors import ScanError
from ctexp.scans.read import ReadOptions, open_scan, read_scan


@pytest.mark.parametrize("codes", ["LPS", "LPI", "RAS", "RPS", "LAI"])
def test_axial_slices_in_any_direction(codes: str, ct: ModuleType, assert_whole: Callable, tmp_path: Path) -> None:
    """Head first or feet first, prone or supine: names and numbers say nothing, positions everything."""
    assert_whole(read_scan(ct.write(tmp_path / "scan", ct.slices(codes))))


@pytest.mark.parametrize("codes", ["LSP", "PSL", "LIA", "AIR"])
def test_other_planes_when_asked(codes: str, ct: ModuleType, assert_whole: Callable, tmp_path: Path) -> None:
    """Coronal and sagittal slices are the same volume, and are read when their series is named."""
    folder = ct.write(tmp_path / "scan", ct.slices(codes))
    with pytest.raises(ScanError, match=r"must have axial slices, here is series 3 \(.*(coronal|sagittal)\)"):
        read_scan(folder)
    assert_whole(read_scan(folder, ReadOptions(series="3")))


@pytest.mark.parametrize(
    ("slope", "intercept", "dtype"),
    [(1, -1024, "u2"), (1, 0, "i2"), (1, -1024, "i2"), (2, -1024, "u2"), (0.5, -1024, "u2"), (1, -1024, "u4")],
)
def test_stored_numbers(
    slope: float, intercept: float, dtype: str, ct: ModuleType, assert_whole: Callable, tmp_path: Path
) -> None:
    """Signed or not, with any slope and intercept; what is stored is kept as it is."""
    hu = ct.HU // 2 * 2 if slope == 2 else ct.HU
    volume = read_scan(ct.write(tmp_path / "scan", ct.slices(hu=hu, slope=slope, intercept=intercept, dtype=dtype)))
    assert volume.stored.dtype == np.dtype(dtype)
    if slope == 2:
        np.testing.assert_array_equal(volume.hu, hu)
    else:
        assert_whole(volume)


def test_scaling_that_differs_between_slices(ct: ModuleType, assert_whole: Callable, tmp_path: Path) -> None:
    """Each slice has its own slope and intercept; whole HU stay int16, others become float32."""
    mixed = ct.slices(intercept=-1024)[::2] + ct.slices(intercept=-2000)[1::2]
    volume = read_scan(ct.write(tmp_path / "whole", mixed))
    assert volume.stored.dtype == np.int32  # 65535 - 1024 is beyond int16
    assert_whole(volume)
    for one in mixed:
        one.BitsStored, one.HighBit = 12, 11
    volume = read_scan(ct.write(tmp_path / "twelve", mixed))
    assert volume.stored.dtype == np.int16
    assert_whole(volume)
    halves = ct.slices(slope=1)[::2] + ct.slices(slope=0.5)[1::2]
    volume = read_scan(ct.write(tmp_path / "halves", halves))
    assert volume.stored.dtype == np.float32
    assert_whole(volume)


@pytest.mark.parametrize("value", [5000, 63536, 0])
@pytest.mark.parametrize("signed", [False, True])
def test_padding_is_air(value: int, signed: bool, ct: ModuleType, assert_whole: Callable, tmp_path: Path) -> None:
    """The number that stands for no measurement is air, be it above all tissue, or written with the other sign."""
    parts = ct.slices(intercept=-1024, dtype="i2" if signed else "u2")
    for one in parts:
        pixels = np.frombuffer(one.PixelData, "<u2").copy()
        pixels[-1] = value  # in RAS it is the corner that is air
        one.PixelData = pixels.tobytes()
        one.add_new("PixelPaddingValue", "US", value)
    assert_whole(read_scan(ct.write(tmp_path / "scan", parts)))


def test_range_of_padding_and_bits_beside_the_number(ct: ModuleType, assert_whole: Callable, tmp_path: Path) -> None:
    """A range of padding is air, too; the bits that a 12-bit number leaves free may hold an overlay."""
    parts = ct.slices()
    for number, one in enumerate(parts):
        pixels = np.frombuffer(one.PixelData, "<u2") | (np.arange(36 * 33) % 3 << 12)
        pixels[-1] = 4000 + number
        one.PixelData = pixels.astype("<u2").tobytes()
        one.BitsStored, one.HighBit = 12, 11
        one.add_new("PixelPaddingValue", "US", 4000)
        one.add_new("PixelPaddingRangeLimit", "US", 4095)
    assert_whole(read_scan(ct.write(tmp_path / "scan", parts)))


def test_sign_of_a_12_bit_number(ct: ModuleType, assert_whole: Callable, tmp_path: Path) -> None:
    """A negative number of 12 bits is negative, whatever the 4 bits above it hold."""
    parts = ct.slices(intercept=0, dtype="i2")
    for one in parts:
        one.PixelData = (np.frombuffer(one.PixelData, "<u2") & 0x0FFF).tobytes()
        one.BitsStored, one.HighBit = 12, 11
    assert_whole(read_scan(ct.write(tmp_path / "scan", parts)))


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_other_byte_orders(syntax: str, ct: ModuleType, assert_whole: Callable, tmp_path: Path) -> None:
    """Implicit and big-endian files are the same scan."""
    parts = ct.slices(PixelPaddingValue=0)
    for one in parts:
        one.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            one.PixelData = np.frombuffer(one.PixelData, "<u2").astype(">u2").tobytes()
            one["PixelData"].VR = "OW"
    assert_whole(read_scan(ct.write(tmp_path / "scan", parts)))


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("dtype", ["u2", "i2"])
def test_compressed_slices(syntax: str, dtype: str, ct: ModuleType, assert_whole: Callable, tmp_path: Path) -> None:
    """RLE, JPEG-LS and JPEG 2000 unpack to the same 16 bits."""
    parts = ct.slices(dtype=dtype)
    for one in parts:
        one.compress(syntax, generate_instance_uid=False)
        assert one.file_meta.TransferSyntaxUID == syntax
    assert_whole(read_scan(ct.write(tmp_path / "scan", parts)))


@pytest.mark.parametrize("dtype", ["u2", "i2"])
def test_jpeg_lossless_slices(dtype: str, ct: ModuleType, assert_whole: Callable, tmp_path: Path) -> None:
    """JPEG lossless unpacks to the same 16 bits; both of its syntaxes are the same process here."""
    parts = [ct.jpeg_lossless(one) for one in ct.slices(dtype=dtype)]
    for one in parts[::2]:
        one.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.57"
    assert_whole(read_scan(ct.write(tmp_path / "scan", parts)))


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEGLSLossless])
def test_multi_frame_file(syntax: str | None, ct: ModuleType, assert_whole: Callable, tmp_path: Path) -> None:
    """One Enhanced CT with all slices in any order, packed or not, is a scan; alone, in a folder or in a zip."""
    parts = ct.slices()
    one = ct.multi_frame([parts[place] for place in (3, 1, 4, 0, 5, 9, 2, 6, 8, 7)])
    if syntax:
        one.compress(syntax, generate_instance_uid=False)
    folder = ct.write(tmp_path / "scan", [one], name="EXPORT")
    assert_whole(read_scan(folder / "EXPORT"))
    assert_whole(read_scan(folder))
    assert_whole(read_scan(ct.pack(folder, tmp_path / "scan.zip")))


def test_nested_export(ct: ModuleType, assert_whole: Callable, tmp_path: Path) -> None:
    """Slices spread over folders without suffixes, among viewers, hidden files and an index, in a zip or not."""
    folder = tmp_path / "CD"
    parts = ct.slices()
    ct.write(folder / "DICOM" / "ST0" / "SE0", parts[:6], name="IM{}")
    ct.write(folder / "DICOM" / "ST0" / "SE1", parts[6:], name="IM{}")
    (folder / "viewer.exe").write_bytes(b"MZ" + bytes(300))
    (folder / "empty").touch()
    (folder / ".DS_Store").write_bytes(b"DICM" * 50)
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "._IM0.dcm").write_bytes(b"junk")
    (folder / "DICOM" / "loop").symlink_to(folder, target_is_directory=True)
    assert_whole(read_scan(folder))
    (folder / "DICOM" / "loop").unlink()
    archive = ct.pack(folder, tmp_path / "a scan, größer 肺.ZIP")
    shutil.rmtree(folder)
    before = sorted(tmp_path.rglob("*"))
    assert_whole(read_scan(archive))
    assert sorted(tmp_path.rglob("*")) == before


def test_file_without_preamble(ct: ModuleType, assert_whole: Callable, tmp_path: Path) -> None:
    """A file whose program left out preamble and magic is recognised by its first element."""
    contents = []
    for one in ct.slices():
        one.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        content = ct.encode(one)
        contents.append(content[content.index(b"\x08\x00\x08\x00") :])
    assert_whole(read_scan(ct.write(tmp_path / "scan", contents, name="{}")))


def test_copies_are_taken_once(ct: ModuleType, assert_whole: Callable, tmp_path: Path) -> None:
    """A nested export that holds every file twice is one scan."""
    parts = ct.slices()
    ct.write(tmp_path / "scan" / "one", parts)
    ct.write(tmp_path / "scan" / "two", parts, order=3)
    assert_whole(read_scan(tmp_path / "scan"))


def test_hash_is_of_the_slices(ct: ModuleType, tmp_path: Path) -> None:
    """Names, folders, the archive and what else lies there do not change the hash; a voxel does."""
    parts = ct.slices()
    first = open_scan(ct.write(tmp_path / "one", parts)).sha256
    other = ct.write(tmp_path / "two" / "deep", parts, name="IM{}", order=99)
    (other / "note").write_bytes(b"hello")
    ct.write(other, ct.slices("PSL", uid=ct.SERIES + ".7", number=7)[:5], name="sagittal{}")
    assert open_scan(tmp_path / "two").sha256 == first
    assert open_scan(ct.pack(tmp_path / "two", tmp_path / "two.zip")).sha256 == first
    parts[4].PixelData = parts[4].PixelData[:-2] + b"\x07\x00"
    assert open_scan(ct.write(tmp_path / "three", parts)).sha256 != first


def test_a_long_sequence_without_a_length(ct: ModuleType, assert_whole: Callable, tmp_path: Path) -> None:
    """A sequence of undefined length that reaches beyond the first 64 KiB, as many writers leave it, is no damage."""
    one = ct.multi_frame(ct.slices())
    frames = one.PerFrameFunctionalGroupsSequence
    for frame in frames:
        note = Dataset()
        note.FrameComments = "x" * 9000
        frame.FrameContentSequence = Sequence([note])
    assert len(ct.encode(one)) > 90_000 + len(one.PixelData)
    for undefined in (False, True):
        one["PerFrameFunctionalGroupsSequence"].is_undefined_length = undefined
        path = tmp_path / f"{undefined}.dcm"
        path.write_bytes(ct.encode(one))
        assert_whole(read_scan(path))
