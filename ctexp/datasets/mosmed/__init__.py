"""MosMedData's scans, fetched: downloaded or copied, checked, unpacked and recorded.

The one room that fetches from an address. A collection appears when it is whole; nothing here reads a voxel.
"""

from ctexp.datasets.mosmed.addresses import Origin, find_origins
from ctexp.datasets.mosmed.connection import Patience
from ctexp.datasets.mosmed.download import Watch
from ctexp.datasets.mosmed.fetch import NOTICE, fetch_mosmed

__all__ = ["NOTICE", "Origin", "Patience", "Watch", "fetch_mosmed", "find_origins"]
