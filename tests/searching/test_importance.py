"""Which hyperparameters matter: on functions whose answer is known, and where nothing may be said."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ctexp.searching.records import TrialRecord
from ctexp.searching.report.facts import Axis
from ctexp.searching.report.importance import LEAST, Importance, importance

A, B, C = (Axis(key, "float", 0.0, 1.0) for key in "abc")


def trials(
    count: int, axes: tuple[Axis, ...], score: Callable[[dict[str, Any], np.random.Generator], float], seed: int = 0
) -> list[TrialRecord]:
    """Trials at random places of the axes, with the score that a function gives."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        places = {axis.key: rng.uniform(*axis.ends) for axis in axes}
        values = {
            axis.key: axis.choices[round(places[axis.key])] if axis.choices
            else 10 ** places[axis.key] if axis.log else places[axis.key]
            for axis in axes
        }  # fmt: skip
        found.append(TrialRecord(number, "run", "finished", values, score(values, rng)))
    return found


class TestNothingToSay:
    """Reasons instead of numbers."""

    def test_too_few(self) -> None:
        """Below six scores there is no share; trials without a score do not count."""
        some = trials(LEAST - 1, (A,), lambda values, _: values["a"])
        some += [TrialRecord(90, "run", "failed", {"a": 0.5}), TrialRecord(91, "run", "finished", {"a": 0.1}, math.nan)]
        assert importance((A,), some) == Importance(5, reason="5 trials with a score, 6 are needed")

    def test_equal_scores(self) -> None:
        """Scores that are all the same have no variance to explain."""
        found = importance((A,), trials(20, (A,), lambda *_: 0.7))
        assert (found.shares, found.reason) == ({}, "all 20 scores are equal")

    def test_nothing_varied(self) -> None:
        """A hyperparameter with one value throughout is left out by name, and with no other there is no share."""
        fixed = Axis("a", "float", 0.3, 0.3)
        found = importance((fixed,), trials(8, (fixed,), lambda _, rng: rng.random()))
        assert found.left_out == {"a": "it never varied"}
        assert found.reason == "no hyperparameter varied in enough trials"

    def test_rarely_set(self) -> None:
        """A hyperparameter that too few trials have is left out with their number."""
        some = [TrialRecord(n, "run", "finished", {"a": 0.1 * n} if n < 3 else {}, float(n)) for n in range(9)]
        assert importance((A,), some).left_out == {"a": "only 3 trials had it"}


@pytest.mark.slow
class TestKnownAnswers:
    """Functions whose shares can be computed on paper."""

    def test_order(self) -> None:
        """A strong effect comes before a weak one, and no effect is near 0 and not told from chance."""
        some = trials(80, (A, B, C), lambda v, rng: v["a"] + 0.3 * v["b"] + rng.normal(0, 0.02))
        found = importance((C, B, A), some)
        assert list(found.shares) == ["a", "b", "c"]
        assert found.shares["a"].value == pytest.approx(1 / 1.09, abs=0.06)
        assert found.shares["b"].value == pytest.approx(0.09 / 1.09, abs=0.05)
        assert found.shares["c"].value < 0.02
        assert found.standing_out == ("a", "b")
        assert {share.n for share in found.shares.values()} == {80}

    def test_a_log_scale_is_searched_evenly(self) -> None:
        """Half of the decades make half of the space: a step at 1e-3 of 1e-5..1e-1 explains 0.25 of 0.25 + 1/12."""
        rate = Axis("rate", "float", 1e-5, 1e-1, log=True)
        some = trials(80, (rate, B), lambda v, rng: float(v["rate"] < 1e-3) + v["b"] + rng.normal(0, 0.02))
        assert importance((rate, B), some).shares["rate"].value == pytest.approx(0.75, abs=0.08)

    def test_one_diverged_network_is_not_all_of_the_variance(self) -> None:
        """A loss that is a thousand times the others counts as the highest that was asked for."""
        some = trials(60, (A, B), lambda v, rng: v["a"] + rng.normal(0, 0.02))
        some.append(TrialRecord(60, "run", "finished", {"a": 0.2, "b": 0.9}, 1000.0))
        assert importance((A, B), some).shares["a"].value < 0.5
        assert importance((A, B), some, highest=1.1).shares["a"].value > 0.8

    def test_combinations_belong_to_none(self) -> None:
        """What only two together explain (an exclusive or) is no share of either."""
        some = trials(150, (A, B), lambda v, _: float((v["a"] > 0.5) != (v["b"] > 0.5)))
        assert sum(share.value for share in importance((A, B), some).shares.values()) < 0.3

    @pytest.mark.parametrize("wide", [False, True])
    def test_choices(self, wide: bool) -> None:
        """Lists, words and truth values are choices without an order; many of them are taken by their order."""
        more = tuple((8, n) for n in range(10)) if wide else ()
        axis = Axis("x", "choice", choices=((8, 16), "none", True, *more))
        effect = {repr(choice): 1.0 if index == 1 else 0.0 for index, choice in enumerate(axis.choices)}
        some = trials(60, (axis, B), lambda v, rng: effect[repr(v["x"])] + 0.1 * v["b"] + rng.normal(0, 0.01))
        assert importance((axis, B), some).standing_out[0] == "x"

    def test_only_some_trials_have_it(self) -> None:
        """A hyperparameter that half of the trials have is measured among those, and says so."""
        kind = Axis("kind", "choice", choices=("plain", "tuned"))
        some = []
        for one in trials(60, (kind, A, C), lambda *_: 0.0, seed=3):
            values = dict(one.configuration)
            score = values["a"] if values["kind"] == "tuned" else 0.5
            if values["kind"] == "plain":
                del values["a"]
            some.append(TrialRecord(one.number, "run", "finished", values, score + 0.01 * values["c"]))
        found = importance((kind, A, C), some)
        having = sum("a" in one.configuration for one in some)
        assert 10 < having < 50
        assert {key: share.n for key, share in found.shares.items()} == {"kind": 60, "a": having, "c": 60}
        assert found.shares["a"].value > 0.8
        assert "a" in found.standing_out


@pytest.mark.slow
def test_noise_seldom_stands_out() -> None:
    """Where nothing has an effect, at most a few of many hyperparameters pass for more than chance."""
    axes = (A, B, C)
    passed = [
        key
        for seed in range(6)
        for key in importance(axes, trials(20, axes, lambda _, rng: rng.random(), seed)).standing_out
    ]
    assert len(passed) <= 3


@pytest.mark.slow
def test_seed_and_direction(capfd: pytest.CaptureFixture[str]) -> None:
    """The same seed gives the same shares, another gives others, the sign of the score none; and nothing is printed."""
    some = trials(20, (A, B), lambda v, rng: v["a"] + rng.normal(0, 0.2))
    turned = [TrialRecord(one.number, "run", "stopped", one.configuration, -(one.score or 0)) for one in some]
    found = importance((A, B), some, seed=1)
    assert importance((A, B), some, seed=1) == found
    assert importance((A, B), some, seed=2) != found
    assert importance((A, B), turned, seed=1).shares["a"].value == pytest.approx(found.shares["a"].value)
    assert capfd.readouterr() == ("", "")
