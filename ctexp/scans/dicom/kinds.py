"""What is no slice of a CT, and the words for it."""

from typing import Any

from ctexp.scans.dicom.tags import get

MODALITIES = {
    "MR": "MR", "PT": "PET", "NM": "nuclear medicine", "US": "ultrasound", "CR": "X-ray (CR)", "DX": "X-ray (DX)",
    "DR": "X-ray (DR)", "RF": "fluoroscopy", "XA": "angiography", "MG": "mammography", "OT": "other (OT)",
    "SC": "secondary capture", "SEG": "segmentation", "SR": "report", "DOC": "document", "PR": "presentation state",
    "KO": "key object note", "REG": "registration", "RTSTRUCT": "radiotherapy structures", "RTDOSE": "dose map",
    "RTPLAN": "radiotherapy plan", "SM": "microscopy", "ES": "endoscopy", "OPT": "retina", "IO": "dental X-ray",
}  # fmt: skip
"""Only these codes are ever repeated: a header's text is the header's."""
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66"
_DIRECTORY = "1.2.840.10008.1.3.10"
_LOCALISERS = {"LOCALIZER", "LOCALISER", "SCOUT", "TOPOGRAM"}
_SCREENS = {"SCREEN SAVE", "SCREENSAVE", "DOSE", "DOSE_INFO", "DOSE REPORT", "PROTOCOL"}
_OTHER_NUMBERS = {"Z_EFF", "ED", "EDW", "HU_MOD", "PCT", "MGML", "OD"}
"""Rescale types of spectral maps: effective atomic number, densities, shares; no HU."""


def other_kind(dataset: Any, image_type: tuple[str, ...], has_pixels: bool, place: str) -> str | None:
    """Give the kind of a file that is no CT slice, or None for one that is.

    Args:
        dataset: the header.
        image_type: its ImageType in capitals.
        has_pixels: whether voxels follow the header.
        place: the file, for error messages.

    Raises:
        ScanError: a tag is damaged.
    """
    modality = str(get(dataset, "Modality", place) or "").strip().upper()
    sop_class = str(get(dataset, "SOPClassUID", place) or "")
    if _DIRECTORY in (sop_class, str(get(dataset.file_meta, "MediaStorageSOPClassUID", place))):
        return "index"
    if sop_class.startswith(_SECONDARY_CAPTURE) or set(image_type) & _SCREENS:
        return "secondary capture"
    if sop_class.startswith(_SEGMENTATION):
        return "segmentation"
    if modality != "CT":
        return MODALITIES.get(modality, "of another modality" if modality else "without a modality")
    if not has_pixels:
        return "without a picture"
    if set(image_type) & _LOCALISERS:
        return "localiser"
    if get(dataset, "SamplesPerPixel", place) not in (None, 1):
        return "colour picture"
    if str(get(dataset, "RescaleType", place) or "").strip().upper() in _OTHER_NUMBERS:
        return "spectral map (no HU)"
    return None
