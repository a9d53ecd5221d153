"""What was asked of a sweep, in a form that its parent run keeps and a restart reads back."""

import dataclasses
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctexp.errors import ConfigError
from ctexp.experiments.request import TrainingRequest
from ctexp.searching.definition import SweepDefinition

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowEntity


@dataclass(frozen=True)
class SweepRequest:
    """One sweep.

    Attributes:
        definition: what varies, and how it is searched.
        lag: how many proposals may be ahead of the results (`ctexp.searching.study`); decides the list of trials.
        data: SOURCE as typed; None for the default.
        positive: name of the abnormal class when the names are the user's own.
        skip_bad: leave out what cannot be read.
        allow_gaps: interpolate missing slices of DICOM series where that is sound.
    """

    definition: SweepDefinition
    lag: int
    data: str | None = None
    positive: str | None = None
    skip_bad: bool = False
    allow_gaps: bool = False

    @property
    def training(self) -> TrainingRequest:
        """The request for the data of the base settings."""
        return TrainingRequest(
            self.definition.base,
            self.data,
            self.positive,
            self.skip_bad,
            None,
            self.definition.preset,
            self.allow_gaps,
        )

    def to_json(self) -> str:
        """Write as JSON."""
        facts = {item.name: getattr(self, item.name) for item in dataclasses.fields(self) if item.name != "definition"}
        return json.dumps({**facts, "definition": json.loads(self.definition.to_json())})

    @classmethod
    def from_json(cls, text: str, place: str) -> "SweepRequest":
        """Read back what `to_json` wrote.

        Raises:
            ConfigError: the text is no request of this version of ctexp.
        """
        try:
            facts = json.loads(text)
            definition = SweepDefinition.from_json(json.dumps(facts.pop("definition")), place)
            return cls(definition=definition, **facts)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f"{place}: must be the request of a ctexp sweep: {error}") from error


def differences(mine: SweepRequest, theirs: SweepRequest, typed: Collection[str]) -> list[str]:
    """Name what was typed and makes two sweeps of two requests; what was not typed is as the other has it.

    Args:
        mine: what is wished.
        theirs: the sweep that was begun.
        typed: names of options (`epochs`, `skip_bad`), and `file` for the sweep's name or file, which with the options
            beside it says all that defines a sweep. How many trials is not compared.
    """
    one, other = mine.definition, theirs.definition
    if "file" in typed:
        found = _of_definitions(one, other)
    else:
        pairs = {
            "algorithm": (one.algorithm, other.algorithm),
            "folds": (one.folds, other.folds),
            "preset": (one.preset, other.preset),
            "epochs": (one.epochs, other.epochs),
            "seed": ((one.search_seed, one.base.seed), (other.search_seed, other.base.seed)),
        }
        found = [key for key, (a, b) in pairs.items() if key in typed and a != b]
    scans = ("data", "positive", "skip_bad", "allow_gaps")
    return found + [key for key in scans if key in typed and getattr(mine, key) != getattr(theirs, key)]


def _of_definitions(mine: SweepDefinition, theirs: SweepDefinition) -> list[str]:
    if mine.signature() == theirs.signature():
        return []
    found = []
    one, other = json.loads(mine.to_json()), json.loads(theirs.to_json())
    for key in ("algorithm", "epochs", "objective", "stop", "folds", "search_seed", "settings", "space"):
        a, b = one[key], other[key]
        if a == b:
            continue
        if isinstance(a, dict):
            found += [f"{key}.{inner}" for inner in {**a, **b} if a.get(inner) != b.get(inner)]
        else:
            found.append(key)
    return [key for key in found if key != "objective.choose"] or ["the order of the space"]


def training_of_sweep(run: "MlflowEntity") -> TrainingRequest | None:
    """Give which scans the trials of a sweep had, from its parent run; None where the run is no sweep.

    Raises:
        ConfigError: the sweep is another version's.
    """
    from ctexp.searching.journal import Journal

    text = Journal.read_request(run)
    return None if text is None else SweepRequest.from_json(text, f"sweep {run.info.run_id}").training
