"""Comparing runs: settings, common scans, paired tests, and the scans that are called differently."""

import numpy as np
import pytest
from scipy import special

from ctexp.errors import InputError, WorkError
from ctexp.experiments.comparing.compare import Answered, Side, compare_sides, read_answers
from ctexp.experiments.comparing.comparison_picture import draw_comparison, letters, p_words
from ctexp.learning.paired import delong_test, mcnemar_test


def side(run_id: str, logits, labels, *, settings=None, names=None, threshold: float = 0.5, kind="training") -> Side:
    """A run that answered scans."""
    names = names or [f"scan{number}" for number in range(len(labels))]
    answers = {
        name: Answered(f"{name}.nii.gz", name, int(label), float(logit), float(special.expit(logit)))
        for name, label, logit in zip(names, labels, logits, strict=True)
    }
    return Side(run_id * 32, run_id, kind, settings or {}, {}, answers, threshold)


def test_repeats_are_ordered_by_what_was_answered() -> None:
    """Repeats of folds have a temperature each: the raw logits may order the scans otherwise than the answers."""
    rows = ["file,sha256,label,logit,calibrated,abnormal", "a.nii,a,normal,3.0,-0.5,0.377541",
            "b.nii,b,abnormal,2.0,0.5,0.622459", "c.nii,c,normal,-4.0,-1.0,0.268941"]  # fmt: skip
    answers = read_answers("\n".join(rows) + "\n", "run r")
    assert answers["a"].logit == 3.0
    assert answers["a"].abnormal == special.expit(-0.5)
    one = Side("r" * 32, "r", "training", {}, {}, answers, 0.5)
    found = compare_sides([one, one])
    assert found.estimates[0]["auc"].value == 1.0


def test_probabilities_that_a_table_rounds_keep_their_side_of_the_threshold() -> None:
    """A rare class's threshold lies closer to the scan that sets it than six digits tell."""
    logit = float(special.logit(0.0123454))
    text = f"file,sha256,label,logit,calibrated,abnormal\na.nii,a,abnormal,{logit!r},{logit!r},0.012345\n"
    found = compare_sides([Side("r" * 32, "r", "training", {}, {}, read_answers(text, "r"), 0.01234535)] * 2)
    assert found.estimates[0]["accuracy"].value == 1.0


@pytest.mark.parametrize("name", ["a\u2028b.nii", "a\x85b.nii", "a\x0cb.nii"])
def test_names_of_files_may_hold_what_some_take_for_an_end_of_line(name: str) -> None:
    """A table is read by the rules that it was written by."""
    text = f"file,sha256,label,logit,abnormal\n{name},a,normal,-1.0,0.268941\n"
    assert read_answers(text, "run r")["a"].file == name


@pytest.fixture
def truth(rng) -> np.ndarray:
    """Labels of 60 scans."""
    return rng.permutation(np.repeat([0, 1], 30))


@pytest.fixture
def logits(rng, truth) -> tuple[np.ndarray, np.ndarray]:
    """A good network and a worse one."""
    return truth * 3.0 - 1.5 + rng.normal(0, 1, 60), truth * 1.0 - 0.5 + rng.normal(0, 1, 60)


def test_settings_that_differ_are_told_and_no_others(truth, logits) -> None:
    """A setting that is the same in all runs is left out; one that a run lacks is None there."""
    one = side("a", logits[0], truth, settings={"seed": "0", "epochs": "3", "only": "x"})
    other = side("b", logits[1], truth, settings={"seed": "0", "epochs": "5"})
    assert compare_sides([one, other]).differences == {"epochs": ("3", "5"), "only": ("x", None)}


def test_what_a_kind_of_run_does_not_log_is_no_difference(truth, logits) -> None:
    """Settings that only the runs of one kind log are left out; where these differ among themselves they are told."""
    one = side("a", logits[0], truth, settings={"seed": "0", "epochs": "3", "answer.sensitivity": "0.0"})
    asked = side("b", logits[1], truth, settings={"evaluation.on": "validation"}, kind="evaluation")
    assert compare_sides([one, asked]).differences == {}
    other = side("c", logits[1], truth, settings={"seed": "0", "epochs": "5", "answer.sensitivity": "0.0"})
    assert compare_sides([one, asked, other]).differences == {"epochs": ("3", None, "5")}


def test_scans_are_told_by_content_and_counted_alike(truth, logits) -> None:
    """Another name of the same scans is no difference, nor is the count of those that an evaluation asked about."""
    counts = {"data.scans": "60", "data.patients": "50"}
    one = side("a", logits[0], truth, settings={"data.source": "scans", "data.hash": "1", **counts})
    asked = side("b", logits[1], truth, kind="evaluation", settings={
        "data.source": "/study/scans", "data.hash": "1", "data.scans": "12", "data.patients": "9"})  # fmt: skip
    assert compare_sides([one, asked]).differences == {}
    moved = side("c", logits[1], truth, settings={"data.source": "new", "data.hash": "2", **counts, "data.scans": "70"})
    assert set(compare_sides([one, moved]).differences) == {"data.source", "data.hash", "data.scans"}


def test_folds_are_told_of_what_was_trained(truth, logits) -> None:
    """A cross-validated training differs from a trial without folds, which logs no such setting."""
    one = side("a", logits[0], truth, settings={"folds": "5", "repeats": "1"})
    other = side("b", logits[1], truth, kind="trial")
    assert compare_sides([one, other]).differences == {"folds": ("5", None)}


