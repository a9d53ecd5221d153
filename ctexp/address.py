"""The address of a store, `$MLFLOW_TRACKING_URI`: a slip is told before MLflow is loaded, and no password is shown."""

import difflib
import os
import re
from pathlib import Path

from ctexp.errors import ConfigError

SERVERS = ("http", "https")
DATABASES = ("postgresql", "mysql", "mssql")
_SQLITE = "sqlite"
_DATABRICKS = ("databricks", "databricks-uc", "uc")
_RULE = "must begin with http://, https://, postgresql://, mysql://, mssql:// or sqlite:///"


def scheme_of(uri: str) -> str:
    """Give what stands before the colon, without the driver that SQLAlchemy is told (`+psycopg`)."""
    return uri.partition(":")[0].partition("+")[0].lower()


def sqlite_file(uri: str) -> Path | None:
    """Give the file of a SQLite address; None for what is no file: a server, memory, SQLite's own `file:` form."""
    if scheme_of(uri) != _SQLITE or ":///" not in uri:
        return None
    name = uri.partition(":///")[2].partition("?")[0]
    return None if name in ("", ":memory:") or name.startswith("file:") else Path(name)


def shown(uri: str) -> str:
    """Give an address as a message may show it: without a password, and without what stands behind `?`."""
    if scheme_of(uri) == _SQLITE:
        return uri
    head, slashes, rest = uri.partition("://") if "://" in uri else ("", "", uri)
    # All between the first colon and the last @ may be of a password, a question mark, too.
    guarded = re.fullmatch(r"([^:@?]*)(?::.*)?@(.*)", rest, re.DOTALL)
    who, at, place = (guarded[1], "@", guarded[2]) if guarded else ("", "", rest)
    return f"{head}{slashes}{who}{at}{place.partition('?')[0]}"


def check_address(uri: str) -> None:
    """Refuse what is no address of a store.

    Raises:
        ConfigError: MLflow knows no store that begins like this, or SQLAlchemy would read the host wrong.
    """
    if not _begins_well(uri):
        meant = _meant(uri.strip())
        remedy = f"did you mean {shown(meant)}?" if meant else "mend it, or unset it for the project's own mlflow.db"
        raise ConfigError(f"MLFLOW_TRACKING_URI: {_RULE}, got {shown(uri)}; {remedy}")
    if scheme_of(uri) in DATABASES and uri.partition("://")[2].partition("/")[0].count("@") > 1:
        raise ConfigError(
            f"MLFLOW_TRACKING_URI: must have one @, before the host, got {shown(uri)} with another before it; "
            "write one of the password as %40"
        )


def _begins_well(uri: str) -> bool:
    scheme, _, rest = uri.partition(":")
    if scheme.lower() in SERVERS or scheme_of(uri) in DATABASES:
        return rest.startswith("//")
    if scheme_of(uri) == _SQLITE:
        return rest.startswith("///")
    # A folder of files works only where MLflow was told to allow it; other schemes come with MLflow's plugins.
    return scheme.lower() in _DATABRICKS or bool(os.environ.get("MLFLOW_ALLOW_FILE_STORE")) or _is_plugin(scheme)


def _is_plugin(scheme: str) -> bool:
    from importlib.metadata import entry_points

    return any(one.name == scheme.lower() for one in entry_points(group="mlflow.tracking_store"))


def _meant(uri: str) -> str | None:
    """Guess the address behind a slip; None where nothing is likely."""
    parts = re.fullmatch(r"([A-Za-z][\w.-]*)(\+\w+)?:(/*)(.+)", uri)
    if parts and (parts[3] or not parts[4][0].isdigit()):
        scheme, driver, slashes, rest = parts.groups(default="")
        near = difflib.get_close_matches(scheme.lower(), (*SERVERS, *DATABASES, _SQLITE), n=1)
        if not near:
            return None
        absolute = len(slashes) in (1, 4)
        begin = "://" if near[0] != _SQLITE else ":////" if absolute else ":///"
        return f"{near[0]}{driver}{begin}{rest}"
    if uri.endswith((".db", ".sqlite", ".sqlite3")):
        return f"sqlite:///{uri}"
    host = re.fullmatch(r"(localhost|[\w-]+(\.[\w-]+)+|[\w-]+(\.[\w-]+)*:\d+)(:\d+)?(/\S*)?", uri)
    return f"http://{uri}" if host else None
