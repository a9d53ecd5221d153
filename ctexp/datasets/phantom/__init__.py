"""Synthetic chest CT scans, normal and with viral pneumonia, for tests, demonstrations and smoke training.

The scans have the form of MosMedData: int16 HU, 36 to 52 axial slices of 8 mm, LAS orientation. They are drawn from a
seed alone: with the same versions of the libraries, a collection is the same again. They say nothing about patients,
and nothing of a real scan is in them.
"""

from ctexp.datasets.phantom.scan import make_scan
from ctexp.datasets.phantom.settings import PhantomScan, PhantomSettings
from ctexp.datasets.phantom.write import write_phantoms

__all__ = ["PhantomScan", "PhantomSettings", "make_scan", "write_phantoms"]
