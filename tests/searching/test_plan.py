"""Hyperband's brackets in numbers, and the plan that a dry run prints."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexp.cli.sweep_plan import plan_json, plan_text
from ctexp.errors import ConfigError
from ctexp.overrides import from_flat
from ctexp.project import Project
from ctexp.searching.definition import SweepDefinition, SweepOptions, read_definition
from ctexp.searching.plan import bracket_epochs, bracket_rounds, brackets
from ctexp.searching.space_table import read_space

pytestmark = pytest.mark.usefixtures("tmp_path")  # sweeps are written into the current folder
HEAVY = {
    "keras", "keras_tuner", "matplotlib", "mlflow", "nibabel", "numpy", "pandas", "pydicom", "scipy", "sklearn",
    "tensorflow",
}  # fmt: skip


def read(text: str | None = None, name: str = "mine.toml", **options: Any) -> SweepDefinition:
    """Read a sweep: of that text, or one that comes with ctexp."""
    if text is not None:
        Path(name).write_text(text, encoding="utf-8")
    return read_definition(name, Project(Path.cwd()), SweepOptions(**options))


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [1, 2, 3, 8, 9, 10, 15, 26, 27, 28, 50, 81, 100, 243])
def test_rounds_are_keras_tuners(epochs: int) -> None:
    """Sizes and epochs of every round of every bracket are those of KerasTuner's oracle."""
    from keras_tuner.oracles import HyperbandOracle

    oracle = HyperbandOracle(objective="val_loss", max_epochs=epochs)
    number = oracle._get_num_brackets()
    for bracket in range(number):
        rounds = range(oracle._get_num_rounds(bracket))
        theirs = tuple((oracle._get_size(bracket, one), oracle._get_epochs(bracket, one)) for one in rounds)
        assert bracket_rounds(epochs, bracket) == theirs
    assert brackets(epochs, (100_000,))[:number] == tuple(reversed(range(number)))


def test_brackets_of_the_default() -> None:
    """With 15 epochs the brackets begin with 12, 6 and 4 configurations; what does not fit is left out."""
    assert bracket_rounds(15, 2) == ((12, 2), (4, 5), (2, 15))
    assert bracket_rounds(15, 1) == ((6, 5), (2, 15))
    assert bracket_rounds(15, 0) == ((4, 15),)
    assert bracket_epochs(15, 2) == 12 * 2 + 4 * 3 + 2 * 10
    for budget, expected in (
        (4, (0,)),
        (8, (1,)),
        (11, (1, 0)),
        (12, (2,)),
        (20, (2, 1)),
        (22, (2, 1, 0)),
        (34, (2, 1, 0, 2)),
    ):
        assert brackets(15, (budget,)) == expected


def test_a_budget_without_a_bracket() -> None:
    """Where nothing fits, first or when a sweep is extended, the least number of trials is named."""
    with pytest.raises(ConfigError, match=r"^trials: must be at least 4 for hyperband with 15 epochs, got 3$"):
        brackets(15, (3,))
    with pytest.raises(ConfigError, match=r"^trials: must be at least 22 for hyperband with 15 epochs, got 21$"):
        brackets(15, (20, 21))


@given(st.integers(1, 300), st.integers(30, 200), st.integers(30, 200))
def test_extending_goes_on_with_the_list(epochs: int, first: int, more: int) -> None:
    """The brackets of an extended sweep begin with its old ones, and never have more configurations than allowed."""
    old = brackets(epochs, (first,))
    new = brackets(epochs, (first, first + more))
    sizes = {one: bracket_rounds(epochs, one)[0][0] for one in set(new)}
    assert new[: len(old)] == old
    assert len(new) > len(old)
    assert sum(sizes[one] for one in old) <= first
    left = first + more - sum(sizes[one] for one in new)
    assert 0 <= left < min(bracket_rounds(epochs, one)[0][0] for one in range(max(new) + 1))
    for one in new:
        assert bracket_rounds(epochs, one)[-1][1] == epochs
        assert bracket_epochs(epochs, one) == sum(
            size * (until - before)
            for (size, until), before in zip(
                bracket_rounds(epochs, one), [0, *(until for _, until in bracket_rounds(epochs, one))], strict=False
            )
        )
    assert max(new) <= math.log(epochs, 3) + 1e-9


