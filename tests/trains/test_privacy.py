"""What a whole training, a sweep and an answer send over the network, and what they keep of a scan's header."""

import gzip
import shutil
from pathlib import Path

import nibabel as nib
import pytest

# Every process of Python reads this as it starts, workers included, and notes whom it calls and what it starts.
_EAR = """
import os, sys

def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        words = ("call", arguments[1:] if event != "socket.getaddrinfo" else arguments[:2])
    elif event in ("subprocess.Popen", "os.posix_spawn", "os.exec", "os.system"):
        words = ("start", os.path.basename(os.fsdecode(arguments[0])))
    else:
        return
    with open(os.environ["HEARD"], "a") as stream:
        print(*words, file=stream)

sys.addaudithook(note)
print("ear", os.getpid(), file=open(os.environ["HEARD"], "a"))
"""


def test_nothing_leaves_the_machine(program, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training, sweeping with two workers and predicting call no other machine and start no program but git and Python.

    (Whether there are GPUs is asked with nvidia-smi, what the processor is with uname, which fonts with fc-list.)
    """
    (tmp_path / "ear").mkdir()
    (tmp_path / "ear" / "sitecustomize.py").write_text(_EAR)
    monkeypatch.setenv("HEARD", str(tmp_path / "heard.txt"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "ear"), prepend=":")
    for name in ("PYTEST_CURRENT_TEST", "CI", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        monkeypatch.delenv(name, raising=False)
    program.process("train", "--data", scans, "--preset", "smoke", "--epochs", 1, fresh=True)
    program.process("sweep", "smoke", "--data", scans, "--trials", 2, "--epochs", 1, "--workers", 2, fresh=True)
    program.process("predict", next((scans / "CT-0").iterdir()), fresh=True)
    heard = (tmp_path / "heard.txt").read_text().splitlines()
    assert len([line for line in heard if line.startswith("ear")]) >= 5  # three commands and two workers
    calls = [line for line in heard if line.startswith("call")]
    assert [line for line in calls if "127.0.0.1" not in line and "localhost" not in line and ".sock" not in line] == []
    started = {line.split()[1] for line in heard if line.startswith("start")}
    assert {name for name in started if not name.startswith("python")} <= {"git", "nvidia-smi", "uname", "fc-list"}


def test_a_headers_text_is_kept_nowhere(program, scans: Path, tmp_path: Path) -> None:
    """A name in a NIfTI header reaches no file of the project: not the store, the artifacts or the cache."""
    secret = b"DOE^JANE"
    folder = tmp_path / "named"
    for label in ("CT-0", "CT-23"):
        for path in sorted((scans / label).iterdir()):
            image = nib.load(path)
            image.header["descrip"] = secret
            image.header["intent_name"] = secret
            (folder / label).mkdir(parents=True, exist_ok=True)
            nib.save(image, folder / label / path.name)
    assert secret in gzip.decompress(next((folder / "CT-0").iterdir()).read_bytes())
    program("train", "--data", folder, "--preset", "smoke", "--epochs", 1)
    shutil.rmtree(folder)
    kept = [path for path in program.folder.rglob("*") if path.is_file()]
    assert kept
    assert [path for path in kept if secret in path.read_bytes()] == []
