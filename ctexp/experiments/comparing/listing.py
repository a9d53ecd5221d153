"""The runs of a project: found by a few letters of their id, listed, and shown whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ctexp.errors import UnknownReferenceError
from ctexp.learning.intervals import Estimate
from ctexp.tracking.tags import KIND_TAG, PARENT_TAG, REPLACED_TAG, TRIAL_TAG

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowEntity

    from ctexp.tracking.store import Store

FEWEST_LETTERS = 6
LISTED = ("training", "sweep", "evaluation", "reproduction")
"""Kinds that are listed; trials and folds are counted with the run that they belong to."""
_PAGE = 1000
_PREFIXES = ("val_", "test_", "site_", "cv_")


@dataclass(frozen=True)
class Listed:
    """One run in one line.

    Attributes:
        run_id: 32 hex digits.
        kind: training, sweep, evaluation or reproduction.
        name: as given, or made of its settings.
        status: MLflow's word.
        began: UTC.
        auc: of the network that was kept, with its interval; None where none was logged. A sweep's is that of the
            version it registered.
        on: what that AUC is of: validation, test, site, folds (their mean), or out-of-fold.
        source: of the data, as it was called.
        version: of the registered model; for an evaluation the one that was asked.
        trials: how many trials a sweep has, or None.
    """

    run_id: str
    kind: str
    name: str
    status: str
    began: datetime
    auc: Estimate | None
    on: str
    source: str
    version: str
    trials: int | None

    def as_json(self) -> dict[str, Any]:
        """Give everything as plain values."""
        return {**vars(self), "began": self.began.isoformat(timespec="seconds"),
                "auc": vars(self.auc) if self.auc else None}  # fmt: skip


def find_run(store: "Store", text: str) -> "MlflowEntity":
    """Find a run by its id or by the first letters of it.

    Args:
        store: where.
        text: the id, or at least 6 letters that begin one id only.

    Raises:
        UnknownReferenceError: no run's id begins so, or several do.
    """
    word = text.strip().lower()
    if len(word) == 32:
        return store.run(word)
    if len(word) < FEWEST_LETTERS:
        raise UnknownReferenceError(
            f"run {text}: must be a run id or at least {FEWEST_LETTERS} letters of one; `ctexp runs list` has them"
        )
    found = [run for run in search(store, "") if run.info.run_id.startswith(word)]
    if not found:
        raise UnknownReferenceError(
            f"run {text}: must begin the id of a run in {store.project.store_name}, it does not; "
            "`ctexp runs list` has them"
        )
    if len(found) > 1:
        raise UnknownReferenceError(f"run {text}: must begin one id only, it begins {len(found)}; write more of it")
    return found[0]


def list_runs(store: "Store", limit: int | None = None) -> list[Listed]:
    """Give trainings, sweeps and evaluations, the latest first.

    Args:
        store: where.
        limit: how many at most; None for all.
    """
    every = search(store, "")
    trials: dict[str, int] = {}
    for run in every:
        tags = run.data.tags
        if TRIAL_TAG in tags and REPLACED_TAG not in tags:
            trials[tags.get(PARENT_TAG, "")] = trials.get(tags.get(PARENT_TAG, ""), 0) + 1
    versions = versions_by_run(store)
    by_id = {run.info.run_id: run for run in every}
    chosen = [run for run in every if run.data.tags.get(KIND_TAG) in LISTED]
    return [_listed(run, trials, versions, by_id) for run in chosen[:limit]]


def versions_by_run(store: "Store") -> dict[str, str]:
    """Give the newest registered version of each run that has one."""
    found: dict[str, int] = {}
    token = None
    while True:
        page = store.client.search_model_versions(max_results=_PAGE, page_token=token)
        for one in page:
            found[one.run_id] = max(found.get(one.run_id, 0), int(one.version))
        token = page.token
        if not token:
            return {run_id: str(version) for run_id, version in found.items()}


def search(store: "Store", query: str) -> "list[MlflowEntity]":
    """Give all runs that a query of MLflow's finds, the latest first."""
    found: list[MlflowEntity] = []
    token = None
    while True:
        page = store.client.search_runs(
            [store.experiment_id], query, max_results=_PAGE, order_by=["attributes.start_time DESC"], page_token=token
        )
        found += page
        token = page.token
        if not token:
            return found


def name_a_trial(store: "Store", sweep: "MlflowEntity") -> str:
    """Say which trial to name where one training is needed and a sweep was named: the chosen one, if there is one."""
    trials = {
        one.data.tags[TRIAL_TAG]: one.info.run_id
        for one in children(store, sweep.info.run_id)
        if TRIAL_TAG in one.data.tags and REPLACED_TAG not in one.data.tags and one.info.status == "FINISHED"
    }
    if not trials:
        return "none of its trials is finished"
    chosen = sweep.data.tags.get("ctexp.sweep.chosen", "")
    if chosen in trials:
        return f"name a trial, {chosen} was chosen: {trials[chosen]}"
    number = min(trials, key=int)
    return f"name a trial, {number} is {trials[number]}"


def children(store: "Store", run_id: str) -> "list[MlflowEntity]":
    """Give the runs under a run, the latest first."""
    return search(store, f"tags.`{PARENT_TAG}` = '{run_id}'")


def estimates_of(run: "MlflowEntity") -> dict[str, Estimate]:
    """Give all metrics that have an interval, by name, in the order of the alphabet."""
    metrics: Mapping[str, float] = run.data.metrics
    names = [name for name in sorted(metrics) if f"{name}_low" in metrics and f"{name}_high" in metrics]
    found = {name: Estimate.from_metrics(metrics, name) for name in names}
    return {name: one for name, one in found.items() if one is not None}


def began(run: "MlflowEntity") -> datetime:
    """Give when a run began, UTC."""
    return datetime.fromtimestamp(run.info.start_time / 1000, UTC)


def kind_of(run: "MlflowEntity") -> str:
    """Give ctexp's word for what a run is; `run` for one that something else made."""
    return str(run.data.tags.get(KIND_TAG, "run"))


def _listed(
    run: "MlflowEntity", trials: Mapping[str, int], versions: Mapping[str, str], by_id: "Mapping[str, MlflowEntity]"
) -> Listed:
    tags, run_id = run.data.tags, run.info.run_id
    kind = kind_of(run)
    version = versions.get(run_id, "")
    holder = run
    if kind == "sweep":
        # The version is of the run of the trial that was chosen.
        version = tags.get("ctexp.sweep.version", "")
        mine = [one for one, number in versions.items() if number == version and one in by_id]
        holder = next((by_id[one] for one in mine if by_id[one].data.tags.get(PARENT_TAG) == run_id), run)
    elif kind == "evaluation":
        version = tags.get("ctexp.evaluated.version", "")
    auc, on = None, ""
    for prefix, word in zip(_PREFIXES, ("validation", "test", "site", "folds"), strict=True):
        auc = Estimate.from_metrics(holder.data.metrics, f"{prefix}auc")
        if auc:
            out_of_fold = word == "validation" and holder.data.params.get("final") == "ensemble"
            on = "out-of-fold" if out_of_fold else word
            break
    return Listed(
        run_id=run_id,
        kind=kind,
        name=run.info.run_name or "",
        status=run.info.status,
        began=began(run),
        auc=auc,
        on=on,
        source=run.data.params.get("data.source", ""),
        version=version,
        trials=trials.get(run_id, 0) if kind == "sweep" else None,
    )
