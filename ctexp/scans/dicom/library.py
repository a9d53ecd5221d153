"""The one door to pydicom, which is an extra and is only loaded when a DICOM file is met."""

import functools
import logging
import warnings
from typing import Any

from ctexp.errors import ScanError


def require_pydicom(place: str) -> Any:
    """Load pydicom, silenced: its warnings quote header values, and these may be a patient's.

    Raises:
        ScanError: the extra is not installed.
    """
    try:
        return _load()
    except ImportError as error:
        raise ScanError(f'{place}: reading DICOM needs the extra: pip install "ctexp[dicom]"') from error


@functools.cache
def _load() -> Any:
    import pydicom
    import pydicom.config

    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    for name in ("pydicom", "pylibjpeg", "openjpeg"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    for module in (r"pydicom(\.|$)", r"ctexp\.scans\.dicom\."):
        warnings.filterwarnings("ignore", category=UserWarning, module=module)
    return pydicom