def test_the_plan_in_words() -> None:
    """A dry run tells the whole sweep, and the configurations that it begins with, in lines of a screen's width."""
    text = plan_text(read(name="default"), "phantom")
    assert text.splitlines()[:5] == [
        "Sweep default, dry run: checked, nothing trained.",
        "Which filters, dropout and learning rate suit the default network?",
        "",
        "data       phantom",
        "settings   preset default",
    ]
    assert "trials     20 x 15 epochs; at most 300 epochs in all" in text
    assert "  network.dropout         0 to 0.6, step 0.1, 7 values" in text
    assert "  training.learning_rate  0.0003 to 0.01, log scale" in text
    assert "First 5 configurations (drawn at random; later ones follow the scores):" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_plan_of_an_unusual_sweep() -> None:
    """Changed settings, folds, conditions, lists and a metric to minimise are told, too."""
    sweep = read(
        """
        folds = 5
        trials = 1
        keep = 1
        search_seed = 1
        objective.metric = "val_loss"
        objective.choose = "best"
        stop.rule = "none"
        settings.seed = 4
        settings.training.batch_size = 16
        settings.network.filters = [8, 16]
        [space]
        scan.shape = { choices = [[32, 32, 16], [64, 64, 32]] }
        augment.flip = { choices = [false, true], when = { scan.shape = [32, 32, 16] } }
        training.learning_rate = { low = 1e-4, high = 1e-2, log = true, step = 10 }
        """
    )
    assert plan_text(sweep, "scans/").splitlines() == [
        "Sweep mine, dry run: checked, nothing trained.",
        "",
        "data       scans/",
        "settings   preset default, network.filters = 8,16, training.batch_size = 16",
        "objective  val_loss of the best epoch, mean over 5 folds; lower is better",
        "algorithm  bayesian",
        "trials     1 x 5 folds x 15 epochs; at most 75 epochs in all",
        "stop       never early",
        "choose     the best score",
        "keep       the best checkpoint",
        "seeds      1 of the search; 4 of weights, split and order",
        f"signature  {sweep.signature()}",
        "",
        "What varies:",
        "  scan.shape              [32, 32, 16] | [64, 64, 32]",
        "  augment.flip            false | true; only where scan.shape is 32,32,16",
        "  training.learning_rate  0.0001 to 0.01, factor 10, 3 values",
        "",
        "First configuration (drawn at random; later ones follow the scores):",
        "  trial                          0",
        "  scan.shape              64,64,32",
        "  augment.flip                   -",
        "  training.learning_rate    0.0001",
    ]


def test_the_plan_of_hyperband() -> None:
    """Hyperband's brackets are told in numbers, with what they cost."""
    text = plan_text(read(name="default", algorithm="hyperband"), "phantom")
    assert "trials     18 of the 20 allowed fill whole brackets; 106 epochs in all" in text
    assert "bracket 1  6 to epoch 5, the best 2 of these to epoch 15" in text
    assert "stop       by the brackets" in text


def test_a_small_space_is_told() -> None:
    """A sweep that is allowed more trials than its space has configurations says so."""
    text = plan_text(read('algorithm = "grid"\n[space]\nnetwork.dropout = { choices = [0, 0.5] }'), "phantom")
    line = "trials 2 (20 allowed, the space has no more) x 15 epochs; at most 30 epochs in all"
    assert line in " ".join(text.split())
    assert "First 2 configurations:" in text


def test_a_stop_that_cannot_come_is_not_promised() -> None:
    """With no more trials than must finish before one is stopped, the plan says that none is stopped."""
    few = plan_text(read(name="default", trials=4), "phantom")
    assert "stop       never early: the rule needs 5 finished trials first, and there are 4" in few
    assert "stop       early, when worse than" in plan_text(read(name="default", trials=6), "phantom")


@pytest.mark.parametrize("algorithm", ["bayesian", "hyperband"])
def test_the_plan_as_json(algorithm: Any) -> None:
    """The JSON plan has the same facts, and its settings and space are read back as those of the sweep."""
    sweep = read(name="training", algorithm=algorithm)
    plan = json.loads(json.dumps(plan_json(sweep, "phantom")))
    assert (plan["name"], plan["data"], plan["trials"], plan["signature"]) == (
        "training",
        "phantom",
        30,
        sweep.signature(),
    )
    assert plan["objective"] == {"metric": "val_auc", "direction": "max", "choose": "one-standard-error"}
    assert [one["bracket"] for one in plan["brackets"]] == ([2, 1, 0, 1] if algorithm == "hyperband" else [])
    assert len(plan["configurations"]) == 5
    assert read_space(plan["space"], from_flat(plan["settings"]), "plan") == sweep.space
    assert from_flat(plan["settings"]) == sweep.base


@pytest.mark.slow
def test_a_dry_run_is_light(tmp_path: Path) -> None:
    """`ctexp sweep --dry-run` loads no library of numbers, scans, learning or tracking: that is what makes it quick."""
    code = (
        "import sys; from ctexp.cli.main import app; sys.argv = ['ctexp', 'sweep', '--dry-run']\n"
        "try: app()\n"
        "finally: print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    plan, _, loaded = done.stdout.rstrip().rpartition("\n")
    assert plan.startswith("Sweep default, dry run")
    assert "ctexp" in loaded.split()
    assert not set(loaded.split()) & HEAVY
    assert list(tmp_path.iterdir()) == []
