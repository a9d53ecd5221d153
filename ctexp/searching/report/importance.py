"""How much of the score's variance each hyperparameter explains, and whether that is more than chance."""

import math
import statistics
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ctexp.searching.records import TrialRecord
from ctexp.searching.report.facts import Axis, compared, score_of
from ctexp.searching.wording import count, text

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

LEAST = 6
"""Below so many trials a forest only repeats the trials back."""
SHUFFLES = 19
"""The largest of 19 draws of chance is passed by one more about once in 20 times (Hope 1968)."""
_TREES, _TREES_BESIDE = 64, 16
_ONE_HOT = 8
_COPY = " (shuffled)"


@dataclass(frozen=True)
class Share:
    """What one hyperparameter explains.

    Attributes:
        value: share of the variance, 0..1.
        stands_out: whether it explains more than a shuffled copy of it does.
        n: trials that it rests on.
    """

    value: float
    stands_out: bool
    n: int


@dataclass(frozen=True)
class Importance:
    """The shares of a sweep.

    Attributes:
        n: trials with a score.
        shares: key to share, the largest first; empty where nothing can be said.
        left_out: key to the reason why it has no share.
        reason: why there is no share at all.
    """

    n: int
    shares: dict[str, Share] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    reason: str = ""

    @property
    def standing_out(self) -> tuple[str, ...]:
        """The keys that explain more than chance, the largest share first."""
        return tuple(key for key, share in self.shares.items() if share.stands_out)


def importance(
    axes: Sequence[Axis], trials: Sequence[TrialRecord], *, seed: int = 0, highest: float = math.inf
) -> Importance:
    """Measure the shares by functional analysis of variance.

    fANOVA (Hutter, Hoos and Leyton-Brown 2014, "An efficient approach for assessing hyperparameter importance", as
    `optuna.importance.FanovaImportanceEvaluator`): a random forest learns the score from the values, and a share is
    the variance of its prediction along one hyperparameter, averaged over all others, against its whole variance.
    The shares need not add up to 1: the rest lies in combinations.

    A forest finds something in noise, too. So `SHUFFLES` further forests see each hyperparameter beside a shuffled copy
    of it (the shadows of Kursa and Rudnicki 2010, "Feature selection with the Boruta package"): it stands out if its
    median share there passes the copy's largest. With 20 or 60 trials one without effect does so 2 to 8 times in 100.

    A hyperparameter that only some trials have is measured among those alone. Stopped trials count with the score
    that they had reached.

    Args:
        axes: what varied.
        trials: all of a sweep.
        seed: of forests and shuffles; the same seed gives the same shares.
        highest: scores above it count as it, so that one diverged network is not all of the variance of a loss.
    """
    counted = [replace(one, score=min(score_of(one), highest)) for one in compared(trials)]
    scores = [score_of(one) for one in counted]
    if len(counted) < LEAST:
        return Importance(len(counted), reason=f"{count(len(counted), 'trial')} with a score, {LEAST} are needed")
    if _alike(scores):
        return Importance(len(counted), reason=f"all {len(counted)} scores are equal")
    everywhere = [axis for axis in axes if all(axis.key in one.configuration for one in counted)]
    shares: dict[str, Share] = _measure(everywhere, counted, seed)
    left_out: dict[str, str] = {axis.key: "it never varied" for axis in everywhere if axis.key not in shares}
    for axis in axes:
        if axis in everywhere:
            continue
        some = [one for one in counted if axis.key in one.configuration]
        if len(some) < LEAST or _alike([score_of(one) for one in some]):
            left_out[axis.key] = f"only {count(len(some), 'trial')} had it" if len(some) < LEAST else "all scores equal"
            continue
        peers = [peer for peer in axes if all(peer.key in one.configuration for one in some)]
        found = _measure(peers, some, seed).get(axis.key)
        if found is None:
            left_out[axis.key] = "it never varied"
        else:
            shares[axis.key] = found
    if not shares:
        return Importance(len(counted), {}, left_out, "no hyperparameter varied in enough trials")
    return Importance(len(counted), dict(sorted(shares.items(), key=lambda item: -item[1].value)), left_out)


def _measure(axes: Sequence[Axis], trials: Sequence[TrialRecord], seed: int) -> dict[str, Share]:
    """Give the shares of those axes that vary among trials which have them all."""
    columns: dict[str, list[Any]] = {}
    distributions: dict[str, BaseDistribution] = {}
    for axis in axes:
        values = [one.configuration[axis.key] for one in trials]
        places = [axis.at(value) for value in values]
        if len(set(map(text, values))) > 1 and all(map(math.isfinite, places)):
            distributions[axis.key] = _distribution(axis)
            columns[axis.key] = [text(value) for value in values] if _is_one_hot(axis) else places
    if not columns:
        return {}
    rng = np.random.default_rng(seed)
    scores = [score_of(one) for one in trials]
    shares = _fanova(columns, distributions, scores, _TREES, seed)
    beside = []
    for number in range(SHUFFLES):
        copies = {key + _COPY: [column[row] for row in rng.permutation(len(trials))] for key, column in columns.items()}
        both = distributions | {key + _COPY: distribution for key, distribution in distributions.items()}
        beside.append(_fanova(columns | copies, both, scores, _TREES_BESIDE, seed + number))
    return {
        key: Share(
            share,
            statistics.median(one[key] for one in beside) > max(one[key + _COPY] for one in beside),
            len(trials),
        )
        for key, share in shares.items()
    }


def _is_one_hot(axis: Axis) -> bool:
    # A forest tells choices apart faster by a column for each, but the evaluator then walks 2**choices cells a tree.
    return axis.kind == "choice" and len(set(axis.labels)) == len(axis.choices) <= _ONE_HOT


def _distribution(axis: Axis) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if _is_one_hot(axis):
        return CategoricalDistribution(axis.labels)
    # On the scale of `Axis.at`, not as a log distribution: the evaluator weighs the parts of those by their width on
    # the plain scale, where the lowest of three decades is a hundredth of the space.
    return FloatDistribution(*axis.ends)


def _fanova(
    columns: dict[str, list[Any]],
    distributions: "dict[str, BaseDistribution]",
    scores: Sequence[float],
    trees: int,
    seed: int,
) -> dict[str, float]:
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it tells of every study that it makes
    try:
        study = optuna.create_study()
    finally:
        optuna.logging.set_verbosity(verbosity)
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    study.add_trials(
        [
            optuna.trial.create_trial(params=row, distributions=distributions, value=score)
            for row, score in zip(rows, scores, strict=True)
        ]
    )
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=trees, seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # leaving shares as they are, not scaled to a sum of 1, is called experimental
        found = optuna.importance.get_param_importances(
            study, evaluator=evaluator, params=list(columns), normalize=False
        )
    return {key: float(share) for key, share in found.items()}


def _alike(scores: Sequence[float]) -> bool:
    return max(scores) - min(scores) <= 1e-12 * max(map(abs, scores), default=0.0)
