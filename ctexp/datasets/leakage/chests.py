"""The scans of a collection, each turned and placed as the mean of all is; arrays are read when they are needed."""

import math
from collections.abc import Sequence
from itertools import chain, combinations

import numpy as np
import numpy.typing as npt

from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import LabelledScan
from ctexp.datasets.leakage.fingerprint import Rows, Shared, detail, unit
from ctexp.datasets.leakage.overlay import Field, Grid, Overlay, coarse, cut, find_field, flip_field
from ctexp.datasets.parallel import cores, ordered_map

_FINGERPRINT: Grid = (16, 16, 12)
_FINGERPRINT_BAND = (0.0, 1.0)
_FINE: Grid = (32, 32, 24)
_FINE_BAND = (0.5, 1.5)
_TURNS: list[tuple[int, ...]] = [axes for count in range(4) for axes in combinations(range(3), count)]
_STEPS_OVER_MEAN = 2
_STEPS_OVER_SCAN = 4


class Chests:
    """Scans that can be compared.

    Args:
        scans: in the order in which they are counted from here on.
        cache: holds their prepared arrays.
        sample: numbers of the scans whose mean is the way round, and the place, that all are brought to.

    Attributes:
        turns: for each scan the axes along which it was mirrored to look most like the mean. A copy that is mirrored
            ends up as its original does, whichever of the two is the right way round.
    """

    def __init__(self, scans: Sequence[LabelledScan], cache: ScanCache, sample: Sequence[int]) -> None:
        self._scans = scans
        self._cache = cache
        self.turns: list[tuple[int, ...]] = [()] * len(scans)
        looks = dict(zip(sample, ordered_map(self._look, sample, cores()), strict=True))
        mean = unit(np.mean([looks[number][1] for number in sample], axis=0).reshape(1, -1))[0]
        fields: list[Field] = [np.empty(0)] * len(scans)
        turned = list(self.turns)
        rest = sorted(set(range(len(scans))) - set(sample))  # their views, thousands, are not kept
        others = zip(rest, ordered_map(self._look, rest, cores()), strict=True)
        for number, (field, view) in chain(looks.items(), others):
            likeness = [float(mean @ np.flip(view, axes).ravel()) for axes in _TURNS]
            turned[number] = _TURNS[int(np.argmax(likeness))]
            fields[number] = flip_field(field, turned[number])
        self.turns = turned
        self._fields = fields
        self._mean = Overlay(np.mean([np.flip(looks[number][1], turned[number]) for number in sample], axis=0))

    def fingerprints(self) -> Rows:
        """Lay every scan over the mean, and give a coarse detail of each: (scans, 3072) float32."""
        rows = np.empty((len(self._scans), math.prod(_FINGERPRINT)), dtype=np.float32)
        placed = ordered_map(self._place, range(len(self._scans)), cores())
        for number, (field, fingerprint) in enumerate(placed):
            self._fields[number], rows[number] = field, fingerprint
        return rows

    def fine_details(self, numbers: Sequence[int]) -> Rows:
        """Give the finer details of some scans: (scans, 24576) float32."""
        rows = np.empty((len(numbers), math.prod(_FINE)), dtype=np.float32)
        details = ordered_map(lambda number: self._fine(number, self._fields[number]), numbers, cores())
        for place, found in enumerate(details):
            rows[place] = found
        return rows

    def compare(self, pairs: Sequence[tuple[int, int]], shared: Shared) -> list[tuple[float, float]]:
        """Lay the second of each pair over the first; give the correlations of their details, whole and own."""
        return list(ordered_map(lambda pair: self._compare(*pair, shared), pairs, cores()))

    def _load(self, number: int) -> npt.NDArray[np.float32]:
        return np.flip(coarse(self._cache.load(self._scans[number].sha256)), self.turns[number])

    def _look(self, number: int) -> tuple[Field, npt.NDArray[np.float32]]:
        scan = self._load(number)
        field = find_field(scan, self._cache.settings)
        return field, Overlay.view_for(scan, field)

    def _place(self, number: int) -> tuple[Field, npt.NDArray[np.float32]]:
        scan = self._load(number)
        field = self._mean.lay(scan, self._fields[number], _STEPS_OVER_MEAN)
        return field, detail(cut(scan, field, _FINGERPRINT), *_FINGERPRINT_BAND)

    def _fine(self, number: int, field: Field) -> npt.NDArray[np.float32]:
        return detail(cut(self._load(number), field, _FINE), *_FINE_BAND)

    def _compare(self, first: int, second: int, shared: Shared) -> tuple[float, float]:
        reference = Overlay(Overlay.view_for(self._load(first), self._fields[first]))
        field = reference.lay(self._load(second), self._fields[second], _STEPS_OVER_SCAN)
        details = np.stack([self._fine(first, self._fields[first]), self._fine(second, field)])
        whole, own = unit(details), shared.without(details)
        return float(whole[0] @ whole[1]), float(own[0] @ own[1])
