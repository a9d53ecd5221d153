"""The input example of a registered version: a chest of boxes, small enough to be sent by hand."""

import base64
import gzip

import nibabel as nib
import numpy as np

from ctexp.scans.nifti import SYNTHETIC_MARK


def example_nifti() -> str:
    """Give a `.nii.gz` in base64, about 3 kB: a body in air with two lungs and a spine, which no rule refuses."""
    hu = np.full((20, 18, 20), -1000, dtype=np.int16)
    hu[1:-1, 2:-2] = 40
    hu[9:11, 3:6] = 400  # the spine is at the back: y grows to the front
    for lung in (slice(3, 9), slice(11, 17)):
        hu[lung, 6:14, 4:16] = -850
    grain = np.arange(hu.size, dtype=np.int16).reshape(hu.shape) * 7 % 61 - 30  # no scanner gives flat numbers
    image = nib.Nifti1Image(hu + grain, np.diag([-18.0, 16.0, 12.0, 1.0]))
    image.header["descrip"] = SYNTHETIC_MARK
    return base64.b64encode(gzip.compress(image.to_bytes(), mtime=0)).decode()
