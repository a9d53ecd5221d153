"""`ctexp sweep`: begin a sweep, or go on with one; readable from top to bottom."""

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ctexp.datasets.sources import find_source
from ctexp.errors import ConfigError, DataError, InputError
from ctexp.experiments.alone import alone, note_circumstances, require_interrupted
from ctexp.project import Project, require_address
from ctexp.searching.draws import planned_trials
from ctexp.searching.material import Material, gather_material
from ctexp.searching.plan import brackets
from ctexp.searching.request import SweepRequest, differences
from ctexp.searching.staff import Staff, hire
from ctexp.searching.watch import SweepWatch
from ctexp.tracking.reach import require_server

if TYPE_CHECKING:
    from ctexp.searching.finish import SweepReport
    from ctexp.searching.journal import Journal
    from ctexp.tracking.store import Store

BUDGETS_TAG = "ctexp.sweep.trials"
RULES_TAG = "ctexp.sweep.rules"
SIGNATURE_TAG = "ctexp.sweep.signature"
NAME_TAG = "ctexp.sweep"


def run_sweep(
    request: SweepRequest, project: Project, watch: SweepWatch, staff: Staff, wished_to_stop: Callable[[], bool]
) -> "SweepReport":
    """Search: train trial after trial, log everything, register the chosen network.

    Args:
        request: what to search, on which scans.
        project: whose store and cache.
        watch: somebody who looks on.
        staff: how many workers, and where.
        wished_to_stop: True once the user wants every worker to stop after its epoch.

    Raises:
        InputError: definition or scans break a rule, or a trial failed for the user's fault.
        WorkError: store or workers failed; the parent run is FAILED with the reason.
        KeyboardInterrupt: the user stopped it; the runs are KILLED and can be gone on with.
    """
    began = time.monotonic()
    find_source(request.data, project)  # a mistyped source or store is said before MLflow is loaded
    require_address(project)
    staff.check(project.tracking_uri)
    require_server(project.tracking_uri)

    from ctexp.searching.journal import Journal
    from ctexp.tracking.store import open_store

    store = open_store(project)
    if store.begun:
        watch.say(f"new store {project.store_name}: there was none at this address")
    if project.root != Path.cwd():
        watch.say(f"project {project.root}")
    material = gather_material(request, project, watch)
    definition = request.definition
    placed = dataclasses.replace(request, data=material.data.source.resumable_name)
    tags = {
        NAME_TAG: definition.name,
        SIGNATURE_TAG: definition.signature(),
        BUDGETS_TAG: json.dumps([definition.trials]),
    }
    journal = Journal.begin(store, f"sweep {definition.name}", placed.to_json(), tags)
    watch.say(f"sweep {journal.run.id} ({definition.name})")
    with alone(project, "sweep", journal.run.id):
        return _work(placed, (definition.trials,), project, store, journal, material, watch, staff, wished_to_stop,
                     began)  # fmt: skip


def resume_sweep(
    wished: SweepRequest | None,
    trials: int | None,
    project: Project,
    watch: SweepWatch,
    staff: Staff,
    wished_to_stop: Callable[[], bool],
    *,
    typed: Collection[str] = (),
    force: bool = False,
) -> "SweepReport | None":
    """Go on with the latest sweep, or extend it, under the same parent run.

    Args:
        wished: the sweep that is meant, or is to be begun; None for the latest of any.
        trials: how many there are to be in all; None for as many as were asked for.
        project: whose store and cache.
        watch: somebody who looks on.
        staff: how many workers, and where.
        wished_to_stop: True once the user wants every worker to stop after its epoch.
        typed: what of the wish was typed, as `request.differences` takes it: the rest is as the sweep was begun.
            Without `file` the latest sweep of any name is meant.
        force: go on with a sweep of another machine or container, too, which still counts as running.

    Returns:
        The report, or None where no such sweep was begun yet: then it may be begun.

    Raises:
        InputError: what is wished is another sweep than the latest of its name, there is nothing to go on with, or its
            scans changed.
        WorkError, KeyboardInterrupt: as `run_sweep`.
    """
    began = time.monotonic()
    require_address(project)
    staff.check(project.tracking_uri)
    require_server(project.tracking_uri)

    from ctexp.searching.journal import Journal
    from ctexp.tracking.store import open_store

    store = open_store(project, create=wished is not None)
    name = wished.definition.name if wished and "file" in typed else None
    run = next((one for one in Journal.sweeps(store) if name in (None, one.data.tags.get(NAME_TAG))), None)
    if run is None:
        if wished is None:
            raise InputError("--resume: there must be a sweep to go on with, there is none; begin with `ctexp sweep`")
        return None
    run_id = run.info.run_id
    text = Journal.read_request(run)
    request = SweepRequest.from_json(text or "", f"sweep {run_id}")
    if wished is not None:
        if "data" in typed:
            wished = dataclasses.replace(wished, data=find_source(wished.data, project).resumable_name)
        other = differences(wished, request, typed)
        if other:
            raise ConfigError(
                f"--resume: the sweep must be the one that was begun ({run_id}), {', '.join(other)} changed; "
                "a changed sweep is a new one: leave --resume out"
            )
    budgets = tuple(json.loads(run.data.tags[BUDGETS_TAG]))
    total = trials or budgets[-1]
    if total < budgets[-1]:
        raise ConfigError(f"--trials: must be at least the {budgets[-1]} that sweep {run_id} began with, got {total}")
    if total > budgets[-1]:
        budgets = (*budgets, total)
    elif run.info.status == "FINISHED":
        raise InputError(
            f"--resume: sweep {run_id} must be unfinished, all its {total} trials are done; "
            f"extend it with --trials {2 * total} --resume, or begin a new one"
        )
    require_interrupted(run, "sweep", force=force)
    if request.definition.algorithm == "hyperband":  # before the store is told of a number that does not fit
        brackets(request.definition.epochs, budgets)
    with alone(project, "sweep", run_id):
        journal = Journal(store, run_id)
        rules = json.loads(run.data.tags.get(RULES_TAG, "{}"))
        if wished is not None and "file" in typed:  # these do not make another sweep
            rules = {"keep": wished.definition.keep, "choose": wished.definition.choose}
        definition = dataclasses.replace(request.definition, trials=total, **rules)
        material = gather_material(request, project, watch)
        for key, now in material.hashes.items():
            before = run.data.params.get(key, now)
            if before != now:
                raise DataError(
                    f"--resume {run_id}: the scans must be those it began with: {key} was {before}, is {now}; "
                    "restore the scans or begin a new sweep"
                )
        journal.take_over([run_id])
        journal.run.log(tags={BUDGETS_TAG: json.dumps(budgets), **({RULES_TAG: json.dumps(rules)} if rules else {})})
        watch.say(f"sweep {run_id} ({definition.name}) goes on")
        request = dataclasses.replace(request, definition=definition)
        return _work(request, budgets, project, store, journal, material, watch, staff, wished_to_stop, began)


