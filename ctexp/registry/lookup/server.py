"""The registry of an MLflow server, asked over HTTP without MLflow."""

import json
from typing import Any

from ctexp.registry.lookup.stored import StoredVersion
from ctexp.registry.names import Reference
from ctexp.tracking.server import get


def ask_server(uri: str, wanted: Reference) -> StoredVersion | None:
    """Find a version in a server's registry; None where it must be left to MLflow: refused, unknown, another protocol.

    Args:
        uri: `http://` or `https://`.
        wanted: the version.

    Raises:
        StoreUnreachableError: nobody answers.
    """
    reply = get(uri, *_question(wanted))
    if reply is None:
        return None
    try:
        return _read(json.loads(reply))
    except ValueError:
        return None


def _question(wanted: Reference) -> tuple[str, dict[str, str]]:
    if wanted.run_id:
        return "model-versions/search", {"filter": f"run_id = '{wanted.run_id}'", "max_results": "1000"}
    if wanted.version:
        return "model-versions/get", {"name": wanted.name or "", "version": wanted.version}
    return "registered-models/alias", {"name": wanted.name or "", "alias": wanted.alias or ""}


def _read(reply: Any) -> StoredVersion | None:
    try:
        found = reply["model_versions"] if "model_versions" in reply else [reply["model_version"]]
        newest = max(found, key=lambda one: int(one["version"]))
        return StoredVersion(
            str(newest["name"]),
            str(newest["version"]),
            str(newest["run_id"]),
            str(newest["source"]),
            int(newest["creation_timestamp"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
