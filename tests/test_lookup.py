"""A REF looked up in MLflow's database and at its server, and left to MLflow where that is not certain."""

import base64
import json
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from ctexp.errors import StoreUnreachableError, UnknownReferenceError
from ctexp.registry.lookup.database import look_in_database
from ctexp.registry.lookup.server import ask_server
from ctexp.registry.lookup.stored import StoredVersion
from ctexp.registry.names import read_reference

RUN = "0123456789abcdef" * 2
FIRST = StoredVersion("ctexp", "1", RUN, "models:/m-1", 1700000000001)
SECOND = StoredVersion("ctexp", "2", RUN, "models:/m-2", 1700000000002)
COLUMNS = (
    "workspace, name, version, creation_time, last_updated_time, description, user_id, current_stage, source, run_id,"
    " run_link, status, status_message, storage_location"
)


@pytest.fixture
def database(tmp_path) -> Path:
    """A file with the two tables of MLflow's that matter: two versions and a deleted one, an alias for each."""
    file = tmp_path / "mlflow.db"
    with sqlite3.connect(file) as connection:
        connection.execute(f"create table model_versions ({COLUMNS})")
        connection.execute("create table registered_model_aliases (workspace, name, alias, version)")
        for number, stage in ((1, "None"), (2, "None"), (3, "Deleted_Internal")):
            row = {"workspace": "default", "name": "ctexp", "version": number, "creation_time": 1700000000000 + number,
                   "current_stage": stage, "source": f"models:/m-{number}", "run_id": RUN}  # fmt: skip
            connection.execute(
                f"insert into model_versions ({', '.join(row)}) values ({', '.join('?' * len(row))})",  # noqa: S608
                list(row.values()),
            )
        aliases = [("champion", 1), ("challenger", 2), ("gone", 3)]
        connection.executemany("insert into registered_model_aliases values ('default', 'ctexp', ?, ?)", aliases)
    connection.close()
    return file


@pytest.mark.parametrize(
    ("reference", "expected"),
    [(None, FIRST), ("ctexp@challenger", SECOND), ("models:/ctexp/2", SECOND), ("models:/ctexp@champion", FIRST),
     (RUN, SECOND), ("ctexp@gone", None), ("models:/ctexp/3", None), ("ctexp@nobody", None), ("other@champion", None),
     ("f" * 32, None), ("ctexp@' or 1=1 --", None)],
)  # fmt: skip
def test_database_gives_what_is_certain(database, reference, expected) -> None:
    """Alias, version and run id (its newest version) are found; what is deleted or not there is left to MLflow."""
    assert look_in_database(database, read_reference(reference)) == expected


def test_moved_alias_is_seen_at_once(database) -> None:
    """Nothing is remembered between two looks."""
    assert look_in_database(database, read_reference(None)) == FIRST
    with sqlite3.connect(database) as connection:
        connection.execute("update registered_model_aliases set version = 2 where alias = 'champion'")
    connection.close()
    assert look_in_database(database, read_reference(None)) == SECOND


@pytest.mark.parametrize(
    "change",
    ["alter table model_versions add column tenant", "alter table registered_model_aliases rename column version to v",
     "drop table registered_model_aliases", "update model_versions set workspace = 'other'"],
)  # fmt: skip
def test_other_tables_are_left_to_mlflow(database, change) -> None:
    """A table with another column may mean something else: nothing is read from it."""
    with sqlite3.connect(database) as connection:
        connection.execute(change)
    connection.close()
    assert look_in_database(database, read_reference(None)) is None


def test_what_is_no_database_is_left_to_mlflow_and_not_touched(tmp_path) -> None:
    """A file of something else gives nothing and stays as it is, and no file is made where there is none."""
    file = tmp_path / "mlflow.db"
    file.write_bytes(b"no database at all" * 100)
    assert look_in_database(file, read_reference(None)) is None
    assert file.read_bytes() == b"no database at all" * 100
    assert look_in_database(tmp_path / "nowhere.db", read_reference(None)) is None
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


