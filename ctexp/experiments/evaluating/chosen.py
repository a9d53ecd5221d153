"""Which scans a version is evaluated on: its own validation scans, its locked test, or another site's."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ctexp.config import check
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import Collection, LabelledScan
from ctexp.datasets.load import load_collection
from ctexp.datasets.sources import find_source
from ctexp.datasets.splits import SIDES, count_patients
from ctexp.errors import DataError
from ctexp.experiments.evaluating.copies import find_own
from ctexp.experiments.evaluating.judge import taught_by
from ctexp.experiments.evaluating.site import SiteReport, describe_site, unknown_scans
from ctexp.experiments.rebuild import RequestOfSweep, data_of_run, sides_of_run
from ctexp.experiments.watch import Watch
from ctexp.project import Project

if TYPE_CHECKING:
    from ctexp.registry.manifest import PredictorManifest
    from ctexp.registry.references import ModelVersion
    from ctexp.tracking.store import Store

Kind = Literal["validation", "test", "site"]
WHERE: Mapping[Kind, str] = {"validation": "validation", "test": "locked test", "site": "other scans"}


@dataclass(frozen=True)
class Chosen:
    """Scans to evaluate on.

    Attributes:
        kind: whose they are.
        collection: all scans of the source.
        scans: those that are asked about.
        cache: holds them, prepared as the version wants them.
        site: what was found of another site's scans.
    """

    kind: Kind
    collection: Collection
    scans: tuple[LabelledScan, ...]
    cache: ScanCache
    site: SiteReport | None = None

    @property
    def hash(self) -> str:
        """64 hex digits over the chosen scans' bytes and labels: the name of a test set, whatever model is asked."""
        return dataclasses.replace(self.collection, scans=self.scans).hash

    @property
    def counts(self) -> dict[str, int]:
        """Chosen scans of each class."""
        abnormal = sum(scan.label for scan in self.scans)
        return {"normal": len(self.scans) - abnormal, "abnormal": abnormal}

    @property
    def patients(self) -> int:
        """Patients that the chosen scans are of."""
        return count_patients(self.scans)


def choose_scans(
    on: str,
    store: "Store",
    version: "ModelVersion",
    manifest: "PredictorManifest",
    project: Project,
    watch: Watch,
    of_sweep: RequestOfSweep,
    *,
    positive: str | None = None,
    skip_bad: bool = False,
) -> Chosen:
    """Find the scans that `--on` names.

    Args:
        on: `validation`, `test` or a SOURCE.
        store: where the version is registered.
        version: whose scans `validation` and `test` are.
        manifest: how it wants scans prepared.
        project: whose cache.
        watch: somebody who looks on.
        of_sweep: see `rebuild`.
        positive: name of the abnormal class of a SOURCE.
        skip_bad: leave out what cannot be used of a SOURCE.

    Raises:
        DataError: scans are missing, changed, or not new to the version.
        ConfigError: an option that only a SOURCE has.
    """
    if on in ("validation", "test"):
        for option, given in (("--positive", positive is not None), ("--skip-bad", skip_bad)):
            check(not given, option, "given with --on SOURCE only, the run keeps what it had", on)
        data = data_of_run(store, version.run_id, manifest.scan, project, watch, of_sweep)
        scans = data.split.validation if on == "validation" else data.split.test
        sides = {scan.sha256: side for side in SIDES for scan in getattr(data.split, side)}
        if on == "validation" and not taught_by(manifest, sides).isdisjoint(scan.sha256 for scan in scans):
            raise DataError(
                f"--on validation: scans must not have taught the version, {version.name} {version.version} is made of "
                f"networks that were each trained on most of them; run {version.run_id} has what each said of those "
                "that it did not see; evaluate on other scans by --on SOURCE"
            )
        if not scans:
            raise DataError(
                f"--on test: the split must hold test scans, that of run {version.run_id} has none; name others by "
                "--on SOURCE"
            )
        return Chosen("validation" if on == "validation" else "test", data.collection, scans, data.cache)

    source = find_source(on, project)
    theirs = sides_of_run(
        store, version.run_id, lambda: data_of_run(store, version.run_id, manifest.scan, project, watch, of_sweep)
    )
    cache = ScanCache(project.cache, manifest.scan)
    collection = load_collection(source, cache, positive=positive, skip_bad=skip_bad, progress=watch.stage)
    for note in collection.notes:
        watch.say(note)
    for problem in collection.skipped:
        watch.say(f"skipped: {problem.reason}")
    own = find_own(collection, theirs, cache)
    scans = unknown_scans(collection, own, skip=skip_bad)
    return Chosen("site", collection, scans, cache, describe_site(collection, scans, own, manifest.reference))
