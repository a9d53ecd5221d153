"""The scans of a sweep: prepared once, for every preparation that its space may ask for, and dealt into folds."""

import dataclasses
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctexp.config import ScanSettings
from ctexp.datasets.folds import make_folds
from ctexp.datasets.splits import Split
from ctexp.errors import ConfigError
from ctexp.experiments.data import Prepared, prepare_data
from ctexp.experiments.rebuild import prepared_as
from ctexp.experiments.watch import Watch
from ctexp.project import Project
from ctexp.searching.definition import SweepDefinition
from ctexp.searching.orders import Workplace
from ctexp.searching.request import SweepRequest
from ctexp.searching.space import apply

if TYPE_CHECKING:
    from ctexp.tracking.store import Store


@dataclass(frozen=True)
class Material:
    """What the trials of a sweep are made on.

    Attributes:
        data: scans and split, prepared by the base settings.
        splits: what a trial trains on: one split a fold, or the one.
    """

    data: Prepared
    splits: tuple[Split, ...]

    @property
    def hashes(self) -> dict[str, str]:
        """What must be the same when the sweep goes on."""
        return {"data.hash": self.data.collection.hash, "split.hash": self.data.split.hash}

    def workplace(self, request: SweepRequest, store: "Store", project: Project) -> Workplace:
        """Give what workers need; the locked test stays here."""
        sides = tuple(Split(split.train, split.validation, ()) for split in self.splits)
        return Workplace(
            project.root,
            project.tracking_uri,
            store.experiment_id,
            project.cache,
            sides,
            self.data.collection.hash,
            dataclasses.replace(request.training, data=self.data.source.resumable_name),
            scan_variants(request.definition),
        )


def gather_material(request: SweepRequest, project: Project, watch: Watch) -> Material:
    """Read, prepare and split the scans of a sweep.

    Raises:
        DataError: scans, split or folds break a rule.
        WorkError: the disk does not take what is prepared.
    """
    definition = request.definition
    data = prepare_data(request.training, project, watch)
    for scan in scan_variants(definition):
        prepared_as(scan, request.training, data, project, watch)  # the base's split holds for all
    folds = make_folds(data.split, definition.folds, definition.base.seed) if definition.folds else (data.split,)
    return Material(data, folds)


def scan_variants(definition: SweepDefinition) -> tuple[ScanSettings, ...]:
    """Give every preparation that a trial may ask for."""
    varying = [one for one in definition.space if one.key.startswith("scan.")]
    found = []
    for values in itertools.product(*(one.choices for one in varying)):
        with_values = {one.key: value for one, value in zip(varying, values, strict=True)}
        try:
            found.append(apply(definition.base, with_values).scan)
        except ConfigError:  # no trial can have it either
            continue
    return tuple(dict.fromkeys([definition.base.scan, *found]))
