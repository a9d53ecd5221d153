"""The command line: help, usage errors, one-line errors, and how fast it starts."""

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from ctexp import __version__
from ctexp.cli.console import clock
from ctexp.cli.main import app


@pytest.fixture
def invoke():
    """Run a command line in this process."""
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words], prog_name="ctexp")


@pytest.mark.parametrize(
    "words", [(), ("init",), ("train",), ("predict",), ("data",), ("data", "phantom"), ("data", "show")]
)
def test_every_command_has_help_that_fits(invoke, words) -> None:
    """Help names its options, ends with 0, and no line is wider than 80."""
    done = invoke(*words, "--help")
    assert done.exit_code == 0
    assert "Usage: " in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_version_is_the_packages(invoke) -> None:
    """`--version` prints name and version."""
    assert invoke("--version").stdout == f"ctexp {__version__}\n"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("tarin",), "tarin: no such command; did you mean train?; `ctexp --help` tells more"),
        (("data", "shwo"), "shwo: no such command; did you mean show?; `ctexp data --help` tells more"),
        (("quit",), "quit: no such command; `ctexp --help` tells more"),
        (("--versoin",), "--versoin: no such option; did you mean --version?; `ctexp --help` tells more"),
        (
            ("train", "--epoch", "3"),
            "--epoch: no such option; did you mean --epochs?; `ctexp train --help` tells more",
        ),
        (
            ("train", "--epochs", "many"),
            "--epochs: must be a whole number, got 'many'; `ctexp train --help` tells more",
        ),
        (("train", "--dropout", "x"), "--dropout: must be a number, got 'x'; `ctexp train --help` tells more"),
        (("sweep", "--workers", "0"), "--workers: must be at least 1, got '0'; `ctexp sweep --help` tells more"),
        (("predict",), "missing argument 'SCAN'; `ctexp predict --help` tells more"),
        (("train", "scans"), "got unexpected extra argument(s) (scans); `ctexp train --help` tells more"),
        (("train", "--epochs"), "option '--epochs' requires an argument"),
    ],
)
def test_what_the_option_parser_refuses_is_one_line_too(invoke, words, line) -> None:
    """Unknown commands and options, and values of another kind: the place, the rule, the nearest word and the help."""
    done = invoke(*words)
    assert done.exit_code == 2
    assert done.stderr == f"error: {line}\n"
    assert done.stdout == ""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text elsewhere")
def test_names_of_any_bytes_are_printed(write_scan, tmp_path) -> None:
    """A name that is no UTF-8, of an older system's export, ends nothing: it is spelt out, in pictures too."""
    scan = write_scan(tmp_path / "scans" / "normal" / os.fsdecode(b"M\xfcller $x$.nii.gz"))
    words = [sys.executable, "-m", "ctexp", "data", "check", "scans", "--pictures", "sheets"]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert (done.returncode, "error" in done.stderr) == (0, False), done.stderr
    assert r"M\udcfcller $x$.nii.gz" in done.stdout
    assert (tmp_path / "sheets" / "page-001.png").is_file()
    done = subprocess.run([*words[:4], "show", scan, "--out", "scan.png"], capture_output=True, cwd=tmp_path)
    assert done.returncode == 0


def test_a_group_without_a_command_is_answered_with_its_help(invoke) -> None:
    """`ctexp` and `ctexp data` alone list their commands; a script still learns that nothing was done."""
    done = invoke("data")
    assert done.exit_code == 2
    assert "Commands:\n  fetch " in done.stderr


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("train", "--preset", "publishd"), "error: --preset publishd: no such preset; did you mean published?"),
        (
            ("train", "--filters", "16,x"),
            "error: --filters: must be whole numbers with commas between them, got '16,x'",
        ),
        (("train", "--epochs", "0"), "error: --epochs: must be from 1 to 100000, got 0"),
        (("train", "--dropout", "1.5"), "error: --dropout: must be from 0 to below 1, got 1.5"),
        (("train", "--batch-size", "0"), "error: --batch-size: must be from 1 to 1024, got 0"),
        (("train", "--sensitivity", "95"), "error: --sensitivity: must be from 0 to 1, got 95.0; did you mean 0.95?"),
        (
            ("train", "--config", "none.toml"),
            "error: none.toml: a settings file must be readable text: No such file or directory\n",
        ),
        (
            ("train", "--data", "phantm"),
            "error: phantm: must be phantom, mosmed, a folder or a CSV manifest, there is "
            "nothing of that name; did you mean phantom?",
        ),
        (("sweep", "none.toml"), "error: none.toml: a sweep file must be readable text: No such file or directory\n"),
        (
            ("sweep", "--algorithm", "bayes"),
            "error: --algorithm: must be one of random, bayesian, hyperband, grid, got 'bayes'; did you mean bayesian?",
        ),
        (("train", "--data", "none"), "error: none: must be phantom, mosmed, a folder or a CSV manifest"),
        (
            ("models", "card", "--format", "html", "--out", "card.md"),
            "error: --out card.md: must end in .html where --format is html, it ends in .md; leave out --format",
        ),
        (("data", "show", "none.nii"), "error: none.nii: a scan must be a file or a folder, there is none"),
        (("data", "phantom", "out", "--scans", "3"), "error: scans: must be an even number >= 2, got 3"),
    ],
)
def test_errors_are_one_line(invoke, words, line) -> None:
    """Place, rule, value, remedy on stderr; exit code 2; nothing on stdout; no traceback."""
    done = invoke(*words)
    assert done.exit_code == 2
    assert done.stderr.startswith(line)
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (("predict", "scan.nii.gz", "--model", "bfc6dbd4"), "--model bfc6dbd4"),
        (("predict", "scan.nii.gz", "--model", "BFC6DB"), "--model BFC6DB"),
        (("train", "--resume", "bfc6dbd4"), "--resume bfc6dbd4"),
    ],
)
def test_first_letters_of_a_run_id_are_told_from_the_whole(invoke, words, place, tmp_path) -> None:
    """Where the whole id is needed, the letters that a list shows say so, and how the whole is found."""
    (tmp_path / "mlflow.db").touch()  # a store that is looked into by nobody
    done = invoke(*words)
    assert done.exit_code == 2
    remedy = f"`ctexp runs show {words[-1]}` prints it"
    assert done.stderr == f"error: {place}: needs the whole id of 32 letters, {remedy}\n"


