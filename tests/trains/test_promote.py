"""`ctexp models`: who is champion changes only by a comparison or with a reason, on record, and can be taken back."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner, Result

from ctexp.cli.main import app

CONFIG = "[split]\nvalidation = 0.4\ntest = 0.1\n"


@pytest.fixture(scope="module")
def program(program_in, scans, tmp_path_factory):
    """A project with four versions: 1; 2, the same again; 3, another seed; 4, another seed on fewer scans."""
    folder = tmp_path_factory.mktemp("promote")
    program = program_in(folder)
    (folder / "split.toml").write_text(CONFIG)
    fewer = folder / "fewer"
    shutil.copytree(scans, fewer)
    for name in ("CT-0", "CT-23"):
        sorted((fewer / name).iterdir())[0].unlink()
    for source, *options in ((scans,), (scans,), (scans, "--seed", 3), (fewer, "--seed", 3)):
        program("train", "--data", source, "--preset", "smoke", "--config", "split.toml", *options)
    return program


Ask = Callable[..., Result]


@pytest.fixture
def ask(program, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """A function that runs `ctexp models ...` in the project, in this process, and checks the exit code."""
    monkeypatch.chdir(program.folder)

    def run(*words: object, exit_code: int = 0) -> Result:
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow sets it for the store that was opened last
        done = CliRunner().invoke(app, ["models", *map(str, words)])
        assert done.exit_code == exit_code, done.output
        return done

    return run


def answer(ask: Ask, *words: object) -> dict:
    """The JSON object that a command answers with."""
    return json.loads(ask(*words, "--json").stdout)


def champion(ask: Ask) -> str:
    """The version that answers."""
    listed = answer(ask, "list")["versions"]
    return next(one["version"] for one in listed if "champion" in one["aliases"])


def kept_card(program, version: str) -> dict[str, str]:
    """The table at the head of the card that lies with a version's files."""
    source = MlflowClient(f"sqlite:///{program.folder / 'mlflow.db'}").get_model_version("ctexp", version).source
    folder = program.folder / "mlruns" / "ctexp" / "models" / source.removeprefix("models:/") / "artifacts"
    rows = [line.strip("| ").split(" | ") for line in (folder / "card.md").read_text().splitlines() if " | " in line]
    return {row[0].strip(): row[1].strip(" |") for row in rows if len(row) == 2}


def test_list_shows_every_version(ask) -> None:
    """The newest is first; alias, time, run, AUC with interval and n, and that the scans are synthetic are told."""
    listed = answer(ask, "list")["versions"]
    assert [one["version"] for one in listed] == ["4", "3", "2", "1"]
    for one in listed:
        assert one["val_auc_low"] <= one["val_auc"] <= one["val_auc_high"]
        assert one["synthetic"] is True
        assert one["validation_scans"] >= 14
    lines = ask("list").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].startswith("4*")
    assert f"{listed[0]['val_auc']:.3f}" in lines[1]
    assert "not a medical device" in lines[-1]


def test_promotion_rollback_and_their_history(ask, program, scans) -> None:
    """The same network again passes and becomes champion; rollback takes it back; both are on record, with numbers.

    `predict` follows the alias at once, also with --offline while the store answers.
    """

    def answers() -> str:
        done = program("predict", next((scans / "CT-0").iterdir()), "--offline", "--format", "json")
        assert "offline:" not in done.stderr
        return json.loads(done.stdout)[0]["model"]["version"]

    assert champion(ask) == answers() == "1"
    done = ask("promote", "models:/ctexp/2", "--reason", "the same again")
    assert "@champion is version 2 (was version 1)" in done.stdout
    assert champion(ask) == answers() == "2"
    assert [kept_card(program, version)["aliases"] for version in "12"] == ["none", "@champion"]
    again = ask("promote", "models:/ctexp/2", exit_code=2)
    assert again.stderr.startswith("error: models:/ctexp/2: must be another version than the champion")
    back = answer(ask, "rollback", "--reason", "only a test")
    assert (back["model"]["version"], back["before"]) == ("1", "2")
    assert champion(ask) == "1"
    assert [kept_card(program, version)["aliases"] for version in "12"] == ["@champion", "none"]
    history = answer(ask, "history")
    assert history["champion"] == "1"
    assert history["agrees"]
    promoted, rolled = history["events"][-2:]
    assert (promoted["what"], promoted["from"], promoted["to"], promoted["why"]) == (
        "promoted",
        "1",
        "2",
        "the same again",
    )
    assert promoted["numbers"]["scans"] == 16
    assert promoted["numbers"]["auc"]["gain"] == 0
    assert not promoted["forced"]
    assert (rolled["what"], rolled["from"], rolled["to"], rolled["why"]) == ("rolled back", "2", "1", "only a test")
    text = ask("history").stdout
    assert "only a test" in text
    assert text.splitlines()[-1] == "@champion is version 1."


