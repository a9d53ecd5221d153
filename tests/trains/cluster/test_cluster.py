"""A sweep on a Ray cluster, tracked by an MLflow server: many machines in small, on one."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
from mlflow import MlflowClient

pytest.importorskip("ray")
SWEEP = """
preset = "smoke"
algorithm = "random"
trials = 4
epochs = 6
[stop]
rule = "none"
[space]
network.filters.1 = { choices = [4, 8] }
training.learning_rate = { low = 1e-4, high = 1e-2, log = true }
"""


def with_server(program_in, folder: Path, server: str):
    """The program in a folder, tracked by the server."""

    @dataclasses.dataclass(frozen=True)
    class Tracked(program_in):
        @property
        def environment(self) -> dict[str, str]:
            token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}
            return {**super().environment, **token, "MLFLOW_TRACKING_URI": server}

    folder.mkdir(exist_ok=True)
    return Tracked(folder)


def test_a_lost_node_costs_nothing(program_in, scans, server, nodes_of_a_cluster, tmp_path) -> None:
    """A head and two nodes, one of them killed in mid-sweep: all trials finish, and no run is left RUNNING."""
    program = with_server(program_in, tmp_path / "project", server)
    (program.folder / "many.toml").write_text(SWEEP)
    with nodes_of_a_cluster(program.environment, nodes=2) as (address, nodes):
        process = program.start("sweep", "many.toml", "--data", scans, "--ray", address, "--workers", 2, "--json")
        told = []
        for line in process.stderr:
            told.append(line)
            if re.match(r"trial +0 ", line):
                nodes[0].kill()
                break
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, "".join(told) + err
    report = json.loads(out)
    assert [(one["number"], one["status"], len(one["curve"])) for one in report["trials"]] == [
        (number, "finished", 6) for number in range(4)
    ]
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name("ctexp")
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert sum("ctexp.trial" in run.data.tags for run in runs) == 4
    answer = json.loads(program("predict", next((scans / "CT-0").iterdir()), "--format", "json").stdout)
    assert answer[0]["model"]["version"] == report["model"]["version"]


def test_a_cluster_needs_a_server(program, scans) -> None:
    """Without a store that every node reaches, a cluster is refused in one line before anything is read."""
    done = program("sweep", "smoke", "--data", scans, "--ray", "127.0.0.1:1", exit_code=2)
    assert done.stderr.startswith("error: --ray 127.0.0.1:1: MLFLOW_TRACKING_URI must name an MLflow server")
    assert len(done.stderr.splitlines()) == 1
    assert not list(program.folder.iterdir())


def test_ray_on_this_machine_gives_the_same_trials(program, scans) -> None:
    """`--ray local` starts a cluster here; its trials are those of plain workers."""
    words = ["sweep", "smoke", "--data", scans, "--trials", 2, "--epochs", 1]
    done = program.process(*words, "--ray", "local", "--workers", 1, "--json")
    room = r"Ray cluster of 1 node: room for (1 trial|\d+ trials) of (a GPU|1 core|\d+ cores), 1 worker wished\n"
    assert re.search(room, done.stderr)
    report = json.loads(done.stdout)
    plain = program.json(*words)
    assert [one["hyperparameters"] for one in report["trials"]] == [one["hyperparameters"] for one in plain["trials"]]
    assert [one["score"] for one in report["trials"]] == pytest.approx(
        [one["score"] for one in plain["trials"]], abs=0.1
    )
