"""The registry's tables in a local SQLite file, read without MLflow."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

from ctexp.registry.lookup.stored import StoredVersion
from ctexp.registry.names import Reference

_VERSIONS = frozenset({
    "workspace", "name", "version", "creation_time", "last_updated_time", "description", "user_id", "current_stage",
    "source", "run_id", "run_link", "status", "status_message", "storage_location",
})  # fmt: skip
_ALIASES = frozenset({"workspace", "name", "alias", "version"})
_BEFORE_WORKSPACES = frozenset({"workspace"})
"""MLflow's releases before 3.10 have the same tables without this column."""
_PATIENCE_SECONDS = 10.0
"""A writer holds the file for milliseconds, a busy sweep for seconds at worst."""


def look_in_database(file: Path, wanted: Reference) -> StoredVersion | None:
    """Find a version in MLflow's database; None where that is not certain: other tables, no such version, no access.

    Args:
        file: SQLite database; it is not written to.
        wanted: the version.
    """
    try:
        connection = sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=_PATIENCE_SECONDS)
        try:
            columns = _columns(connection, "model_versions"), _columns(connection, "registered_model_aliases")
            if columns not in ((_VERSIONS, _ALIASES), (_VERSIONS - _BEFORE_WORKSPACES, _ALIASES - _BEFORE_WORKSPACES)):
                return None
            row = connection.execute(*_query(wanted, workspaces="workspace" in columns[0])).fetchone()
        finally:
            connection.close()
    except sqlite3.Error:
        return None
    if row is None or not all(row):
        return None
    name, version, run_id, source, created = row
    return StoredVersion(str(name), str(version), str(run_id), str(source), int(created))


def _columns(connection: sqlite3.Connection, table: str) -> frozenset[str]:
    return frozenset(name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", [table]))


def _query(wanted: Reference, *, workspaces: bool) -> tuple[str, list[object]]:
    """Give the statement, of constant words only, and its values."""
    start = "SELECT v.name, v.version, v.run_id, v.source, v.creation_time FROM model_versions v "
    alive = "v.current_stage != 'Deleted_Internal'" + (" AND v.workspace = 'default'" if workspaces else "")
    if wanted.run_id:
        return f"{start}WHERE {alive} AND v.run_id = ? ORDER BY v.version DESC LIMIT 1", [wanted.run_id]
    if wanted.version:
        return f"{start}WHERE {alive} AND v.name = ? AND v.version = ?", [wanted.name, int(wanted.version)]
    same = " AND a.workspace = v.workspace" if workspaces else ""
    join = f"JOIN registered_model_aliases a ON a.name = v.name AND a.version = v.version{same} "
    return f"{start}{join}WHERE {alive} AND a.name = ? AND a.alias = ?", [wanted.name, wanted.alias]
