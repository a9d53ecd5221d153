"""The store: made once by many, found by a bare `mlflow ui`, runs that end as they ended."""

import dataclasses
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request

import pytest
from helpers.forked import Forked
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR

from ctexp.errors import ConfigError, StoreUnreachableError, UnknownReferenceError, WorkError
from ctexp.project import Project
from ctexp.tracking.process import is_gone, this_process
from ctexp.tracking.reach import require_reachable
from ctexp.tracking.run import MlflowRun
from ctexp.tracking.store import OWNER_TAG, open_store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A fresh local store."""
    return open_store(Project(tmp_path_factory.mktemp("store")))


def test_four_processes_make_one_store(tmp_path) -> None:
    """Four first commands at once all get the same whole store."""
    program = (
        "import sys, pathlib\n"
        "from ctexp.project import Project\n"
        "from ctexp.tracking.store import open_store\n"
        "print(open_store(Project(pathlib.Path(sys.argv[1]))).experiment_id)"
    )
    started = [Forked(program, [tmp_path], tmp_path) for _ in range(4)]
    said = {process.communicate(timeout=120)[0] for process in started}
    assert [process.returncode for process in started] == [0, 0, 0, 0]
    assert len(said) == 1


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (None, "FINISHED", None),
        (WorkError("disk: full"), "FAILED", "WorkError: disk: full"),
        (KeyboardInterrupt(), "KILLED", "interrupted by the user"),
    ],
)
def test_status_says_how_a_run_ended(store, error, status, reason) -> None:
    """The end of the block is the end of the run, and the reason is kept."""
    run = MlflowRun.start(store, "a run", {})
    try:
        with run:
            if error:
                raise error
    except (WorkError, KeyboardInterrupt):
        pass
    kept = store.run(run.id)
    assert kept.info.status == status
    assert kept.data.tags.get("ctexp.reason") == reason


class Failing:
    """A client of a store that has gone away, whatever is asked of it."""

    def __getattr__(self, name: str):
        def fail(*args, **more):
            raise MlflowException(f"API request failed at {name}\nand many more lines", error_code=INTERNAL_ERROR)

        return fail


@pytest.fixture
def gone(store):
    """The store, after its server went away."""
    return dataclasses.replace(store, client=Failing())


def test_a_store_that_goes_away_is_one_line(store, gone, tmp_path) -> None:
    """Whatever is logged, begun or read then fails as work, in one line, and no run is said to be missing."""
    run = MlflowRun(gone, "a" * 32)
    (tmp_path / "file").touch()
    for call in (
        lambda: run.log(params={"a": 1}),
        lambda: run.log_text("text", "text.txt"),
        lambda: run.log_file(tmp_path / "file", "folder"),
        lambda: run.__exit__(None, None, None),
        lambda: MlflowRun.start(gone, "name", {}),
        lambda: MlflowRun.resume(gone, "a" * 32),
        lambda: gone.run("a" * 32),
    ):
        with pytest.raises(StoreUnreachableError) as told:
            call()
        assert re.fullmatch(
            r"store sqlite:\S+: must be reachable and writable: API request failed at \w+", str(told.value)
        )


def test_the_error_that_ends_a_run_outlives_the_store(gone) -> None:
    """Where the reason cannot be kept, what went wrong is still what is told."""
    with pytest.raises(WorkError, match="the loss is no number"), MlflowRun(gone, "a" * 32):
        raise WorkError("the loss is no number")


def test_names_of_any_bytes_are_kept(store) -> None:
    """File names that are no UTF-8 come into parameters, tags and tables; spelt out they are taken."""
    name = os.fsdecode(b"M\xfcller")
    with MlflowRun.start(store, name, {}) as run:
        run.log(params={"data.source": name}, tags={"a": name})
        run.log_text(f"file\n{name}\n", "table.csv")
    kept = store.run(run.id)
    spelt = r"M\udcfcller"
    assert (kept.info.run_name, kept.data.params["data.source"], kept.data.tags["a"]) == (spelt, spelt, spelt)
    table = store.project.artifacts / "ctexp" / run.id / "artifacts" / "table.csv"
    assert table.read_text(encoding="utf-8") == f"file\n{spelt}\n"


def test_unknown_run_is_an_input_error(store) -> None:
    """A run id that is not in the store names the store."""
    with pytest.raises(UnknownReferenceError, match="must be in the store sqlite"):
        store.run("0" * 32)


def test_only_gone_processes_of_this_host_are_gone() -> None:
    """This process lives; an ended one, or another with its number, is gone; another host's is not ours to judge."""
    mine = json.loads(this_process())
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not is_gone(json.dumps(mine))
    assert is_gone(json.dumps({**mine, "pid": ended.pid}))
    assert is_gone(json.dumps({**mine, "started": mine["started"] - 1000}))
    assert not is_gone(json.dumps({**mine, "host": "elsewhere", "pid": ended.pid}))
    assert not is_gone("no json")


def test_settle_ends_only_dead_runs(store) -> None:
    """Of a dead process's run and a living one's, only the first is settled."""
    living = MlflowRun.start(store, "living", {})
    dead = MlflowRun.start(store, "dead", {})
    facts = json.loads(this_process())
    store.client.set_tag(dead.id, OWNER_TAG, json.dumps({**facts, "started": facts["started"] - 1000}))
    assert store.settle() == [dead.id]
    assert store.run(dead.id).info.status == "KILLED"
    assert store.run(living.id).info.status == "RUNNING"
    store.client.set_terminated(living.id)


