"""Which of another site's scans are a version's own, by their bytes or as the same volume saved in another form."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import Collection, LabelledScan
from ctexp.datasets.leakage import find_near_duplicates
from ctexp.datasets.patients import join_names
from ctexp.datasets.splits import SIDES


@dataclass(frozen=True)
class OwnScans:
    """A version's own scans among a site's.

    Attributes:
        sides: side (`train`, `validation`, `test`) of each scan of the site that is one of the version's own, by the
            content hash of the site's file.
        copies: those of `sides` that other bytes show to be the same volume.
        patients: of the site, whom the version has seen or will be tested on.
        unsearched: own scans among which no such copies were looked for: they are not prepared on this machine.
        all: own scans, however many of them the site has.
    """

    sides: Mapping[str, str]
    copies: frozenset[str]
    patients: frozenset[str]
    unsearched: int
    all: int


def find_own(collection: Collection, sides: Mapping[str, str], cache: ScanCache) -> OwnScans:
    """Find the scans of a site that a version was trained or validated on, or is to be tested on.

    Args:
        collection: the site's, prepared in `cache`.
        sides: side of each scan of the version's own collection, by content hash; what is on no side counts as new.
        cache: of the version's preparation. What it holds of the version's own scans is compared with the site's.
    """
    known = {sha256: side for sha256, side in sides.items() if side in SIDES}
    theirs = {scan.sha256: known[scan.sha256] for scan in collection.scans if scan.sha256 in known}
    held = [sha256 for sha256 in known if cache.whole.has(sha256)]
    own = [LabelledScan(Path(sha256), 0, "", "", sha256) for sha256 in held if sha256 not in theirs]
    pairs = find_near_duplicates([*own, *collection.scans], cache) if held else ()
    groups = join_names((pair.first.sha256, pair.second.sha256) for pair in pairs)
    nearest: dict[str, str] = {}
    for sha256 in sorted(known.keys() & groups.keys(), key=lambda sha256: SIDES.index(known[sha256])):
        nearest.setdefault(groups[sha256], known[sha256])
    copies = {
        scan.sha256: nearest[groups[scan.sha256]]
        for scan in collection.scans
        if scan.sha256 not in known and groups.get(scan.sha256) in nearest
    }
    sides = {**theirs, **copies}
    of_site = {scan.sha256 for scan in collection.scans}
    within = [pair for pair in pairs if {pair.first.sha256, pair.second.sha256} <= of_site]
    persons = join_names((pair.first.patient, pair.second.patient) for pair in within)
    seen = {persons.get(scan.patient, scan.patient) for scan in collection.scans if scan.sha256 in sides}
    patients = frozenset(scan.patient for scan in collection.scans if persons.get(scan.patient, scan.patient) in seen)
    return OwnScans(sides, frozenset(copies), patients, len(known) - len(held), len(known))
