"""A small cluster on this machine for tests: PostgreSQL where there is one, an MLflow server, a Ray head and nodes."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def postgres_programs() -> Path | None:
    """Give the folder of PostgreSQL's programs, of the newest version installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL server and give the address of an empty database; it refuses to run as root."""
    programs = postgres_programs()
    assert programs is not None
    user: list[str] = []
    folder.mkdir()
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        for parent in folder.parents:  # pytest's folders are the user's own
            if parent.stat().st_uid == 0 and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o011)
        user = ["runuser", "-u", "postgres", "--"]
    data, port = folder / "data", free_port()
    subprocess.run(
        [*user, programs / "initdb", "-D", data, "-A", "trust", "-U", "ctexp"], check=True, cwd=folder, **QUIET
    )
    words = ["-D", data, "-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1"]
    server = subprocess.Popen([*user, programs / "postgres", *words], cwd=folder, start_new_session=True, **QUIET)
    try:
        for _ in range(100):
            ready = subprocess.run([programs / "pg_isready", "-h", "127.0.0.1", "-p", str(port)], check=False, **QUIET)
            if ready.returncode == 0:
                break
            time.sleep(0.1)
        subprocess.run([programs / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "ctexp", "mlflow"], check=True)
        yield f"postgresql://ctexp@127.0.0.1:{port}/mlflow"
    finally:
        os.killpg(server.pid, signal.SIGINT)
        server.wait()


@contextlib.contextmanager
def mlflow_server(folder: Path, backend: str) -> Iterator[str]:
    """Run `mlflow server` with its artifact proxy, and give its address."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--backend-store-uri", backend,
               "--artifacts-destination", str(folder / "artifacts"), "--workers", "1"]  # fmt: skip
    server = subprocess.Popen(command, cwd=folder, start_new_session=True, **QUIET)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for_port(port)
        yield address
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


class RayNode:
    """One node of a Ray cluster, which can be killed with everything that runs on it."""

    def __init__(self, *words: str, environment: dict[str, str]) -> None:
        program = Path(sys.executable).with_name("ray")
        self.process = subprocess.Popen([program, "start", "--block", "--disable-usage-stats", *words],
                                        start_new_session=True, env=environment, **QUIET)  # fmt: skip

    def kill(self) -> None:
        """Lose the node: SIGKILL to all of its processes."""
        with contextlib.suppress(psutil.NoSuchProcess):
            tree = [*psutil.Process(self.process.pid).children(recursive=True), psutil.Process(self.process.pid)]
            for one in tree:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
        self.process.wait()


@contextlib.contextmanager
def ray_cluster(environment: dict[str, str], nodes: int) -> Iterator[tuple[str, list[RayNode]]]:
    """Run a head without cores and nodes of one core each; give the address and the nodes.

    Each has a loopback address of its own: of several nodes with one address the sweep's process may attach itself to
    any, and be lost with it.
    """
    port = free_port()
    address = f"127.0.0.1:{port}"
    words = ["--head", f"--port={port}", "--node-ip-address=127.0.0.1", "--num-cpus=0", "--include-dashboard=false"]
    started = [RayNode(*words, environment=environment)]
    try:
        wait_for_port(port)
        workers = []
        for number in range(nodes):
            words = [f"--address={address}", f"--node-ip-address=127.0.0.{number + 2}", "--num-cpus=1"]
            workers.append(RayNode(*words, environment=environment))
            started.append(workers[-1])
            wait_for_nodes(address, number + 2, environment)  # two that join at once collide on one machine
        yield address, workers
    finally:
        for node in reversed(started):
            node.kill()


def wait_for_nodes(address: str, count: int, environment: dict[str, str]) -> None:
    """Wait until so many nodes, the head among them, are members of the cluster."""
    words = [Path(sys.executable).with_name("ray"), "status", "--address", address]
    for _ in range(60):
        told = subprocess.run(words, check=False, env=environment, capture_output=True, text=True).stdout
        if told.count(" node_") >= count:
            return
        time.sleep(0.5)
    raise AssertionError(f"{address}: fewer than {count} nodes joined\n{told}")


def wait_for_port(port: int) -> None:
    """Wait until somebody listens."""
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError(f"nobody listens on port {port}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an MLflow server on PostgreSQL, or on SQLite where PostgreSQL is not installed."""
    folder = tmp_path_factory.mktemp("server")
    if postgres_programs() is None:
        with mlflow_server(folder, f"sqlite:///{folder}/mlflow.db") as address:
            yield address
    else:
        with postgres(folder / "postgres") as database, mlflow_server(folder, database) as address:
            yield address


@pytest.fixture
def nodes_of_a_cluster() -> Callable[..., contextlib.AbstractContextManager[tuple[str, list[RayNode]]]]:
    """A function that runs a Ray cluster as a context."""
    return ray_cluster
