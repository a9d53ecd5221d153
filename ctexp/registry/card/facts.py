"""All that the store knows of a version and that its model card is made of; what is not logged is not there."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ctexp.errors import UnknownReferenceError, WorkError
from ctexp.registry.history import History, read_history, require_version
from ctexp.tracking.tags import DOUBT_TAG, KIND_TAG, PARENT_TAG

if TYPE_CHECKING:
    from ctexp.registry.ledger import Look
    from ctexp.registry.manifest import PredictorManifest
    from ctexp.registry.references import ModelVersion
    from ctexp.tracking.store import Store


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of the version.

    Attributes:
        on: `validation`, the locked `test`, or `site`, another site's scans.
        when: UTC.
        params, metrics: as its run logged them.
        look: which look at this test set it was, by the ledger; None for other scans.
        doubts: what its audit found, a sentence each; empty where none was asked for, or by an earlier ctexp.
    """

    on: str
    when: datetime
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    look: str | None = None
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class CardFacts:
    """What is known of one version.

    Attributes:
        name, version: of the registered model.
        run_id: the run that trained it.
        aliases: sorted.
        registered: UTC; None where the registry does not say.
        params, metrics, tags: its run's; params and tags that only the parent run (a sweep) has are there as well.
        sweep: the parent's params and metrics where it is a sweep.
        manifest: that travels with the network; None where the files cannot be read.
        history: of the registered model.
        looks: at locked tests of the same collection, the earliest first; None where the ledger cannot be read.
        evaluations: of this version, the earliest first.
    """

    name: str
    version: str
    run_id: str
    aliases: tuple[str, ...] = ()
    registered: datetime | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    sweep: Mapping[str, Any] | None = None
    manifest: "PredictorManifest | None" = None
    history: History = field(default_factory=lambda: History((), None))
    looks: "tuple[Look, ...] | None" = ()
    evaluations: tuple[Evaluation, ...] = ()


def gather_facts(store: "Store", version: "ModelVersion") -> CardFacts:
    """Read everything of a version.

    Raises:
        UnknownReferenceError: the version is not registered.
        WorkError: the store cannot be read.
    """
    from ctexp.registry.references import load_predictor

    history = read_history(store, version.name)
    entity = require_version(store, version.name, version.version)
    aliases = store.client.get_registered_model(version.name).aliases
    params, metrics, tags, sweep = _run_facts(store, version.run_id)
    try:
        manifest = load_predictor(store, version).manifest
    except WorkError:
        manifest = None
    return CardFacts(
        version.name,
        version.version,
        version.run_id,
        tuple(sorted(alias for alias, number in aliases.items() if str(number) == version.version)),
        datetime.fromtimestamp(entity.creation_timestamp / 1000, UTC),
        params,
        metrics,
        tags,
        sweep,
        manifest,
        history,
        looks_of_data(store, params.get("data.hash")),
        _evaluations(store, version),
    )


def looks_of_data(store: "Store", data_hash: str | None) -> "tuple[Look, ...] | None":
    """Give the looks at locked tests of a collection, the earliest first; None where the ledger cannot be read.

    Args:
        store: whose ledger.
        data_hash: of the collection; None finds none.
    """
    from mlflow.exceptions import MlflowException

    from ctexp.registry.ledger import looks

    try:
        return tuple(look for look in looks(store) if look.data_hash == data_hash)
    except (WorkError, MlflowException):
        return None


def _run_facts(
    store: "Store", run_id: str
) -> tuple[dict[str, str], dict[str, float], dict[str, str], dict[str, Any] | None]:
    try:
        data = store.run(run_id).data
    except UnknownReferenceError:  # deleted for good; the version can still answer
        return {}, {}, {}, None
    above = None
    if parent := data.tags.get(PARENT_TAG):
        with contextlib.suppress(UnknownReferenceError):  # what the run itself logged is still there
            above = store.run(parent).data
    if above is None:
        return dict(data.params), dict(data.metrics), dict(data.tags), None
    is_sweep = above.tags.get(KIND_TAG) == "sweep"
    sweep = {**above.params, **above.metrics, "name": above.tags.get("ctexp.sweep")} if is_sweep else None
    return {**above.params, **data.params}, dict(data.metrics), {**above.tags, **data.tags}, sweep


def _evaluations(store: "Store", version: "ModelVersion") -> tuple[Evaluation, ...]:
    query = (
        f"tags.`{KIND_TAG}` = 'evaluation' AND tags.`ctexp.evaluated.version` = '{version.version}' "
        f"AND tags.`ctexp.evaluated.model` = '{version.name}' AND tags.`ctexp.evaluated.run` = '{version.run_id}' "
        "AND attributes.status = 'FINISHED'"  # the run: a number may have been another version's that was deleted
    )
    runs = store.client.search_runs(
        [store.experiment_id], query, order_by=["attributes.start_time ASC"], max_results=1000
    )
    return tuple(
        Evaluation(
            run.data.params.get("evaluation.on", "unknown"),
            datetime.fromtimestamp(run.info.start_time / 1000, UTC),
            dict(run.data.params),
            dict(run.data.metrics),
            run.data.tags.get("ctexp.look"),
            tuple(text for key, text in sorted(run.data.tags.items()) if key.startswith(DOUBT_TAG)),
        )
        for run in runs
    )