def test_evaluate_knows_the_sides_that_may_be_typed(invoke, tmp_path) -> None:
    """A mistyped side of the split is answered with the sides beside the sources, and the nearest of all."""
    (tmp_path / "mlflow.db").touch()
    done = invoke("evaluate", "--on", "tset")
    assert done.exit_code == 2
    assert done.stderr == (
        "error: tset: must be validation, test, phantom, mosmed, a folder or a CSV manifest, "
        "there is nothing of that name; did you mean test?\n"
    )


@pytest.mark.slow
def test_debug_shows_where_an_error_comes_from(tmp_path) -> None:
    """`--debug`, also behind the command, gives the traceback."""
    words = [sys.executable, "-m", "ctexp", "train", "--preset", "none", "--debug"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert "Traceback" in done.stderr
    assert "ConfigError" in done.stderr


@pytest.mark.slow
def test_phantoms_and_their_picture(invoke, tmp_path) -> None:
    """`data phantom` writes a collection and `data show` a PNG of one of its scans, with facts on stdout."""
    assert invoke("data", "phantom", tmp_path / "set", "--scans", 2, "--size", 32).exit_code == 0
    scan = next((tmp_path / "set" / "CT-23").iterdir())
    done = invoke("data", "show", scan, "--out", tmp_path / "scan.png")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "scan.png").read_bytes().startswith(b"\x89PNG")
    assert "8 mm" in done.stdout
    assert [file.name for file in tmp_path.iterdir() if file.suffix == ".part"] == []


@pytest.mark.slow
def test_prepare_reads_a_collection_and_counts_the_sides(invoke, write_scan, tmp_path) -> None:
    """`data prepare` fills the cache, prints scans a side and class and the hash, and makes no store."""
    for number in range(20):
        write_scan(tmp_path / "scans" / ("normal" if number % 2 else "abnormal") / f"{number}.nii.gz", seed=number)
    done = invoke("data", "prepare", "--data", tmp_path / "scans", "--preset", "smoke")
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["train", "6", "normal", "6", "abnormal"],
        ["validation", "2", "normal", "2", "abnormal"],
        ["test", "2", "normal", "2", "abnormal"],
    ]
    assert len(lines[3].removeprefix("collection  hash ")) == 64
    assert len(list((tmp_path / ".ctexp" / "cache").glob("*/*.npy"))) == 20
    assert not (tmp_path / "mlflow.db").exists()


def test_clock_reads_like_a_clock() -> None:
    """Durations are minutes and seconds, with hours where there are any."""
    assert [clock(seconds) for seconds in (0, 7.4, 750, 3723)] == ["0:00", "0:07", "12:30", "1:02:03"]


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("mlflow.exceptions", "store: must give and take what it is asked: Odd: first second; --debug shows where"),
        ("elsewhere", "unforeseen: Odd: first second; --debug shows where"),
    ],
)
def test_what_nobody_foresaw_is_one_line(invoke, monkeypatch, module, says) -> None:
    """An error of the libraries below the store is told as the store's; any other as unforeseen; exit code 1."""
    odd = type("Odd", (Exception,), {"__module__": module})

    def fail() -> None:
        raise odd("first\nsecond")

    monkeypatch.setattr("ctexp.project.find_project", fail)
    done = invoke("models", "list")
    assert (done.exit_code, done.stderr) == (1, f"error: {says}\n")
