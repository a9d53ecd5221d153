"""A DICOM CT series to a `Volume`: a folder of slices, a nested export, a .zip of either, or one multi-frame file.

parts (files of a folder or a zip) -> headers (the few tags that are needed) -> series (told apart, one chosen)
-> geometry (order and faults) -> pixels -> volume. No text of a header but numbers and UID tails leaves this package.
"""

from ctexp.scans.dicom.open import DicomSeries, open_series
from ctexp.scans.dicom.recognise import is_dicom, is_zip

__all__ = ["DicomSeries", "is_dicom", "is_zip", "open_series"]