def test_tests_are_the_librarys_whatever_the_order_of_the_rows(truth, logits, rng) -> None:
    """Scans are paired by content, not by place; the tests are DeLong's and McNemar's."""
    order = rng.permutation(60)
    one = side("a", logits[0], truth)
    other = side("b", logits[1][order], truth[order], names=[f"scan{number}" for number in order])
    found = compare_sides([one, other]).pairs[0]
    expected = delong_test(truth, logits[0], logits[1])
    assert found.auc.difference == pytest.approx(expected.difference)
    assert found.auc.p == pytest.approx(expected.p)
    assert found.accuracy == mcnemar_test(truth, logits[0] >= 0, logits[1] >= 0)
    assert found.auc.difference < 0


def test_only_common_scans_count(truth, logits) -> None:
    """Scans that one run did not answer are left out of everything, and it is said."""
    one = side("a", logits[0], truth)
    other = side("b", logits[1][:50], truth[:50])
    found = compare_sides([one, other])
    assert len(found.common) == 50
    assert found.pairs[0].auc.n == 50
    assert any("Only the 50 scans" in remark for remark in found.remarks)


def test_different_scans_are_not_tested(truth, logits) -> None:
    """Runs without a common scan have no test and no estimate, and the reason is said."""
    found = compare_sides(
        [side("a", logits[0], truth), side("b", logits[1], truth, names=[f"x{n}" for n in range(60)])]
    )
    assert (found.common, found.pairs, found.estimates, found.disagreements) == ((), (), (), ())
    assert "different scans" in found.remarks[0]


def test_run_without_answers_is_named(truth, logits) -> None:
    """A run that keeps no answers, an evaluation on the test for one, is named."""
    found = compare_sides([side("a", logits[0], truth), side("b", [], [])])
    assert "bbbbbbbb" in found.remarks[0]
    assert found.pairs == ()


def test_disagreements_follow_each_runs_threshold(truth, logits) -> None:
    """A scan is called differently by the runs' own thresholds; the farthest apart come first."""
    found = compare_sides([side("a", logits[0], truth), side("b", logits[0], truth, threshold=0.9)])
    between = int(((special.expit(logits[0]) >= 0.5) & (special.expit(logits[0]) < 0.9)).sum())
    assert len(found.disagreements) == between > 0
    found = compare_sides([side("a", logits[0], truth), side("b", logits[1], truth)])
    gaps = [max(one.abnormal) - min(one.abnormal) for one in found.disagreements]
    assert gaps == sorted(gaps, reverse=True)


def test_contradicting_labels_are_left_out(truth, logits) -> None:
    """A scan that was relabelled between the runs is in no test."""
    other = truth.copy()
    other[:4] = 1 - other[:4]
    found = compare_sides([side("a", logits[0], truth), side("b", logits[1], other)])
    assert len(found.common) == 56
    assert any("4 scans have different labels" in remark for remark in found.remarks)


def test_several_comparisons_are_warned_of(truth, logits) -> None:
    """With three runs both others are held against the first, and the p values' limit is lower."""
    found = compare_sides([side(name, logits[0] + shift, truth) for name, shift in (("a", 0), ("b", 1), ("c", 2))])
    assert [pair.other[0] for pair in found.pairs] == ["b", "c"]
    assert any("below 0.025" in remark for remark in found.remarks)


def test_json_is_plain(truth, logits) -> None:
    """The JSON form has runs, tests and disagreements as plain values."""
    import json

    facts = json.loads(json.dumps(compare_sides([side("a", logits[0], truth), side("b", logits[1], truth)]).as_json()))
    assert facts["common_scans"] == 60
    assert facts["tests"][0]["auc"]["n"] == 60
    assert len(facts["disagreements"][0]["abnormal"]) == 2


@pytest.mark.parametrize("text", ["file,sha256\nx,y\n", "file,sha256,label,logit,abnormal\nx,y,sick,1,0.5\n",
                                  "file,sha256,label,logit,abnormal\nx,y,normal,much,0.5\n"])  # fmt: skip
def test_damaged_table_is_an_error(text) -> None:
    """A table without its columns, with another label or without a number is said to be damaged."""
    with pytest.raises(WorkError, match="run r: its table of answers must be whole"):
        read_answers(text, "run r")


@pytest.mark.slow
def test_picture_is_a_whole_png(truth, logits, tmp_path) -> None:
    """The picture is written whole; without common scans there is none, and no file."""
    pytest.importorskip("matplotlib")
    out = tmp_path / "pictures" / "compare.png"
    draw_comparison(compare_sides([side("a", logits[0], truth), side("b", logits[1], truth)]), out)
    assert out.read_bytes().startswith(b"\x89PNG")
    apart = compare_sides([side("a", logits[0], truth), side("b", [], [])])
    with pytest.raises(InputError, match="needs scans that all runs answered"):
        draw_comparison(apart, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_runs_have_short_names() -> None:
    """Letters, and numbers where there are more runs than letters."""
    assert letters(3) == ["A", "B", "C"]
    assert letters(27)[26] == "27"


def test_no_p_value_is_zero() -> None:
    """A p value below the last digit that is shown is told as smaller than it, never as 0."""
    assert [p_words(p) for p in (0.0004, 0.0, 0.0014, 0.5, 1.0)] == ["<0.001", "<0.001", "0.001", "0.500", "1.000"]
