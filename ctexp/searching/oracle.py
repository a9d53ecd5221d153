"""KerasTuner's oracles, asked and told: the one file that imports KerasTuner.

Only the oracles are used, as objects that propose configurations and hear scores. Their files, their display, their
retries and their way to run trials are left alone: a sweep's journal holds all that is needed to ask the same
questions again.
"""

import warnings
from typing import Any

import keras_tuner
from keras_tuner import Objective
from keras_tuner.oracles import BayesianOptimizationOracle, GridSearchOracle, HyperbandOracle, RandomSearchOracle

from ctexp.searching.definition import SweepDefinition
from ctexp.searching.draws import keras_tuner_space
from ctexp.searching.plan import brackets
from ctexp.searching.proposal import Answer, Proposal
from ctexp.searching.space import decode

INITIAL_POINTS = 8
"""Random configurations before the Gaussian process is asked; KerasTuner's three a dimension would be all of twenty."""


class Oracle:
    """One of KerasTuner's oracles over a sweep's space.

    Args:
        definition: algorithm, space, direction and seed.
        budgets: how many trials were asked for, first and by each extension.
    """

    def __init__(self, definition: SweepDefinition, budgets: tuple[int, ...]) -> None:
        self._space = definition.space
        self._trials: list[Any] = []
        settings: dict[str, Any] = {
            "objective": Objective("score", "max" if definition.maximise else "min"),
            "hyperparameters": keras_tuner.HyperParameters.from_config(keras_tuner_space(definition.space)),
            "seed": definition.search_seed + 1,  # KerasTuner takes 0 for "any"
            "allow_new_entries": False,
            "max_consecutive_failed_trials": 2**31,
        }
        if definition.algorithm == "hyperband":
            epochs = definition.base.training.epochs
            self._oracle = _Hyperband(brackets(epochs, budgets), max_epochs=epochs, factor=3, **settings)
        elif definition.algorithm == "bayesian":
            self._oracle = _Bayesian(max_trials=None, num_initial_points=INITIAL_POINTS, **settings)
        else:
            kind = _Random if definition.algorithm == "random" else _Grid
            self._oracle = kind(max_trials=None, **settings)
        self._oracle.verbose = 0

    def propose(self) -> Proposal | Answer:
        """Give the next configuration; `wait` for a score first, or `end`."""
        place = len(self._trials)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a Gaussian process over few points says that it has few points
            trial = self._oracle.create_trial(str(place))
        if trial.status == "IDLE":
            return "wait"
        if trial.status == "STOPPED":
            return "end"
        self._trials.append(trial)
        raw = trial.hyperparameters.values
        before = raw.get("tuner/trial_id")
        return Proposal(
            place,
            decode(self._space, raw),
            raw.get("tuner/epochs"),
            None if before is None else int(before),
        )

    def tell(self, place: int, score: float | None) -> None:
        """Hear the score of a proposal; None for one that failed."""
        trial = self._trials[place]
        if score is not None:
            self._oracle.update_trial(trial.trial_id, {"score": score})
        trial.status = "FAILED" if score is None else "COMPLETED"
        self._oracle.end_trial(trial)


class _Unkept:
    """An oracle that writes no files: what it needs to go on is replayed from the sweep's journal."""

    def save(self) -> None:
        """Write nothing."""

    def _save_trial(self, trial: object) -> None:
        """Write nothing."""


class _Random(_Unkept, RandomSearchOracle):  # type: ignore[misc]  # KerasTuner ships no types
    pass


class _Grid(_Unkept, GridSearchOracle):  # type: ignore[misc]
    pass


class _Bayesian(_Unkept, BayesianOptimizationOracle):  # type: ignore[misc]
    """The Gaussian process proposes what it likes best, also when that was tried: then a random one is drawn."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Give values that were not tried yet."""
        response: dict[str, Any] = super().populate_space(trial_id)
        if response["values"] is not None and self._duplicate(response["values"]):
            response = self._random_populate_space()
        return response


class _NoFurtherBracketError(Exception):
    """The last wished bracket is open already."""


class _Hyperband(_Unkept, HyperbandOracle):  # type: ignore[misc]
    """Hyperband over a given list of brackets instead of whole iterations."""

    def __init__(self, wished: tuple[int, ...], **settings: Any) -> None:
        self._wished, self._opened = wished, 0
        super().__init__(hyperband_iterations=None, **settings)

    def _start_new_bracket(self) -> None:
        self._current_bracket = self._wished[self._opened]
        self._opened += 1
        super()._start_new_bracket()

    def _increment_bracket_num(self) -> None:
        if self._opened == len(self._wished):
            raise _NoFurtherBracketError

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Give values, or say that promotions wait for scores, or that all brackets are done."""
        try:
            response: dict[str, Any] = super().populate_space(trial_id)
        except _NoFurtherBracketError:
            return {"status": "IDLE" if self.ongoing_trials else "STOPPED", "values": None}
        return response