class _Registry(BaseHTTPRequestHandler):
    """The three calls of MLflow's REST interface; `asked` keeps who came with which credentials."""

    asked: list[tuple[str, str | None]] = []  # noqa: RUF012 - the server makes an instance a request
    reply: tuple[int, dict] = (200, {})

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        type(self).asked.append((path.path + "?" + json.dumps(parse_qs(path.query)), self.headers["Authorization"]))
        code, value = self.reply
        self.send_response(code)
        if "location" in value:
            self.send_header("Location", value["location"])
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, type[_Registry]]]:
    """A server with a handler of its own."""
    handler = type("Handler", (_Registry,), {"asked": []})
    listening = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}", handler
    listening.shutdown()
    thread.join()
    listening.server_close()


ENTITY = {"name": "ctexp", "version": "2", "run_id": RUN, "source": "models:/m-2", "creation_timestamp": 1700000000002}


def test_server_is_asked_with_mlflows_credentials(server, monkeypatch) -> None:
    """Each form of a REF is one call; name and password are sent as basic authentication, a token as bearer."""
    uri, handler = server
    handler.reply = (200, {"model_version": ENTITY})
    assert ask_server(uri, read_reference(None)) == SECOND
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    assert ask_server(uri + "/", read_reference("models:/ctexp/2")) == SECOND
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "anna")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "pass")
    handler.reply = (200, {"model_versions": [{**ENTITY, "version": "1"}, ENTITY]})
    assert ask_server(uri, read_reference(RUN)) == SECOND
    prefix = "/api/2.0/mlflow/"
    assert handler.asked == [
        (prefix + 'registered-models/alias?{"name": ["ctexp"], "alias": ["champion"]}', None),
        (prefix + 'model-versions/get?{"name": ["ctexp"], "version": ["2"]}', "Bearer secret"),
        (prefix + f'model-versions/search?{{"filter": ["run_id = \'{RUN}\'"], "max_results": ["1000"]}}',
         "Basic " + base64.b64encode(b"anna:pass").decode()),
    ]  # fmt: skip


def test_credentials_stay_with_the_server(server, monkeypatch) -> None:
    """Where a server leads to another address, the credentials do not come along."""
    uri, handler = server
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    handler.reply = (302, {"location": f"{uri}/elsewhere"})
    assert ask_server(uri, read_reference(None)) is None  # it leads in circles
    assert [credentials for _, credentials in handler.asked][:2] == ["Bearer secret", None]


@pytest.mark.parametrize(
    "reply",
    [(404, {"error_code": "RESOURCE_DOES_NOT_EXIST"}), (403, {}), (200, {}), (200, {"model_version": {}}), (200, [])],
)
def test_odd_answers_are_left_to_mlflow(server, reply) -> None:
    """What is not there, not allowed or of another form is left to MLflow, which says what is wrong."""
    uri, handler = server
    handler.reply = reply
    assert ask_server(uri, read_reference(None)) is None


def test_server_that_does_not_answer_is_said(server) -> None:
    """A proxy without its server, and a port where nobody listens, are a store that cannot be reached."""
    uri, handler = server
    handler.reply = (503, {})
    with pytest.raises(StoreUnreachableError, match="503"):
        ask_server(uri, read_reference(None))
    with pytest.raises(StoreUnreachableError, match="refused"):
        ask_server("http://127.0.0.1:9", read_reference(None))


@pytest.mark.parametrize("text", ["nonsense", "@champion", "ctexp@", "models:/", "models:/ctexp", ""])
def test_what_is_no_reference_is_refused(text) -> None:
    """A REF without a name, an alias or a version is refused with the forms that there are."""
    with pytest.raises(UnknownReferenceError, match="must be like ctexp@champion"):
        read_reference(text)
