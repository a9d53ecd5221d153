"""A run that is to be trained again: its settings, its scans on their sides, and what it came to."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args, get_origin

from ctexp.config import Experiment
from ctexp.datasets.folds import make_folds
from ctexp.datasets.splits import Split
from ctexp.errors import DataError, InputError
from ctexp.experiments.comparing.compare import read_answers
from ctexp.experiments.comparing.listing import children, find_run, kind_of, name_a_trial
from ctexp.experiments.data import Prepared, prepare_data
from ctexp.experiments.rebuild import RequestOfSweep, prepared_as, read_text, request_of_run
from ctexp.experiments.reproducing.circumstances import Circumstances
from ctexp.experiments.reproducing.verdict import Results
from ctexp.experiments.request import TrainingRequest
from ctexp.experiments.watch import Watch
from ctexp.overrides import flatten, from_flat, setting_types
from ctexp.project import Project
from ctexp.tracking.tags import FOLD_TAG, PARENT_TAG

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowEntity

    from ctexp.tracking.store import Store

REPRODUCES_TAG = "ctexp.reproduces"
KINDS = ("training", "trial", "fold")


@dataclass(frozen=True, eq=False)
class Original:
    """A finished training, ready to be repeated.

    Attributes:
        experiment: its settings.
        data: its scans, on the sides that taught and judged it.
        until: the last epoch of a trial, which a sweep may have stopped; None for what the settings say.
        packaged: its quoted numbers are those of the exported network.
        calibrated: they are calibrated and at the threshold of a registered version.
        results: what it kept.
        circumstances: what it kept of these.
        of_sweep: a sweep's worker trained it.
    """

    run_id: str
    name: str
    kind: str
    experiment: Experiment
    data: Prepared
    until: int | None
    packaged: bool
    calibrated: bool
    results: Results
    circumstances: Circumstances
    of_sweep: bool


def read_original(store: "Store", text: str, project: Project, watch: Watch, of_sweep: RequestOfSweep) -> Original:
    """Read a run, and find, prepare and split its scans again.

    Args:
        store: where it is.
        text: its id, or at least 6 letters that begin it.
        project: whose cache.
        watch: somebody who looks on.
        of_sweep: see `rebuild`.

    Raises:
        UnknownReferenceError: there is no such run.
        InputError: it is not one finished training.
        DataError: its scans or their split are not the same any more.
    """
    from ctexp.experiments.training.record import read_history

    run = find_run(store, text)
    run_id = run.info.run_id
    _check_is_one_training(store, run)
    chain = _chain(store, run)
    experiment, missing = settings_of_params(run.data.params, f"run {run_id}")
    if missing:
        watch.say(f"run {run_id} does not name {', '.join(missing)}: taken as the published recipe has it")
    request = request_of_run(store, run_id, of_sweep)
    data = prepared_as(experiment.scan, request, prepare_data(request, project, watch), project, watch)
    data = _own_split(chain, request, data)
    metrics = run.data.metrics
    answers = read_text(store, run_id, "validation.csv")
    rows = read_answers(answers, f"run {run_id}") if answers is not None else {}
    history = read_history(store, run_id)
    facts: dict[str, str] = {}
    for one in reversed(chain):
        facts |= {**one.data.tags, **one.data.params}
    texts = (read_text(store, one.info.run_id, "environment.txt") for one in chain)
    # A fold's own split hash is checked already; above a trial, only the sweep's is recorded.
    facts |= {"data.hash": data.collection.hash, "split.hash": data.split.hash}
    top = kind_of(chain[-1])
    return Original(
        run_id,
        run.info.run_name or run_id[:8],
        kind_of(run),
        experiment,
        data,
        len(history) if kind_of(run) == "trial" else None,
        packaged="onnx_difference" in metrics,
        calibrated="temperature" in metrics,
        results=Results(history, {key: row.logit for key, row in rows.items()}, dict(metrics)),
        circumstances=Circumstances(facts, next((one for one in texts if one is not None), None)),
        of_sweep=top == "sweep" and kind_of(run) != "training",
    )


def settings_of_params(params: Mapping[str, str], place: str) -> tuple[Experiment, list[str]]:
    """Read the settings of a run back from its parameters, which the store keeps as text.

    Args:
        params: all parameters; those that are no setting are passed over.
        place: of the error message.

    Returns:
        The settings, and the keys that the run does not name, which an older version of ctexp did not have.

    Raises:
        ConfigError: a value is none that this version knows.
        InputError: the run names no setting at all.
    """
    kinds = setting_types()
    flat = {key: _value(text, kinds[key]) for key, text in params.items() if key in kinds}
    if not flat:
        raise InputError(f"{place}: must be a training of ctexp, it names no settings")
    return from_flat(flat, place=place), [key for key in flatten(Experiment()) if key not in flat]


def _value(text: str, kind: Any) -> object:
    """Read one value; what cannot be read stays text, which the rule for its type then refuses."""
    if get_origin(kind) is tuple:
        return [_value(word, get_args(kind)[0]) for word in text.split(",")]
    if kind is bool:
        return {"true": True, "false": False}.get(text, text)
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            return text
    return text


def _check_is_one_training(store: "Store", run: "MlflowEntity") -> None:
    run_id, kind = run.info.run_id, kind_of(run)
    place = f"reproduce {run_id}"
    if kind == "sweep":
        raise InputError(f"{place}: must be one training, it is a sweep; {name_a_trial(store, run)}")
    if kind not in KINDS:
        again = run.data.tags.get(REPRODUCES_TAG)
        article = "an" if kind == "evaluation" else "a"
        remedy = f"name the run that it reproduces, {again}" if again else "`ctexp runs list` has the trainings"
        raise InputError(f"{place}: must be a training, a trial or a fold, it is {article} {kind}; {remedy}")
    if run.info.status != "FINISHED":
        raise InputError(f"{place}: must be finished, it is {run.info.status}; finish it, or name another run")
    folds = [one for one in children(store, run_id) if kind_of(one) == "fold"]
    if folds:
        first = min(folds, key=lambda one: int(one.data.tags[FOLD_TAG])).info.run_id
        raise InputError(
            f"{place}: must be one training, it is {len(folds)}, one a fold; name one of them, fold 1 is {first}"
        )


def _chain(store: "Store", run: "MlflowEntity") -> "list[MlflowEntity]":
    """Give a run, its parent, and so on to the top."""
    chain = [run]
    while (parent := chain[-1].data.tags.get(PARENT_TAG)) is not None:
        chain.append(store.run(parent))
    return chain


def _own_split(chain: "Sequence[MlflowEntity]", request: TrainingRequest, data: Prepared) -> Prepared:
    """Give the data on the sides of the run: those of its fold, where it is one.

    Raises:
        DataError: scans or sides are not those of the run any more.
    """
    run = chain[0]
    is_fold = kind_of(run) == "fold"
    above = chain[1] if is_fold else run
    checks = [("data.hash", above, data.collection.hash), ("split.hash", above, data.split.hash)]
    _check_hashes(run.info.run_id, checks)
    if not is_fold:
        return data
    folds = request.folds or int(chain[-1].data.params.get("sweep.folds", "0"))
    split: Split = make_folds(data.split, folds, request.experiment.seed, repeats=request.repeats)[
        int(run.data.tags[FOLD_TAG]) - 1
    ]
    if "split.hash" in run.data.params:
        _check_hashes(run.info.run_id, [("split.hash", run, split.hash)])
    return dataclasses.replace(data, split=split)


def _check_hashes(run_id: str, checks: "Sequence[tuple[str, MlflowEntity, str]]") -> None:
    found = [(key, holder.data.params.get(key, "not recorded"), now) for key, holder, now in checks]
    changed = [f"{key} was {before}, is {now}" for key, before, now in found if before != now]
    if changed:
        raise DataError(
            f"reproduce {run_id}: the scans must be those it was trained with: {', '.join(changed)}; restore the scans"
        )
