"""What a person reads: lines that fit a screen, and in them what is copied in one piece."""

import dataclasses
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from ctexp.cli.console import ConsoleWatch, folded, narrate
from ctexp.cli.runs import _line, _name
from ctexp.experiments.comparing.listing import Listed
from ctexp.learning.intervals import Estimate

RUN = "0123456789abcdef" * 2


def test_prose_is_folded_and_what_is_copied_is_not() -> None:
    """Lines of up to 80 columns stay as they are; wider ones are folded, but no command, id or path in them."""
    short = f"Registered as ctexp version 1, @champion (run {RUN})"
    assert folded(short) == short
    assert folded(short.replace("champion", "challenger")).splitlines() == [
        "Registered as ctexp version 1, @challenger",
        f"  (run {RUN})",
    ]
    told = f"stopped; every finished epoch is kept: go on with `ctexp train --resume {RUN}`"
    assert f"`ctexp train --resume {RUN}`" in folded(told)
    assert max(map(len, folded(told).splitlines())) <= 80
    path = "/" + "scan" * 30
    assert folded(f"written: {path}\n  {'word ' * 30}").splitlines()[1] == f"  {path}"
    assert all(line.startswith("    ") for line in folded(f"  {'word ' * 30}").splitlines()[1:])


def test_narration_fits(capsys: pytest.CaptureFixture[str]) -> None:
    """What is narrated, by a watch or without one, is no wider than 80 columns; but what names a file is whole."""
    text = "Next: `mlflow ui` shows the run, `ctexp predict SCAN --model ctexp@challenger` asks this network."
    narrate(text)
    ConsoleWatch().say(text)
    lines = capsys.readouterr().err.splitlines()
    about_a_file = f"a folder/{'scan' * 20}.nii.gz: one slice of this series is missing"
    narrate(about_a_file)
    assert capsys.readouterr().err == f"{about_a_file}\n"
    assert " ".join(" ".join(lines).split()) == f"{text} {text}"
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(("epochs", "seconds"), [(15, 8.5), (100, 300.0), (300, 90.0)])
def test_an_epoch_is_one_line_that_fits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, epochs: int, seconds: float
) -> None:
    """An epoch's numbers stand in one line of 80 columns, also of a long training with hours to go."""
    now = iter((0.0, 0.0, seconds))
    monkeypatch.setattr("ctexp.cli.console.time.monotonic", lambda: next(now))
    metrics = {"loss": 0.45, "accuracy": 0.805, "val_loss": 0.16, "val_accuracy": 0.938, "val_auc": 0.996}
    watch = ConsoleWatch()
    watch.step(1, 1, 16)
    epoch = SimpleNamespace(number=1, metrics=metrics, is_best=True, seconds=seconds)  # its class would load Keras
    watch.epoch(epoch, epochs)
    (line,) = capsys.readouterr().err.splitlines()
    assert "loss 0.450 acc 0.805 | val 0.160 acc 0.938 AUC 0.996* left " in line
    assert len(line) <= 80


def test_what_a_list_cuts_ends_with_a_sign() -> None:
    """Names and data that are too wide for `runs list` end with an ellipsis; what just fits is whole."""
    area = Estimate(0.95, 0.9, 0.99, 32)
    whole = Listed(RUN, "training", "less-dropout", "FINISHED", datetime(2031, 5, 17, tzinfo=UTC), area, "validation",
                   "scans/ward-7", "3", None)  # fmt: skip
    assert " less-dropout " in _line(whole)
    assert _line(whole).endswith("   32 ward-7 3")
    cut = _line(dataclasses.replace(whole, name="default-e2013e32", source="data/phantom"))
    assert " default-e20… " in cut
    assert " phant… 3" in cut
    assert len(cut) == len(_line(whole)) <= 80


def test_trials_are_called_as_in_the_sweeps_table() -> None:
    """A trial is printed as `trial 0`, whatever its run is named; other names stay."""
    names = ("trial 000", "trial 017 fold 2", "trial 000 trained again", "default-e2013e32", None)
    assert [_name(one) for one in names] == [
        "trial 0", "trial 17 fold 2", "trial 0 trained again", "default-e2013e32", ""
    ]  # fmt: skip
