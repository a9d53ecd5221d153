"""Where things are: the project's folder, its store, its data and its cache.

The folder is looked for from the current one upwards, so that a command typed in a sub-folder finds the same store as
a bare `mlflow ui` in the project's folder.
"""

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ctexp.address import check_address, shown, sqlite_file
from ctexp.errors import ConfigError, UnknownReferenceError

MODEL_NAME = os.environ.get("CTEXP_MODEL") or "ctexp"
"""The registered model that REFs without a name mean, and the experiment that runs are filed under.

Studies that share one server have a name each, from the environment: the workers of a sweep inherit it.
"""


@dataclass(frozen=True)
class Project:
    """The folders and addresses of one project; nothing is created by asking."""

    root: Path

    @property
    def tracking_uri(self) -> str:
        """MLflow's store: `$MLFLOW_TRACKING_URI`, else the database that a bare `mlflow ui` opens here."""
        return os.environ.get("MLFLOW_TRACKING_URI") or self.local_uri

    @property
    def store_name(self) -> str:
        """The store's address as messages show it: without a password."""
        return shown(self.tracking_uri)

    @property
    def store_file(self) -> Path | None:
        """The file that the store lies in; None for a server."""
        return self.database if self.tracking_uri == self.local_uri else sqlite_file(self.tracking_uri)

    @property
    def database(self) -> Path:
        """The file of the local store."""
        return self.root / "mlflow.db"

    @property
    def local_uri(self) -> str:
        """The local store, whatever the environment says."""
        return f"sqlite:///{self.database}"

    @property
    def artifacts(self) -> Path:
        """Folder of the local store's artifacts."""
        return self.root / "mlruns"

    @property
    def cache(self) -> Path:
        """Folder of prepared arrays: `$CTEXP_CACHE`, else `.ctexp/cache`."""
        return Path(os.environ.get("CTEXP_CACHE") or self.root / ".ctexp" / "cache").absolute()

    @property
    def models(self) -> Path:
        """Folder of the local copies of registered versions, in the cache."""
        return self.cache / "models"

    @property
    def data(self) -> Path:
        """Folder that `mosmed` and `phantom` live in."""
        return self.root / "data"


def require_address(project: Project) -> None:
    """Refuse an address that no store can be at; nothing is asked of a server, and MLflow is not loaded.

    Raises:
        ConfigError: `$MLFLOW_TRACKING_URI` is no address of a store.
        UnknownReferenceError: it names a file in a folder that is not there, which MLflow would make.
    """
    check_address(project.tracking_uri)
    file = project.store_file
    if file is not None and not file.parent.is_dir():
        raise UnknownReferenceError(
            f"store {project.store_name}: its folder must exist, there is no {file.parent}; "
            "make it or mend MLFLOW_TRACKING_URI"
        )


def require_store(project: Project) -> None:
    """Refuse a folder that is no project's, for what only reads: it shall leave no empty store behind.

    Raises:
        ConfigError: as `require_address`.
        UnknownReferenceError: the store's file is not there: of the local one, or of that in the variable.
    """
    require_address(project)
    file = project.store_file
    if file is None or file.is_file():
        return
    if project.tracking_uri == project.local_uri:
        raise UnknownReferenceError(
            f"{project.root}: must be a project's folder or lie in one, there is no mlflow.db; "
            "change to the folder of your trainings, or begin one here with `ctexp train`"
        )
    raise UnknownReferenceError(
        f"store {project.store_name}: must be there to be read, there is no file {file}; "
        "mend MLFLOW_TRACKING_URI, or begin the store with `ctexp train`"
    )


def find_project(start: Path | None = None) -> Project:
    """Find the project that `start` (default: the current folder) lies in.

    The nearest folder upwards that has a store (`mlflow.db`), or both `sweeps/` and `mlruns/`, is its root; where there
    is none, `start` itself is. The search ends below the home folder and the folder of temporary files: a store that
    was once made there by mistake would otherwise swallow every project below.

    Raises:
        ConfigError: `$CTEXP_MODEL` is no name.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", MODEL_NAME):
        raise ConfigError(f"$CTEXP_MODEL: must be letters, digits, '.', '_' and '-', at most 100, got {MODEL_NAME!r}")
    here = (start or Path.cwd()).absolute()
    ends = {Path.home(), Path(tempfile.gettempdir()), Path(here.anchor)}
    for folder in (here, *here.parents):
        if folder != here and folder in ends:
            break
        if (folder / "mlflow.db").is_file() or ((folder / "sweeps").is_dir() and (folder / "mlruns").is_dir()):
            return Project(folder)
    return Project(here)
