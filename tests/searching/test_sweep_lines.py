"""What a person reads of a sweep: a line a trial while it runs, a table at its end, both no wider than a screen."""

import pytest

from ctexp.cli.sweep import _print_report
from ctexp.cli.sweep_console import SweepConsole
from ctexp.experiments.training.learn import TrainingReport
from ctexp.searching.finish import SweepReport
from ctexp.searching.records import Configuration, TrialRecord

WIDE: Configuration = {
    **{f"network.filters.{block}": width for block, width in enumerate((24, 48, 96, 192), 1)},
    "network.dropout": 0.6,
    "training.learning_rate": 0.00123,
}
"""As the default sweep has them."""
WORDS = "filters 24-48-96-192, dropout 0.6, learning_rate 0.00123"


def trial(number: int, configuration: Configuration, status="finished", reason: str = "") -> TrialRecord:
    """A trial of 15 epochs."""
    return TrialRecord(number, f"{number}abcdef0123456789", status, configuration, 0.95, 0.02, (0.95,) * 15, (),
                       1_234_567, 123.4, reason=reason)  # fmt: skip


def table(capsys: pytest.CaptureFixture[str], *trials: TrialRecord, unbuildable: int = 0) -> list[str]:
    """The lines that a sweep ends with on standard output."""
    model = {"name": "ctexp", "version": "1", "alias": "challenger"}
    training = TrainingReport("0" * 32, model, {}, 7, {"synthetic": False}, 3, 4, 1.0, {"scans": 32})
    reason = "trial 0 (0.950) has the fewest weights of 2 trials within one standard error (0.020) of the best score, 1"
    _print_report(SweepReport("f" * 32, "mine", trials, trials[0], trials[0], reason, training,
                              {"network.dropout": 0.4, "training.learning_rate": 0.3, "network.filters.1": 0.3},
                              unbuildable, 1.0, "val_auc"))  # fmt: skip
    return capsys.readouterr().out.splitlines()


def test_a_trials_line_fits(capsys: pytest.CaptureFixture[str]) -> None:
    """A wide configuration, and why a trial ended, stand indented beneath its numbers; a narrow one beside them."""
    watch = SweepConsole()
    watch.trial_ended(trial(0, {"network.dropout": 0.1}))
    watch.trial_ended(trial(1, WIDE))
    watch.trial_ended(trial(2, WIDE, "stopped", "worse than the median of the others at epoch 5, " * 2))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "trial   0  finished 0.950* ±0.020  15 epochs 123.4 s  dropout 0.1"
    assert lines[1:3] == ["trial   1  finished 0.950* ±0.020  15 epochs 123.4 s", f"           {WORDS}"]
    assert lines[4] == f"           {WORDS}"
    assert lines[5].startswith("           worse than the median")
    assert max(map(len, lines)) <= 80


def test_the_table_fits_and_names_the_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Each trial has the first letters of its run's id, and its configuration beneath it where it is wide."""
    lines = table(capsys, trial(0, WIDE), trial(1, WIDE))
    assert lines[0].split() == ["trial", "run", "status", "val_auc", "±", "error", "epochs", "weights"]
    assert lines[2].split() == [">", "0", "0abcdef0", "finished", "0.950", "0.020", "15", "1,234,567"]
    assert lines[3] == f"       {WORDS}"
    assert lines[4].split()[:2] == ["1", "1abcdef0"]
    assert f"  (sweep {'f' * 32})" in lines
    assert max(map(len, lines)) <= 80


def test_a_narrow_table_has_a_line_a_trial(capsys: pytest.CaptureFixture[str]) -> None:
    """Where all configurations fit beside the numbers they stand there."""
    lines = table(capsys, trial(0, {"network.dropout": 0.1}), trial(1, {"network.dropout": 0.2}))
    assert [line.split()[-2:] for line in lines[1:3]] == [["dropout", "0.1"], ["dropout", "0.2"]]
    assert lines[0].endswith("  configuration")


def test_proposals_that_cannot_be_built_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Their number stands beneath the table; where there are none nothing is said."""
    line = "Proposals that no network can be built of, and that cost no trial: 3."
    assert line in table(capsys, trial(0, WIDE), unbuildable=3)
    assert not any("Proposals" in one for one in table(capsys, trial(0, WIDE)))


def test_a_paused_trial_is_one_trial(capsys: pytest.CaptureFixture[str]) -> None:
    """Hyperband's trial that waits is no stopped one, and counts once, however many legs it has."""
    watch = SweepConsole()
    watch.begin(2, {0}, maximise=True)
    watch.trial_ended(trial(1, {"network.dropout": 0.1}, "stopped", "not promoted beyond epoch 2"), paused=True)
    watch.trial_ended(trial(1, {"network.dropout": 0.1}))
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("trial   1  paused   0.950*")
    assert "not promoted" not in first
    assert second.startswith("trial   1  finished 0.950*")
    assert watch._done == {0, 1}
