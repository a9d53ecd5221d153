"""Whether a store can be reached: tried once and briefly, where MLflow would try again for minutes and say nothing."""

import re
from typing import TYPE_CHECKING

from ctexp.address import DATABASES, SERVERS, scheme_of, shown
from ctexp.errors import ConfigError, StoreUnreachableError
from ctexp.tracking.server import get

if TYPE_CHECKING:
    from sqlalchemy import URL

_PATIENCE_SECONDS = 5
_TIMEOUT_WORDS = {
    "psycopg": "connect_timeout", "psycopg2": "connect_timeout", "mysqldb": "connect_timeout",
    "pymysql": "connect_timeout", "mysqlconnector": "connection_timeout",
}  # fmt: skip
"""How a driver is told, in the address, how long to wait; another one waits as long as it does."""
_PACKAGES = {"psycopg": '"psycopg[binary]"', "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
"""What brings a driver, where it is called otherwise than its module."""


def require_reachable(uri: str) -> None:
    """Refuse a server or database that does not answer; any answer of a server will do, also that one must log in.

    Args:
        uri: address of the store; a SQLite file, and what only MLflow's plugins know, is passed over.

    Raises:
        StoreUnreachableError: nobody answers, the database lets nobody in, or its driver is not installed.
        ConfigError: SQLAlchemy cannot read the address.
    """
    require_server(uri)
    if scheme_of(uri) in DATABASES:
        _connect(uri)


def require_server(uri: str) -> None:
    """Refuse a server that does not answer, without loading MLflow; whatever is no server is passed over.

    Raises:
        StoreUnreachableError: nobody answers.
    """
    if scheme_of(uri) in SERVERS:
        # What MLflow asks next, too: a proxy that lets only its interface through lets this through.
        get(uri, "experiments/get-by-name", {"experiment_name": "Default"})


def _connect(uri: str) -> None:
    from mlflow.store.db.utils import create_sqlalchemy_engine  # with MLflow's settings of certificates
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError, DBAPIError

    try:
        address = _with_timeout(make_url(uri)).render_as_string(hide_password=False)
        engine = create_sqlalchemy_engine(address)
    except ImportError as error:
        raise _without_driver(uri, error) from error
    except (ArgumentError, ValueError) as error:  # its words may hold the password
        raise ConfigError(
            f"MLFLOW_TRACKING_URI: must be an address that SQLAlchemy can read, got {shown(uri)}; "
            "write it as DATABASE://USER:PASSWORD@HOST:PORT/NAME"
        ) from error
    try:
        engine.connect().close()
    except DBAPIError as error:
        reason = _reason(str(error.orig))
        unknown = "does not exist" in reason or "Unknown database" in reason
        remedy = "make it or " if unknown else "" if "FATAL" in reason else "start the server or "
        raise StoreUnreachableError(
            f"store {shown(uri)}: must be reachable: {reason}; {remedy}mend MLFLOW_TRACKING_URI"
        ) from error
    finally:
        engine.dispose()


def _with_timeout(url: "URL") -> "URL":
    word = _TIMEOUT_WORDS.get(url.get_driver_name())
    return url if word is None or word in url.query else url.update_query_dict({word: str(_PATIENCE_SECONDS)})


def _without_driver(uri: str, error: ImportError) -> StoreUnreachableError:
    module = (error.name or "").partition(".")[0] or scheme_of(uri)
    package = _PACKAGES.get(module, module)
    first = (str(error) or "it cannot be loaded").splitlines()[0]
    return StoreUnreachableError(f"store {shown(uri)}: its driver must be installed: {first}; pip install {package}")


def _reason(words: str) -> str:
    """Give the database's own reason; drivers write in front of it what they tried, and behind it what to think of."""
    fatal = re.search(r"FATAL:[^\n]*", words)
    first = fatal[0] if fatal else (words.strip() or "no reason given").splitlines()[0]
    return " ".join(first.split())
