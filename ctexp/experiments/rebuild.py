"""The data of a run that is over, found again: the same scans on the same sides, or an error."""

import csv
import dataclasses
import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from ctexp.config import ScanSettings
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.ingest import ingest
from ctexp.datasets.splits import SIDES
from ctexp.errors import DataError, InputError, WorkError
from ctexp.experiments.data import Prepared, prepare_data
from ctexp.experiments.request import SETTINGS_FILE, TrainingRequest
from ctexp.experiments.watch import Watch
from ctexp.project import Project
from ctexp.scans.read import ReadOptions
from ctexp.tracking.tags import PARENT_TAG

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowEntity

    from ctexp.tracking.store import Store

RequestOfSweep = Callable[["MlflowEntity"], TrainingRequest | None]
"""Reads from a sweep's parent run which data its trials had; None where the run is no sweep. Sweeps lie on a floor
above, so the command line brings it along."""


def request_of_run(store: "Store", run_id: str, of_sweep: RequestOfSweep) -> TrainingRequest:
    """Give what was asked for when a run began; a sweep's trial has it from its parent.

    Only data and split can be taken from the answer for a trial: its other settings are the sweep's base.

    Raises:
        InputError: neither the run nor a parent of it keeps it.
    """
    at: str | None = run_id
    while at is not None:
        text = read_text(store, at, SETTINGS_FILE)
        if text is not None:
            return TrainingRequest.from_json(text, f"run {at}: {SETTINGS_FILE}")
        run = store.run(at)
        request = of_sweep(run)
        if request is not None:
            return request
        at = run.data.tags.get(PARENT_TAG)
    raise InputError(f"run {run_id}: must be a training or a trial of ctexp, it does not say which scans it had")


def data_of_run(
    store: "Store", run_id: str, scan: ScanSettings, project: Project, watch: Watch, of_sweep: RequestOfSweep
) -> Prepared:
    """Find, prepare and split a run's scans again.

    Args:
        store: where the run is.
        run_id: a training or a trial.
        scan: how to prepare them.
        project: whose cache.
        watch: somebody who looks on.
        of_sweep: see above.

    Raises:
        DataError: scans or split are not those of the run any more.
        InputError: the run does not say which scans it had.
    """
    request = request_of_run(store, run_id, of_sweep)
    # Split as it was split: copies are looked for in the run's own arrays, and may be found in these only.
    data = prepare_data(request, project, watch)
    logged = store.run(run_id).data.params
    for key, now in (("data.hash", data.collection.hash), ("split.hash", data.split.hash)):
        before = logged.get(key)
        if before != now:
            raise DataError(
                f"run {run_id}: its scans must be those it was trained with: {key} was {before}, is {now}; restore the "
                "scans or name others by --on SOURCE"
            )
    return prepared_as(scan, request, data, project, watch)


def prepared_as(
    scan: ScanSettings, request: TrainingRequest, data: Prepared, project: Project, watch: Watch
) -> Prepared:
    """Give the scans of a request, found and split as it says, prepared in another way.

    Raises:
        DataError: a scan cannot be read any more.
    """
    if scan == request.experiment.scan:
        return data
    cache = ScanCache(project.cache, scan)
    paths = [one.path for one in data.collection.scans]
    options = ReadOptions(allow_gaps=request.allow_gaps)
    for one in ingest(paths, cache, options=options, progress=watch.stage("preparing scans")):
        if one.error:
            raise DataError(str(one.error))
    return dataclasses.replace(data, cache=cache)


def sides_of_run(
    store: "Store", run_id: str, rebuild: Callable[[], Prepared]
) -> dict[str, str]:  # fmt: skip
    """Give the side (`train`, `validation`, `test`) of each scan of a run by content hash.

    Args:
        store: where the run is.
        run_id: a training or a trial.
        rebuild: asked where neither the run nor a parent keeps its split as a table.
    """
    at: str | None = run_id
    while at is not None:
        text = read_text(store, at, "split.csv")
        if text is not None:
            return {row["sha256"]: row["side"] for row in csv.DictReader(io.StringIO(text))}
        at = store.run(at).data.tags.get(PARENT_TAG)
    split = rebuild().split
    return {scan.sha256: side for side in SIDES for scan in getattr(split, side)}


def read_text(store: "Store", run_id: str, path: str) -> str | None:
    """Read a text artifact of a run; None where it has none of that name.

    Raises:
        StoreUnreachableError: the store does not say.
        WorkError: what it holds is no text.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    from ctexp.tracking.store import FAILURES, is_missing, unreachable

    folder, _, name = path.rpartition("/")
    try:
        if not any(
            item.path.rpartition("/")[2] == name for item in store.client.list_artifacts(run_id, folder or None)
        ):
            return None
        return str(mlflow.artifacts.load_text(f"runs:/{run_id}/{path}"))
    except UnicodeDecodeError as error:
        raise WorkError(f"run {run_id}: {path} must be text: {error}") from error
    except FAILURES as error:
        if isinstance(error, FileNotFoundError) or (isinstance(error, MlflowException) and is_missing(error)):
            return None
        raise unreachable(store.project, error) from error