def _work(
    request: SweepRequest,
    budgets: tuple[int, ...],
    project: Project,
    store: "Store",
    journal: "Journal",
    material: Material,
    watch: SweepWatch,
    staff: Staff,
    wished_to_stop: Callable[[], bool],
    began: float,
) -> "SweepReport":
    """Run the trials and end the sweep; the parent run ends with what happened."""
    from ctexp.learning.backend import start_backend
    from ctexp.searching.conductor import Conductor
    from ctexp.searching.finish import finish
    from ctexp.searching.keeping import Keeper

    definition = request.definition
    with journal.run, _resumable(journal.run.id, watch):
        _log_facts(request, store, journal, material, watch)
        keeper = Keeper(store, definition.keep, maximise=definition.maximise, rule=definition.choose)
        crew = hire(staff, material.workplace(request, store, project), watch)
        conductor = None
        try:
            start_backend(definition.base.seed)  # quietly, while the workers do the same; KerasTuner needs it
            from ctexp.searching.oracle import Oracle
            from ctexp.searching.study import Study

            study = Study(definition, budgets, request.lag, Oracle(definition, budgets))
            conductor = Conductor(
                study,
                journal,
                crew,
                keeper,
                watch,
                material.hashes,
                folds=definition.folds,
                maximise=definition.maximise,
            )
            done = {one.number for one in conductor.records if one.counts}
            watch.begin(planned_trials(definition, budgets), done, maximise=definition.maximise)
            conductor.run(wished_to_stop)
        except BaseException as error:
            crew.close()
            if conductor is not None:
                interrupted = isinstance(error, KeyboardInterrupt)
                conductor.abandon("interrupted by the user" if interrupted else "the sweep ended")
            raise
        finally:
            watch.end()
        crew.close()
        if not conductor.ended:
            raise KeyboardInterrupt
        keeper.tidy(conductor.children, last=True)
        keeper.leave_networks(conductor.children, definition.base)
        return finish(request, store, journal, material, conductor.records, watch, study.unbuildable, staff, began,
                      wished_to_stop)  # fmt: skip


def _log_facts(
    request: SweepRequest, store: "Store", journal: "Journal", material: Material, watch: SweepWatch
) -> None:
    """Log what the parent run is to say of itself, once; later what has changed since."""
    from ctexp.experiments.training.tables import data_facts, split_table
    from ctexp.overrides import flatten
    from ctexp.tracking.provenance import all_packages, circumstances

    definition, data = request.definition, material.data
    spaces = {f"space.{one.key}": json.dumps(one.as_table()) for one in definition.space}
    search = {
        "sweep.algorithm": definition.algorithm,
        "sweep.metric": definition.metric,
        "sweep.stop": definition.stop,
        "sweep.folds": definition.folds,
        "sweep.search_seed": definition.search_seed,
        "sweep.lag": request.lag,
        "preset": definition.preset,
    }
    varying = {one.key for one in definition.space}
    blocks = any(key.startswith("network.filters.") for key in varying)
    fixed = {key: value for key, value in flatten(definition.base).items()
             if key not in varying and not (blocks and key == "network.filters")}  # fmt: skip
    params = {**search, **spaces, **fixed, **data_facts(data.collection, data.split)}
    before = store.run(journal.run.id).data
    have = before.params  # a source may be named otherwise now, its hashes were compared
    journal.run.log(params={key: value for key, value in params.items() if key not in have})
    journal.run.log_text(definition.to_json(), "sweep.json")
    if "ctexp.version" in before.tags:
        note_circumstances(before.tags, journal.run, store.project, watch)
    else:
        journal.run.log_text(all_packages(), "environment.txt")
        journal.run.log(tags=circumstances(store.project.root))
    journal.run.log_text(split_table(data.split), "split.csv")


@contextlib.contextmanager
def _resumable(run_id: str, watch: SweepWatch) -> Iterator[None]:
    """Say how to go on when the work inside ends early, whatever the cause."""
    try:
        yield
    except BaseException:
        watch.say(f"stopped; nothing that was finished is lost: go on with `ctexp sweep --resume` (sweep {run_id})")
        raise
