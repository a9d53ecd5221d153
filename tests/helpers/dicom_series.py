"""Small CT series made with pydicom: one RAS volume, stored as slices in any orientation, syntax and number format."""

import io
import struct
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.orientations import axcodes2ornt, ornt_transform
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as Items
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

AFFINE = np.array([[0.7, 0, 0, -12.0], [0, 0.9, 0, 30.0], [0, 0, 2.5, -400.0], [0, 0, 0, 1]])
HU = np.random.default_rng(5).integers(-1000, 1000, (36, 33, 10)).astype(np.int16)
HU[0, 0, :] = -1000
SERIES = "1.2.826.0.1.3680043.8.498.1001"


def slices(
    codes: str = "LPS",
    *,
    hu: np.ndarray = HU,
    affine: np.ndarray = AFFINE,
    slope: float = 1.0,
    intercept: float = -1024.0,
    dtype: str = "u2",
    uid: str = SERIES,
    number: int = 3,
    **tags: Any,
) -> list[Dataset]:
    """Make one dataset a slice; the volume's axes are stored as `codes` say (columns, rows, slices)."""
    turned = nib.Nifti1Image(hu, affine).as_reoriented(ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes)))
    stored = np.rint((np.asarray(turned.dataobj).astype(np.float64) - intercept) / slope).astype(dtype)
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ turned.affine
    lengths = np.sqrt((lps[:3, :3] ** 2).sum(axis=0))
    made = []
    for index in range(stored.shape[2]):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = CTImageStorage
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        one.Modality = "CT"
        one.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        one.SeriesInstanceUID, one.SeriesNumber, one.InstanceNumber = uid, number, stored.shape[2] - index
        one.ImageOrientationPatient = [float(v) for axis in (0, 1) for v in lps[:3, axis] / lengths[axis]]
        one.ImagePositionPatient = [round(float(v), 6) for v in lps[:3, :3] @ [0, 0, index] + lps[:3, 3]]
        one.PixelSpacing = [float(lengths[1]), float(lengths[0])]  # between rows first
        one.RescaleSlope, one.RescaleIntercept = str(slope), str(intercept)
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated = one.BitsStored = 8 * int(dtype[1])
        one.HighBit, one.PixelRepresentation = one.BitsStored - 1, int(dtype[0] == "i")
        one.Columns, one.Rows = stored.shape[:2]
        one.PixelData = np.ascontiguousarray(stored[:, :, index].T).tobytes()
        for key, value in tags.items():
            setattr(one, key, value)
        made.append(one)
    return made


def multi_frame(parts: Sequence[Dataset]) -> Dataset:
    """Put slices into one Enhanced CT."""
    one = Dataset()
    one.update(parts[0])
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept"):
        delattr(one, name)
    one.NumberOfFrames = len(parts)
    shared, measures, transformation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = parts[0].PixelSpacing
    transformation.RescaleSlope, transformation.RescaleIntercept = parts[0].RescaleSlope, parts[0].RescaleIntercept
    shared.PixelMeasuresSequence = Items([measures])
    shared.PixelValueTransformationSequence = Items([transformation])
    one.SharedFunctionalGroupsSequence = Items([shared])
    frames = []
    for part in parts:
        frame, place, plane = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient, plane.ImageOrientationPatient = (
            part.ImagePositionPatient,
            part.ImageOrientationPatient,
        )
        frame.PlanePositionSequence, frame.PlaneOrientationSequence = Items([place]), Items([plane])
        frames.append(frame)
    one.PerFrameFunctionalGroupsSequence = Items(frames)
    one.PixelData = b"".join(part.PixelData for part in parts)
    return one


def encode(one: Dataset) -> bytes:
    """Give the bytes of a file."""
    stream = io.BytesIO()
    one.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def write(folder: Path, parts: Iterable[Dataset | bytes], name: str = "{:03}.dcm", order: int | None = 7) -> Path:
    """Write files whose names say nothing about where their slices lie."""
    contents = [part if isinstance(part, bytes) else encode(part) for part in parts]
    numbers = np.random.default_rng(order).permutation(len(contents)) if order is not None else range(len(contents))
    for number, content in zip(numbers, contents, strict=True):
        path = folder / name.format(int(number))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def pack(folder: Path, archive: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Zip a folder."""
    with zipfile.ZipFile(archive, "w", method) as stream:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                stream.write(path, path.relative_to(folder.parent))
    return archive


def nifti(path: Path, codes: str = "LPS", hu: np.ndarray = HU, affine: np.ndarray = AFFINE) -> Path:
    """Write the same volume as NIfTI."""
    turned = nib.Nifti1Image(hu, affine).as_reoriented(ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes)))
    nib.save(turned, path)
    return path


def jpeg_lossless(one: Dataset) -> Dataset:
    """Pack a slice as JPEG lossless, process 14, predictor 1, 16 bits: what older scanners and archives send."""
    pixels = np.frombuffer(one.PixelData, "<u2").reshape(one.Rows, one.Columns).astype(np.int64)
    before = np.empty_like(pixels)
    before[:, 1:] = pixels[:, :-1]
    before[1:, 0] = pixels[:-1, 0]
    before[0, 0] = 1 << 15
    bits = []
    for difference in ((pixels - before + 32767) % 65536 - 32767).ravel().tolist():
        length = abs(difference).bit_length()
        bits.append(f"{length:05b}")  # 17 codes of 5 bits, in order, are a Huffman table
        if 0 < length < 16:
            bits.append(f"{difference if difference > 0 else difference + (1 << length) - 1:0{length}b}")
        elif length == 16 and difference != 32768:
            raise AssertionError(difference)
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    data = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")
    table = struct.pack(">HB", 2 + 1 + 16 + 17, 0) + bytes([0, 0, 0, 0, 17] + [0] * 11) + bytes(range(17))
    frame = struct.pack(">HBHHB3B", 11, 16, one.Rows, one.Columns, 1, 1, 0x11, 0)
    scan = struct.pack(">HB2B3B", 8, 1, 1, 0, 1, 0, 0)
    stream = b"\xff\xd8\xff\xc3" + frame + b"\xff\xc4" + table + b"\xff\xda" + scan + data + b"\xff\xd9"
    one.PixelData = encapsulate([stream])
    one["PixelData"].VR = "OB"
    one["PixelData"].is_undefined_length = True
    one.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.70"
    return one


def tag_bytes(keyword: str) -> bytes:
    """Give a tag as explicit little-endian files hold it, with its value representation."""
    tag = tag_for_keyword(keyword)
    assert tag is not None
    return struct.pack("<HH", tag >> 16, tag & 0xFFFF) + dictionary_VR(tag).encode()
