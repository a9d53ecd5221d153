"""A REF to a folder on this machine that answers: the door to a registered version for everybody who asks one."""

from dataclasses import dataclass
from pathlib import Path

from ctexp.errors import StoreUnreachableError, UnknownReferenceError
from ctexp.project import Project
from ctexp.registry.lookup import StoredVersion, look_up
from ctexp.registry.names import ModelVersion, Reference, read_reference
from ctexp.registry.shelf import Shelf


@dataclass(frozen=True)
class LocalVersion:
    """A version of a registered model, with a copy of it on this machine.

    Attributes:
        name: of the registered model.
        version: its number.
        run_id: the run that trained it.
        folder: the copy, for `Predictor`; it was whole when it was found.
        hash: of the copy's content; another hash is another model.
        note: what the user must be told: the store did not answer, and this is the version that it named before. None
            where it did.
    """

    name: str
    version: str
    run_id: str
    folder: Path
    hash: str
    note: str | None = None


def find_version(project: Project, reference: str | None = None, *, offline: bool = False) -> LocalVersion:
    """Find the version that a REF names at this moment, and the copy of it on this machine, which is made if needed.

    The store is asked each time: a moved alias is seen at once. The files of a version never change, so they are
    fetched once.

    Args:
        project: whose store.
        reference: REF; None for the project's champion.
        offline: where the store does not answer, take the version that it named when it last did.

    Raises:
        UnknownReferenceError: the reference has no known form, or names nothing in the store.
        StoreUnreachableError: the store does not answer, and `offline` is not wished or helps nothing.
        WorkError: the version's files cannot be fetched, or are no whole predictor.
    """
    wanted = read_reference(reference)
    shelf = Shelf(project.models, project.tracking_uri)
    try:
        found = look_up(project, wanted)
    except StoreUnreachableError as error:
        if not offline:
            raise
        return _last_known(shelf, wanted, str(error), StoreUnreachableError)
    except UnknownReferenceError as error:
        if not offline or project.store_file is None or project.store_file.is_file():
            raise
        return _last_known(shelf, wanted, str(error), UnknownReferenceError)  # the store itself is not there
    hash = shelf.copy_of(found, lambda place: _fetch(project, found, place))
    shelf.note(wanted.text, found, hash)
    return LocalVersion(found.name, found.version, found.run_id, shelf.place(hash), hash)


def _fetch(project: Project, found: StoredVersion, place: Path) -> Path:
    from ctexp.registry.references import download
    from ctexp.tracking.store import open_store

    open_store(project, create=False)  # tells MLflow where the store is
    return download(ModelVersion(found.name, found.version, found.run_id), place)


def _last_known(
    shelf: Shelf, wanted: Reference, trouble: str, kind: type[StoreUnreachableError] | type[UnknownReferenceError]
) -> LocalVersion:
    noted = shelf.noted(wanted.text)
    if noted is None:
        raise kind(
            f"{trouble}; --offline: no copy of {wanted.text} is kept in {shelf.folder}; "
            "ask it once while the store answers"
        )
    note = f"offline: {wanted.text} was version {noted.version.version} on {noted.when}; {trouble}"
    found = noted.version
    return LocalVersion(found.name, found.version, found.run_id, shelf.place(noted.hash), noted.hash, note)
