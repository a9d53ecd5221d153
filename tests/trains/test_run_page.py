"""The page that says what a run logs, and a finished training, say the same."""

import re
from pathlib import Path

import pytest
from mlflow import MlflowClient

from ctexp.overrides import setting_types

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "runs.md"


def rows(section: str) -> dict[str, str]:
    """The names that a section's table gives, and when a training has them; empty for always."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    found = {}
    for names, when in re.findall(r"^\| (`.*?) \|(.*?)\|", text, flags=re.MULTILINE):
        found |= dict.fromkeys(re.findall(r"`([^`]+)`", names), when.strip())
    return found


def matches(name: str, logged: str) -> bool:
    """Whether a logged name is one that the page's name stands for; capitals stand for anything."""
    return re.fullmatch(re.sub(r"[A-Z]{4,}", r"[\\w.-]+", re.escape(name)), logged) is not None


@pytest.fixture(scope="module")
def logged(trained) -> dict[str, set[str]]:
    """What the finished training has, by the page's sections."""
    run = MlflowClient(f"sqlite:///{trained.program.folder / 'mlflow.db'}").get_run(trained.report["run_id"])
    files = {path.relative_to(trained.artifacts).as_posix() for path in trained.artifacts.rglob("*") if path.is_file()}
    return {
        "Parameters": set(run.data.params) - set(setting_types()),
        "Metrics": set(run.data.metrics),
        "Tags": set(run.data.tags),
        "Artifacts": files,
    }


@pytest.mark.parametrize("section", ["Parameters", "Metrics", "Tags", "Artifacts"])
def test_what_is_logged_is_on_the_page(logged: dict[str, set[str]], section: str) -> None:
    """Nothing is logged that the page does not name."""
    named = rows(section)
    assert {one for one in logged[section] if not any(matches(name, one) for name in named)} == set()


@pytest.mark.parametrize("section", ["Parameters", "Metrics", "Tags", "Artifacts"])
def test_what_the_page_promises_is_logged(logged: dict[str, set[str]], section: str) -> None:
    """Every name that the page gives without a condition is there."""
    always = {name for name, when in rows(section).items() if not when}
    assert len(always) >= 8
    assert {name for name in always if not any(matches(name, one) for one in logged[section])} == set()


def test_every_setting_is_a_parameter(trained) -> None:
    """All keys of the settings page are logged."""
    run = MlflowClient(f"sqlite:///{trained.program.folder / 'mlflow.db'}").get_run(trained.report["run_id"])
    assert set(setting_types()) <= set(run.data.params)
