"""Settings of runs side by side: what a run leaves its parent to say is found there, what says nothing is left out."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from ctexp.errors import UnknownReferenceError
from ctexp.experiments.comparing.listing import kind_of
from ctexp.tracking.tags import PARENT_TAG

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowEntity

    from ctexp.tracking.store import Store

_SEARCH = ("sweep.", "space.")
"""A sweep's run says by these how it searched, which is no setting of a trial."""
_OWN_SIDES = ("split.", "data.train.", "data.validation.")
"""Each fold has sides of its own: its parent's are not its."""
_ONE_BLOCK = "network.filters."
"""A trial has each block's filters once more by themselves, for MLflow's charts; `network.filters` has them all."""
_OF_ANSWERS = ("data.scans", "data.patients")
"""An evaluation counts the scans that it asked about, and their patients; the other kinds those of the collection."""
_FOLDS = "folds"
"""Logged where folds are wished: of a training, a trial or a fold that lacks it, it is known that there were none."""
_TRAINED = {"training", "trial", "fold"}


class HasSettings(Protocol):
    """A run as far as its settings are compared."""

    @property
    def kind(self) -> str:
        """Training, trial, evaluation and so on."""

    @property
    def settings(self) -> Mapping[str, str]:
        """Key to value."""


def settings_of(store: "Store", run: "MlflowEntity") -> dict[str, str]:
    """Give a run's settings, with those that only its parents log: a trial's data, a fold's preset."""
    found = dict(run.data.params)
    not_its_own = _SEARCH + (_OWN_SIDES if kind_of(run) == "fold" else ())
    parent = run.data.tags.get(PARENT_TAG)
    while parent is not None:
        try:
            above = store.run(parent)
        except UnknownReferenceError:  # deleted for good; what the run itself says can still be compared
            break
        params = above.data.params
        found = {key: value for key, value in params.items() if not key.startswith(not_its_own)} | found
        if params.get("sweep.folds", "0") != "0":
            found[_FOLDS] = params["sweep.folds"]
        parent = above.data.tags.get(PARENT_TAG)
    return {key: value for key, value in found.items() if not key.startswith(_ONE_BLOCK)}


def differing(sides: Sequence[HasSettings]) -> dict[str, tuple[str | None, ...]]:
    """Give the settings that are not the same in all runs, each run's value; None where it has none.

    What no run of a kind logs tells nothing about the runs of that kind: such a setting is here only where the others
    differ in it among themselves.
    """
    kinds = {side.kind for side in sides}
    hashes = [side.settings.get("data.hash") for side in sides]
    same_scans = None not in hashes and len(set(hashes)) == 1
    found = {}
    for key in sorted({key for side in sides for key in side.settings}):
        if key in _OF_ANSWERS and "evaluation" in kinds and len(kinds) > 1:
            continue
        if key == "data.source" and same_scans:  # `scans` and `/study/scans`: the hash says that they are one
            continue
        telling = kinds & _TRAINED if key == _FOLDS else {side.kind for side in sides if key in side.settings}
        if len({side.settings.get(key) for side in sides if side.kind in telling}) > 1:
            found[key] = tuple(side.settings.get(key) for side in sides)
    return found
