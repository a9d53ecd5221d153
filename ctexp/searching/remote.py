"""A workplace on another machine: the prepared scans found there, or made there from the same bytes."""

import dataclasses
import os
from pathlib import Path

from ctexp.datasets.cache import ScanCache
from ctexp.errors import DataError, InputError
from ctexp.experiments.data import prepare_data
from ctexp.experiments.rebuild import prepared_as
from ctexp.experiments.watch import Silent
from ctexp.project import Project
from ctexp.searching.orders import Workplace


def settle_in(workplace: Workplace) -> Workplace:
    """Give the workplace as this machine sees it.

    Prepared arrays are found by the hash of the scan file's bytes. Where the sweep's cache is visible and whole, on a
    shared disk say, it is used. Elsewhere the scans are read under the same path and prepared into
    `$CTEXP_CACHE`, or `~/.cache/ctexp/.ctexp/cache`, and must have the sweep's hash as a collection.

    Raises:
        DataError: the scans are not here, or others are.
        WorkError: they cannot be prepared here; the disk is full, say.
    """
    if has_all(workplace):
        return workplace
    home = Path(os.environ.get("CTEXP_CACHE") or Path.home() / ".cache" / "ctexp")
    here = dataclasses.replace(workplace, cache=home if "CTEXP_CACHE" in os.environ else home / ".ctexp" / "cache")
    if has_all(here):
        return here
    project = Project(home)
    name = workplace.request.data
    try:
        data = prepare_data(workplace.request, project, Silent())
    except InputError as error:
        raise DataError(
            f"{name}: the scans must be reachable under this path on every worker of the cluster: {error}"
        ) from error
    if data.collection.hash != workplace.data_hash:
        raise DataError(
            f"{name}: the scans on this worker must be the sweep's, their hash is {data.collection.hash[:12]}, "
            f"the sweep's is {workplace.data_hash[:12]}; copy them anew"
        )
    for scan in workplace.variants:
        prepared_as(scan, workplace.request, data, project, Silent())
    return dataclasses.replace(workplace, cache=project.cache)


def has_all(workplace: Workplace) -> bool:
    """Tell whether every prepared array that a trial may need is in the workplace's cache."""
    hashes = {scan.sha256 for split in workplace.splits for scan in (*split.train, *split.validation)}
    caches = [ScanCache(workplace.cache, scan) for scan in workplace.variants]
    return all(cache.has(one) for cache in caches for one in hashes)
