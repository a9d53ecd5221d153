"""The versions of a registered model, each in one line: which, called what, since when, how good."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ctexp.errors import UnknownReferenceError
from ctexp.project import MODEL_NAME
from ctexp.registry.history import read_history

if TYPE_CHECKING:
    from ctexp.tracking.store import Store


@dataclass(frozen=True)
class ListedVersion:
    """One version; what its run did not log, or a deleted run, is None.

    Attributes:
        version: its number.
        aliases: sorted; `champion` is the one that answers.
        when: it was registered, UTC.
        run_id: the run that trained it.
        auc: (value, low, high) on the validation scans, 95 % interval; as its run logged it.
        scans: number of these scans; out of fold those outside the locked test.
        synthetic: trained on drawn scans.
    """

    version: str
    aliases: tuple[str, ...]
    when: datetime
    run_id: str
    auc: tuple[float, float, float] | None
    scans: int | None
    synthetic: bool | None

    def as_json(self) -> dict[str, Any]:
        """Give the version as plain values."""
        value, low, high = self.auc or (None, None, None)
        return {"version": self.version, "aliases": list(self.aliases), "when": self.when.isoformat(timespec="seconds"),
                "run_id": self.run_id, "val_auc": value, "val_auc_low": low, "val_auc_high": high,
                "validation_scans": self.scans, "synthetic": self.synthetic}  # fmt: skip


def list_versions(store: "Store", name: str = MODEL_NAME) -> list[ListedVersion]:
    """Give all versions of a registered model, the newest first.

    Raises:
        UnknownReferenceError: no such model is registered.
        WorkError: the store cannot be read.
    """
    from ctexp.tracking.store import FAILURES, unreachable

    try:
        return _read(store, name)
    except FAILURES as error:
        raise unreachable(store.project, error) from error


def _read(store: "Store", name: str) -> list[ListedVersion]:
    read_history(store, name)  # an unknown model, or a store that does not answer, is said as everywhere
    named: dict[str, list[str]] = {}
    for alias, version in store.client.get_registered_model(name).aliases.items():
        named.setdefault(str(version), []).append(alias)
    found = []
    token = None
    while True:
        page = store.client.search_model_versions(f"name = '{name}'", max_results=1000, page_token=token)
        for entity in page:
            try:
                data = store.run(entity.run_id).data
                params, metrics = data.params, data.metrics
            except UnknownReferenceError:  # the run was deleted for good; its version can still answer
                params, metrics = {}, {}
            found.append(_listed(entity, named, params, metrics))
        token = page.token
        if not token:
            break
    return sorted(found, key=lambda one: int(one.version), reverse=True)


def _listed(
    entity: Any, named: dict[str, list[str]], params: dict[str, str], metrics: dict[str, float]
) -> ListedVersion:
    version = str(entity.version)
    area = tuple(metrics.get(f"val_auc{end}", math.nan) for end in ("", "_low", "_high"))
    scans = metrics.get("val_auc_n")
    synthetic = params.get("data.synthetic")
    return ListedVersion(
        version,
        tuple(sorted(named.get(version, []))),
        datetime.fromtimestamp(entity.creation_timestamp / 1000, UTC),
        entity.run_id,
        (area[0], area[1], area[2]) if all(map(math.isfinite, area)) else None,
        None if scans is None else int(scans),
        None if synthetic is None else synthetic == "true",
    )
