"""The store that a command reads from."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctexp.project import Project
    from ctexp.tracking.store import Store


def begun_project(*, answering: bool = True, offline: bool = False) -> "Project":
    """Find the project that the current folder lies in; what cannot be read from is refused before MLflow loads.

    Args:
        answering: whether a server must answer; not so where a copy on this machine may do.
        offline: the copy may do where the store's file is not there, too.

    Raises:
        ConfigError: `$MLFLOW_TRACKING_URI` is no address of a store.
        UnknownReferenceError: it has no store.
        StoreUnreachableError: its server does not answer.
    """
    from ctexp.project import find_project, require_store
    from ctexp.tracking.reach import require_server

    project = find_project()
    if not (offline and project.store_file is not None and not project.store_file.is_file()):
        require_store(project)
    if answering:
        require_server(project.tracking_uri)
    return project


def open_to_read() -> "Store":
    """Open the store of the current folder's project, which must have one.

    Raises:
        UnknownReferenceError: there is none.
        StoreUnreachableError: it cannot be reached.
    """
    project = begun_project()

    from ctexp.tracking.store import open_store

    return open_store(project, create=False)
