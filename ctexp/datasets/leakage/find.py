"""All pairs of a collection, compared by what is each scan's own.

A fingerprint of every scan is compared with all others in one matrix product. Pairs that are somewhat alike are laid
over each other and compared in finer detail; only that decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import LabelledScan
from ctexp.datasets.leakage.chests import Chests
from ctexp.datasets.leakage.fingerprint import Rows, Shared, unit

WHOLE = 0.87
OWN = 0.62
"""Two scans are one when their finer details correlate by `WHOLE` as they are, and by `OWN` without what all share.

Measured on 416 synthetic scans, in collections of 8 to 400 and three preparations (`python -m benchmarks.leakage`
measures anew). Copies reach 0.90 to 1 and 0.66 to 1, whatever was done to them. Different scans reach 0.96 in the
first where many are compared, but no more than 0.55 in the second then; and 0.79 in the second where a collection of
ten teaches too little of what is shared, but no more than 0.79 in the first then. Each limit lies in a gap.
"""
_CANDIDATE = 0.4
"""Of the fingerprints: copies reach 0.5 and more, of different scans one pair in some thousands does."""
_SAMPLE = 400
"""So many scans are enough to learn from what is shared."""
_TWICE = 0.8
"""Likeness from which a scan does not enter the sample beside another: copies reach it, few different scans do."""
_BLOCK = 1024


@dataclass(frozen=True)
class Pair:
    """Two scans that are the same volume.

    Attributes:
        first: the one whose path comes first.
        second: the other.
        similarity: correlation of their details without what all scans share, from `OWN` to 1.
        mirrored: whether one is a mirror image of the other.
    """

    first: LabelledScan
    second: LabelledScan
    similarity: float
    mirrored: bool = False


def find_near_duplicates(scans: Sequence[LabelledScan], cache: ScanCache) -> tuple[Pair, ...]:
    """Find the same volume under two names, from the prepared arrays alone.

    Found are copies in another type or with another header, brighter or darker, clipped, noisy, smoothed, mirrored,
    resampled, cropped or padded by some per cent of the side, or short of some slices. Missed are copies rotated by
    more than about two degrees; and cropped ones where prepared arrays have fewer than 64x64x32 voxels (the preset
    `smoke`), or where a collection holds next to nothing but copies of one scan.

    Args:
        scans: the scans of a collection, three or more, in any order. No label, patient or side is read.
        cache: holds their prepared arrays.

    Returns:
        The pairs, by path. Of three copies there are two or three pairs.

    Raises:
        OSError, ValueError: an entry is not in the cache.
    """
    if len(scans) < 3:
        return ()
    scans = sorted(scans, key=lambda scan: scan.sha256)  # the answer must not depend on names
    sample = np.unique(np.linspace(0, len(scans) - 1, min(len(scans), _SAMPLE)).astype(int)).tolist()
    chests = Chests(scans, cache.whole, sample)
    fingerprints = chests.fingerprints()
    sample = _each_once(fingerprints, sample)
    candidates = _candidates(Shared(fingerprints[sample]).without(fingerprints, out=fingerprints))
    if not candidates:
        return ()
    likenesses = chests.compare(candidates, Shared(chests.fine_details(sample)))
    pairs = []
    for (i, j), (whole, own) in zip(candidates, likenesses, strict=True):
        if whole >= WHOLE and own >= OWN:
            first, second = sorted((scans[i], scans[j]), key=lambda scan: str(scan.path))
            pairs.append(Pair(first, second, min(own, 1.0), chests.turns[i] != chests.turns[j]))
    return tuple(sorted(pairs, key=lambda pair: (str(pair.first.path), str(pair.second.path))))


def _each_once(fingerprints: Rows, sample: Sequence[int]) -> list[int]:
    """Leave out of a sample what is too like a scan before it."""
    mean = fingerprints[sample].mean(axis=0)
    rest = unit(fingerprints[sample] - mean)
    alike = rest @ rest.T >= _TWICE
    kept: list[int] = []
    for place in range(len(sample)):
        if not alike[place, kept].any():
            kept.append(place)
    return [sample[place] for place in kept]


def _candidates(own: Rows) -> list[tuple[int, int]]:
    """List the pairs (i < j) of rows whose product is large, a block of the product in memory at a time."""
    found = []
    for start in range(0, len(own), _BLOCK):
        products = own[start : start + _BLOCK] @ own[start:].T
        for i, j in np.argwhere(np.triu(products, 1) >= _CANDIDATE).tolist():
            found.append((start + i, start + j))
    return found