def test_bare_mlflow_ui_shows_the_run(trained) -> None:
    """`mlflow ui` without an option, in the project's folder, serves the run, its curves and its pictures."""
    port = 20000 + os.getpid() % 20000
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "ui", "--port", str(port)],
        cwd=trained.program.folder, env={**trained.program.environment, "MLFLOW_WORKERS": "1"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        base = f"http://127.0.0.1:{port}"
        run_id = trained.report["run_id"]
        run = _get_json(f"{base}/api/2.0/mlflow/runs/get?run_id={run_id}", patience=60)["run"]
        assert run["info"]["run_name"] == "first"
        history = _get_json(f"{base}/api/2.0/mlflow/metrics/get-history?run_id={run_id}&metric_key=epoch/loss")
        assert len(history["metrics"]) == 2
        picture = f"{base}/get-artifact?path=pictures/curves.png&run_uuid={run_id}"
        with urllib.request.urlopen(picture, timeout=20) as answer:  # noqa: S310 - our own server
            assert answer.read().startswith(b"\x89PNG")
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def _get_json(url: str, patience: float = 0.0) -> dict:
    """Ask until the server answers or patience (seconds) has run out."""
    end = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 - our own server
                return json.loads(answer.read())
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


@pytest.mark.parametrize("seconds", [0.3, 1.2])
def test_a_kill_while_the_database_is_made_breaks_nothing(tmp_path, seconds) -> None:
    """SIGKILL amid the first migrations leaves no half-made database: the next command makes a whole one."""
    code = "from ctexp.tracking.store import open_store; from ctexp.project import Project; print(1, flush=True); " + (
        "from pathlib import Path; open_store(Project(Path.cwd())); import time; time.sleep(60)"
    )
    process = Forked(code, [], tmp_path)
    process.stdout.readline()
    while not list(tmp_path.glob(".ctexp/new-mlflow.db*")) and not (tmp_path / "mlflow.db").exists():
        time.sleep(0.01)
    time.sleep(seconds)
    process.kill()
    process.wait()
    assert open_store(Project(tmp_path)).client.search_experiments()
    assert not list(tmp_path.glob(".ctexp/new-mlflow.db*"))


def test_two_studies_in_one_store(program, scans, monkeypatch) -> None:
    """Under two names, two studies that share a store have runs, versions and a champion each."""
    said = {}
    for name in ("ctexp", "two"):
        fresh = name == "two"  # the name is read as ctexp is loaded
        if fresh:
            monkeypatch.setattr(type(program), "environment", {**program.environment, "CTEXP_MODEL": name})
        words = ("train", "--data", scans, "--preset", "smoke", "--epochs", 1, "--json")
        report = json.loads(program.process(*words, fresh=fresh).stdout)
        assert report["model"]["name"] == name
        assert report["model"]["version"] == "1"
        words = ("predict", next((scans / "CT-0").iterdir()), "--format", "json")
        (answer,) = json.loads(program.process(*words, fresh=fresh).stdout)
        assert answer["model"]["name"] == name
        said[name] = program.process("runs", "list", fresh=fresh).stdout, report["run_id"][:8]
    for name, other in (("ctexp", "two"), ("two", "ctexp")):
        assert said[name][1] in said[name][0]
        assert said[other][1] not in said[name][0]


def test_a_store_that_is_begun_elsewhere_is_told(tmp_path, monkeypatch) -> None:
    """A new file at the environment's address is a new store, once; the project's own is no news."""
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'other' / 'x.db'}")
    project = Project(tmp_path)
    assert [open_store(project).begun, open_store(project).begun] == [True, False]
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert not open_store(project).begun


@pytest.fixture
def postgresql():
    """The port of a database server that refuses everybody, as PostgreSQL does where there is no such database."""
    fields = b'SFATAL\0VFATAL\0C3D000\0Mdatabase "nodb" does not exist\0\0'
    encryption = {80877103, 80877104}  # the codes that ask for TLS and GSSAPI

    def answer() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                while struct.unpack("!II", connection.recv(4096)[:8])[1] in encryption:
                    connection.sendall(b"N")
                connection.sendall(b"E" + struct.pack("!I", len(fields) + 4) + fields)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_database_that_is_not_there_is_told_at_once(postgresql) -> None:
    """One try, the database's own reason and a remedy in one line, without the password; the same of a dead server."""
    pytest.importorskip("psycopg")
    for port, reason, remedy in (
        (postgresql, 'FATAL: database "nodb" does not exist', "make it or"),
        (9, 'connection failed: connection to server at "127.0.0.1", port 9 failed: Connection refused',
         "start the server or"),
    ):  # fmt: skip
        with pytest.raises(StoreUnreachableError) as told:
            require_reachable(f"postgresql+psycopg://mlflow:SECRET@127.0.0.1:{port}/nodb")
        assert str(told.value) == (
            f"store postgresql+psycopg://mlflow@127.0.0.1:{port}/nodb: must be reachable: {reason}; "
            f"{remedy} mend MLFLOW_TRACKING_URI"
        )


def test_what_sqlalchemy_cannot_use_is_told(monkeypatch) -> None:
    """A driver that is not installed comes with its package, an address that is none with its form; no password."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreUnreachableError, match=r'; pip install "psycopg\[binary\]"$') as told:
        require_reachable("postgresql+psycopg://mlflow:SECRET@db/mlflow")
    assert "SECRET" not in str(told.value)
    for uri in ("postgresql+nodriver://mlflow:SECRET@db/mlflow", "postgresql://mlflow:SECRET@db:port/mlflow"):
        with pytest.raises(ConfigError, match="must be an address that SQLAlchemy can read") as told:
            require_reachable(uri)
        assert "SECRET" not in str(told.value)
