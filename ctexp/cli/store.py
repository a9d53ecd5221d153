"""The store that a command reads from."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctexp.project import Project
    from ctexp.tracking.store import Store


def begun_project() -> "Project":
    """Find the project that the current folder lies in; one in which nothing was begun is refused before MLflow loads.

    Raises:
        UnknownReferenceError: it has no store.
    """
    from ctexp.project import find_project, require_store

    project = find_project()
    require_store(project)
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