def test_rollback_needs_a_champion_before(trained) -> None:
    """With one version only there is nothing to go back to, and the answer says so."""
    done = trained.program.process("models", "rollback", exit_code=2)
    assert "the history must name a champion before version 1" in done.stderr


def test_scans_that_one_was_trained_on_do_not_judge(ask) -> None:
    """A challenger of another seed is refused: too few of its validation scans are new to the champion."""
    before = champion(ask)
    done = ask("promote", "models:/ctexp/3", exit_code=1)
    lines = done.stderr.strip().splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith("error: "))
    assert lines[first].startswith(
        f"error: version 3: must pass every check to be champion, 1 failed; version {before} stays"
    )
    assert lines[first + 1].startswith("  judged by: at least 10 validation scans")
    assert "were left out: one of the two was trained on them" in lines[first + 2]
    assert all(f"in the locked test of version {before}" in line for line in lines[first + 3 :])
    assert champion(ask) == before


def test_other_scans_are_refused_unless_forced_with_a_reason(ask) -> None:
    """A version of other scans is refused with each reason in a line; force without reason too; with one it is kept."""
    before = champion(ask)
    events = len(answer(ask, "history")["events"])
    done = ask("promote", "models:/ctexp/4", exit_code=1)
    assert "  same scans: both must come from the same scans" in done.stderr
    assert "  judged by: at least 10" in done.stderr
    bare = ask("promote", "models:/ctexp/4", "--force", exit_code=2)
    assert bare.stderr.startswith("error: --force: must come with --reason TEXT")
    assert champion(ask) == before
    assert len(answer(ask, "history")["events"]) == events
    move = answer(ask, "promote", "models:/ctexp/4", "--force", "--reason", "new scanner")
    assert champion(ask) == "4"
    assert move["event"]["forced"]
    assert move["event"]["why"] == "new scanner"
    assert any("same scans" in line for line in move["event"]["numbers"]["failed"])
    card = " ".join(ask("card").stdout.split())
    assert "# Model card: ctexp version 4" in card
    assert "made champion by force, against the comparison: new scanner" in card
    ask("rollback", "--reason", "back")
    assert champion(ask) == before


@pytest.mark.parametrize("reference", ["models:/ctexp/9", "ctexp@nobody", "nonsense", "f" * 32])
def test_unknown_references_are_named(ask, reference: str) -> None:
    """A REF that names nothing is an error of one line that begins with it, called as the help calls it."""
    for command in ("promote", "card"):
        done = ask(command, reference, exit_code=2)
        assert done.stderr.startswith(f"error: REF {reference}: ")
        assert len(done.stderr.splitlines()) == 1


def test_commands_that_read_make_no_store(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder without a project every command says so and leaves nothing behind."""
    for words in (("list",), ("history",), ("promote",), ("rollback",), ("card",)):
        monkeypatch.chdir(tmp_path)
        ask(*words, exit_code=2)
    assert not list(tmp_path.iterdir())


def test_card_of_a_run(ask, tmp_path: Path) -> None:
    """The card tells what the run logged, as Markdown on stdout and as a whole HTML page in a file
    that ends so, whether --format says it or not.
    """
    listed = {one["version"]: one for one in answer(ask, "list")["versions"]}
    text = ask("card", listed["1"]["run_id"]).stdout
    assert f"{listed['1']['val_auc']:.3f} (" in text
    assert listed["1"]["run_id"] in text
    assert "says nothing about patients" in " ".join(text.split())
    out = tmp_path / "deep" / "card.html"
    done = ask("card", "models:/ctexp/1", "--format", "html", "--out", out)
    assert done.stdout == ""
    page = out.read_text()
    out.unlink()
    ask("card", "models:/ctexp/1", "--out", out)
    assert out.read_text() == page
    assert page.startswith("<!DOCTYPE html>")
    assert page.rstrip().endswith("</html>")


def test_changed_scans_are_refused(ask, program) -> None:
    """Scans that changed since the training cannot judge: the promotion is refused and says what changed."""
    listed = answer(ask, "list")["versions"]
    run_id = next(one["run_id"] for one in listed if one["version"] == "4")
    before = champion(ask)
    moved = program.folder / "fewer" / "CT-0"
    taken = sorted(moved.iterdir())[0]
    kept = taken.read_bytes()
    taken.unlink()
    try:
        done = ask("promote", run_id, exit_code=2)
    finally:
        taken.write_bytes(kept)
    assert "data.hash was" in done.stderr
    assert champion(ask) == before
