"""MLflow's own server, as a real process: three forms of a scan answered, and a sentence for what is none."""

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ctexp.datasets.cache import quantise, restore
from ctexp.presets import get_preset
from ctexp.scans.prepare import prepare
from ctexp.scans.read import read_scan

Ask = Callable[[object], tuple[int, dict]]


@pytest.fixture(scope="module")
def ask(trained) -> Iterator[Ask]:
    """A function that sends a request's body to a server of the champion."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["models", "serve", "-m", "models:/ctexp@champion", "--env-manager", "local", "-p", str(port)]
    store = f"sqlite:///{trained.program.folder / 'mlflow.db'}"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # it starts uvicorn by its name
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", *words], cwd=trained.program.folder, start_new_session=True,
        env={**trained.program.environment, "MLFLOW_TRACKING_URI": store, "PATH": path},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def send(body: object) -> tuple[int, dict]:
        address = f"http://127.0.0.1:{port}/invocations"
        form, content = ("text/csv", body) if isinstance(body, str) else ("application/json", json.dumps(body))
        request = urllib.request.Request(address, content.encode(), {"Content-Type": form})
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310 - our own address
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    try:
        end = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, "the server ended"
                assert time.monotonic() < end, "the server does not answer"
                time.sleep(0.2)
        yield send
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # it has children of its own
        process.wait()


def test_server_answers_and_refuses(ask, trained, scans, tmp_path) -> None:
    """A path, a file in base64 and a prepared array have predict's numbers; bad input is 400 and one sentence."""
    path = sorted((scans / "CT-23").iterdir())[0]
    (said,) = json.loads(trained.program("predict", path, "--format", "json").stdout)
    nifti = base64.b64encode(path.read_bytes()).decode()
    array = restore(quantise(prepare(read_scan(path), get_preset("smoke").scan)))
    rows = [{"path": str(path)}, {"nifti": nifti}, {"array": array.tolist()}]
    code, reply = ask({"dataframe_records": rows})
    assert code == 200
    assert [one["abnormal"] for one in reply["predictions"]] == pytest.approx([said["abnormal"]] * 3, abs=1e-6)
    assert [one["quality"] for one in reply["predictions"]] == ["ok", "ok", "not judged"]
    assert {one["label"] for one in reply["predictions"]} == {said["label"]}
    for body in (
        {"inputs": {"array": [array[..., None].tolist()]}},
        {"inputs": {"nifti": [nifti]}},
        {"instances": [{"path": str(path)}]},
        {"dataframe_split": {"columns": ["path"], "data": [[str(path)]]}},
    ):
        code, reply = ask(body)
        assert (code, len(reply["predictions"])) == (200, 1)
        assert reply["predictions"][0]["abnormal"] == pytest.approx(said["abnormal"], abs=1e-6)

    windowed = tmp_path / "soft window.nii.gz"
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.clip(np.asarray(image.dataobj), -160, 240), image.affine), windowed)
    rule = "each row must have exactly one of the columns path, nifti, array"
    for row, sentence in (
        ({"path": "/nowhere.nii"}, "row 1: /nowhere.nii: a scan must be a file or a folder, there is none"),
        ({"path": 5}, "row 1: path must be text, got int"),
        ({"path": str(windowed)}, "row 1: must be a readable chest CT in HU: lungs must be in the numbers"),
        ({"nifti": "not base64!"}, "row 1: nifti must be a NIfTI file in base64"),
        ({"nifti": nifti[:4000]}, "row 1: the gzip archive is cut short"),
        ({"array": [[1, 2], [3]]}, "row 1: array must be numbers, 32 x 32 x 16"),
        ({"array": [0.5]}, "row 1: array must be a prepared scan of 32 x 32 x 16 (rows, columns, slices), got 1"),
        ({"array": (array - 1).tolist()}, "row 1: array must be prepared, from 0"),
        ({"path": str(path), "nifti": nifti}, f"row 1: {rule}; got path and nifti"),
        ({"scan": str(path)}, f"input: {rule}; got no column"),
    ):
        code, reply = ask({"dataframe_records": [row]})
        assert (code, reply["error_code"]) == (400, "BAD_REQUEST"), row
        assert reply["message"].startswith(sentence)
        assert len(reply["message"]) < 400
    code, reply = ask({"dataframe_records": [{"path": str(path)}, {"path": "/nowhere.nii"}]})
    assert (code, "predictions" in reply) == (400, False)
    assert reply["message"].startswith("row 2: /nowhere.nii: ")
    code, _ = ask(f"path\n{path}\n")  # CSV bodies are not taken
    assert code == 400
    code, reply = ask({"inputs": [array.tolist()]})
    assert code == 400
    assert reply["message"].endswith('a bare array is sent as {"inputs": {"array": [...]}}')
