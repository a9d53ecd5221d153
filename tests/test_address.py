"""The address of a store: slips are told with what was meant, what MLflow can open passes, passwords stay unseen."""

from pathlib import Path

import pytest

from ctexp.address import check_address, shown, sqlite_file
from ctexp.errors import ConfigError


@pytest.mark.parametrize(
    "uri",
    ["http://127.0.0.1:5055", "https://mlflow.example.org/prefix/", "HTTP://host", "http://anna:pass@host:5000",
     "postgresql://mlflow:SECRET@db/mlflow", "postgresql+psycopg://db/mlflow?sslmode=require", "sqlite:///x.db",
     "mysql+pymysql://u:p@db:3306/mlflow", "mssql+pyodbc://u:p@dsn", "sqlite:////srv/x.db", "sqlite+pysqlite:///x.db",
     "sqlite:///:memory:", "databricks", "databricks://profile"],
)  # fmt: skip
def test_addresses_that_mlflow_opens_pass(uri: str) -> None:
    """Servers, databases with or without the name of a driver, and Databricks are no slips."""
    check_address(uri)


@pytest.mark.parametrize(
    ("uri", "meant"),
    [("127.0.0.1:5055", "http://127.0.0.1:5055"), ("localhost", "http://localhost"), ("db:5000/x", "http://db:5000/x"),
     ("mlflow.example.org", "http://mlflow.example.org"), ("htp://127.0.0.1:5055", "http://127.0.0.1:5055"),
     ("http:/host:5000", "http://host:5000"), ("htps://host", "https://host"), (" http://host", "http://host"),
     ("postgres://mlflow@db/mlflow", "postgresql://mlflow@db/mlflow"), ("mlflow.db", "sqlite:///mlflow.db"),
     ("sqlite://mlflow.db", "sqlite:///mlflow.db"), ("sqlite:/srv/x.db", "sqlite:////srv/x.db")],
)  # fmt: skip
def test_slips_are_told_with_what_was_meant(uri: str, meant: str) -> None:
    """One line names the rule, what was got, and the likely address, which itself passes."""
    with pytest.raises(ConfigError) as told:
        check_address(uri)
    assert str(told.value).startswith("MLFLOW_TRACKING_URI: must begin with http://, https://, postgresql://, ")
    assert str(told.value).endswith(f" or sqlite:///, got {uri}; did you mean {meant}?")
    check_address(meant)


@pytest.mark.parametrize("uri", ["/srv/mlruns", "./mlruns", "ftp2024://host", "file:///srv/mlruns"])
def test_nothing_is_guessed_where_nothing_is_likely(uri: str) -> None:
    """Folders and unknown schemes are refused with the way back to the project's own store."""
    with pytest.raises(ConfigError, match=r"; mend it, or unset it for the project's own mlflow.db$"):
        check_address(uri)


def test_a_folder_of_files_passes_where_mlflow_allows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's own switch for its file store is respected."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    check_address("/srv/mlruns")


@pytest.mark.parametrize(
    ("uri", "seen"),
    [("postgresql://mlflow:SECRET@db:5432/runs", "postgresql://mlflow@db:5432/runs"),
     ("postgresql://mlflow:SE/CR@ET@db/runs?password=SECRET", "postgresql://mlflow@db/runs"),
     ("postgresql://db/runs?password=SECRET", "postgresql://db/runs"), ("user:SECRET@host:5000", "user@host:5000"),
     ("https://anna:SECRET@host/prefix", "https://anna@host/prefix"), ("sqlite:////a@b:c/x.db", "sqlite:////a@b:c/x.db"),
     ("postgresql://u:SEC?RET@db/runs?sslmode=require", "postgresql://u@db/runs"),
     ("postgresql://u:SEC?R@ET@db/runs", "postgresql://u@db/runs"), ("https://anna@host/runs", "https://anna@host/runs"),
     ("postgresql://db/runs?user=anna&password=SEC@RET", "postgresql://db/runs"),
     ("http://127.0.0.1:5000", "http://127.0.0.1:5000")],
)  # fmt: skip
def test_passwords_are_not_shown(uri: str, seen: str) -> None:
    """User, host and name of the database stay; what is or may be a password goes."""
    assert shown(uri) == seen


def test_an_unescaped_at_sign_is_told() -> None:
    """SQLAlchemy would take half of such a password for the host and put it into its message."""
    with pytest.raises(ConfigError, match=r"as %40$") as told:
        check_address("postgresql://mlflow:SEC@RET@db/mlflow")
    assert "SEC" not in str(told.value)
    assert "RET" not in str(told.value)


def test_files_of_sqlite_are_known() -> None:
    """Relative and absolute paths are files; memory, SQLite's own form and servers are none."""
    assert sqlite_file("sqlite:///a/x.db?timeout=5") == Path("a/x.db")
    assert sqlite_file("sqlite:////srv/x.db") == Path("/srv/x.db")
    for uri in ("sqlite:///:memory:", "sqlite://", "sqlite:///file:x.db?uri=true", "http://host/x.db"):
        assert sqlite_file(uri) is None
