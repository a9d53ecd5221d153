"""Which way a REF is looked up."""

import os
from collections.abc import Iterable
from pathlib import Path

from ctexp.project import Project, require_store
from ctexp.registry.lookup.stored import StoredVersion
from ctexp.registry.names import Reference

_ELSEWHERE = ("MLFLOW_REGISTRY_URI", "MLFLOW_ENABLE_WORKSPACES", "MLFLOW_WORKSPACE")
"""Settings that decide where the registry is; only MLflow follows them."""
_SPOKEN_TO_OTHERWISE = (
    "MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_TRACKING_INSECURE_TLS",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH", "MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
)  # fmt: skip
"""Settings of how a server is spoken to, of which the same is true; certificates matter to https only."""
_SQLITE = "sqlite:///"


def look_up(project: Project, wanted: Reference) -> StoredVersion:
    """Find the version that a REF names, as it stands in the store at this moment.

    Raises:
        UnknownReferenceError: it names nothing in this store, or there is no store.
        StoreUnreachableError: the store does not answer.
    """
    require_store(project)
    return _directly(project, wanted) or _by_mlflow(project, wanted)


def _directly(project: Project, wanted: Reference) -> StoredVersion | None:
    from ctexp.registry.lookup.database import look_in_database
    from ctexp.registry.lookup.server import ask_server

    uri = project.tracking_uri
    by_rule = wanted.alias is not None and wanted.alias.lower() == "latest"  # not an alias that was set
    odd_version = wanted.version is not None and not (wanted.version.isascii() and wanted.version.isdigit())
    if by_rule or odd_version or _any_set(_ELSEWHERE):
        return None
    if uri.startswith(_SQLITE) and not set("?#%") & set(uri):
        file = Path(uri.removeprefix(_SQLITE))
        return look_in_database(file, wanted) if file.is_file() else None
    if uri.startswith(("http://", "https://")):
        unusual = _SPOKEN_TO_OTHERWISE[: 2 if uri.startswith("http:") else None]
        if _any_set(unusual) or (Path.home() / ".mlflow" / "credentials").exists():
            return None
        return ask_server(uri, wanted)
    return None


def _any_set(names: Iterable[str]) -> bool:
    return any(os.environ.get(name) for name in names)


def _by_mlflow(project: Project, wanted: Reference) -> StoredVersion:
    from ctexp.registry.references import find_entity
    from ctexp.tracking.store import open_store

    found = find_entity(open_store(project, create=False), wanted)
    return StoredVersion(
        found.name, str(found.version), found.run_id or "", found.source or "", int(found.creation_timestamp)
    )
