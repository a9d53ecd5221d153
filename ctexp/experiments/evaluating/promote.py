"""`ctexp models promote` and `rollback`: who is champion changes only by a comparison or with a reason, and on record.

Research software; not a medical device: a champion is the network that answers by default, not one to treat by.
"""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ctexp.errors import ConfigError, CtexpError, InputError, UnknownReferenceError, WorkError
from ctexp.experiments.evaluating.cards import renew_cards
from ctexp.experiments.evaluating.judge import Check, Judgement, Margins, judge
from ctexp.experiments.rebuild import RequestOfSweep
from ctexp.experiments.watch import Watch
from ctexp.project import MODEL_NAME, Project

if TYPE_CHECKING:
    from ctexp.registry.history import Event, History
    from ctexp.registry.references import ModelVersion
    from ctexp.tracking.store import Store


@dataclass(frozen=True)
class Move:
    """A change of the champion.

    Attributes:
        name: of the registered model.
        version: the champion now.
        before: the champion before; None for none.
        event: the event on record; somebody else's where theirs came later.
        judgement: the comparison; None where none was made.
    """

    name: str
    version: str
    before: str | None
    event: "Event"
    judgement: Judgement | None = None

    def as_json(self) -> dict[str, Any]:
        """Give the move as plain values."""
        checks = [dataclasses.asdict(one) for one in self.judgement.checks] if self.judgement else []
        notes = list(self.judgement.notes) if self.judgement else []
        return {"model": {"name": self.name, "version": self.version, "alias": "champion"}, "before": self.before,
                "event": self.event.as_json(), "checks": checks, "notes": notes}  # fmt: skip


def promote(
    reference: str,
    project: Project,
    watch: Watch,
    *,
    margins: Margins,
    of_sweep: RequestOfSweep,
    force: bool = False,
    reason: str = "",
) -> Move:
    """Make a version the champion if it is not worse than the present one.

    Args:
        reference: REF of the challenger.
        project: whose store, data and cache.
        watch: somebody who looks on.
        margins: what it may be worse by.
        of_sweep: reads a sweep's request (`ctexp.experiments.rebuild`).
        force: move the alias whatever the comparison says; needs a reason.
        reason: why, for the history.

    Raises:
        InputError: the REF names nothing, or the champion; a forced move without a reason; scans that changed.
        WorkError: a condition failed, each in a line of its own; or store or files cannot be read.
    """
    if force and not reason.strip():
        raise ConfigError("--force: must come with --reason TEXT, which the history keeps, got none")

    from ctexp.registry.history import read_history, record
    from ctexp.registry.references import ModelVersion, resolve
    from ctexp.tracking.store import open_store

    store = open_store(project, create=False)
    challenger = resolve(store, reference)
    history = read_history(store, challenger.name)
    number = history.champion
    if number == challenger.version:
        raise InputError(f"{reference}: must be another version than the champion, version {number} is the champion")
    judgement = None
    if number is None:
        if not force:
            raise WorkError(
                f"version {challenger.version}: must be compared with a champion, there is none; "
                "--force --reason TEXT makes it champion without a comparison"
            )
    else:
        entity = store.client.get_model_version(challenger.name, number)
        champion = ModelVersion(challenger.name, number, entity.run_id)
        judgement = _judged(store, challenger, champion, project, watch, margins, of_sweep, force=force)
        failures = judgement.failures
        if failures and not force:
            listing = "\n".join(f"  {line}" for line in (*failures, *judgement.notes))
            raise WorkError(
                f"version {challenger.version}: must pass every check to be champion, {len(failures)} failed; "
                f"version {number} stays, --force --reason TEXT overrules\n{listing}"
            )
        now = read_history(store, challenger.name).champion
        if now != number and not force:
            raise WorkError(
                f"version {challenger.version}: must be compared with the champion, which became version {now} "
                f"while it was compared with version {number}; promote again"
            )
    failed = judgement is None or bool(judgement.failures)
    numbers: dict[str, Any] = {"against": number}
    if judgement is not None:
        numbers |= judgement.numbers | {"failed": list(judgement.failures)}
    concerned = _concerned(store, challenger.name, challenger.version, number)
    done = record(
        store,
        "forced" if failed else "promoted",
        challenger.version,
        name=challenger.name,
        why=reason.strip(),
        numbers=numbers,
    )
    renew_cards(store, concerned, watch)
    return _move(done, challenger, number, judgement)


def rollback(project: Project, watch: Watch, reason: str = "", name: str = MODEL_NAME) -> Move:
    """Make the version champion that was it before the present one.

    Args:
        project: whose store.
        watch: somebody who looks on.
        reason: why, for the history.
        name: of the registered model.

    Raises:
        InputError: the history names no version before that is still registered.
        WorkError: the store cannot be read or written.
    """
    from ctexp.registry.history import read_history, record, require_version
    from ctexp.registry.references import ModelVersion
    from ctexp.tracking.store import open_store

    store = open_store(project, create=False)
    history = read_history(store, name)
    # An alias that was moved by hand is the present champion, too, and what the history ends with was before it.
    reigns = history.reigns if history.champion in (None, *history.reigns[-1:]) else (*history.reigns, "by hand")
    for version in reversed(reigns[:-1]):
        if version == history.champion:
            continue
        try:
            require_version(store, name, version)
        except UnknownReferenceError:  # deleted since
            continue
        concerned = _concerned(store, name, version, history.champion)
        done = record(store, "rolled back", version, name=name, why=reason.strip())
        renew_cards(store, concerned, watch)
        return _move(done, ModelVersion(name, version, ""), history.champion, None)
    raise InputError(
        f"model {name}: the history must name a champion before version {history.champion}, it names none; "
        "promote another version"
    )


def _judged(
    store: "Store",
    challenger: "ModelVersion",
    champion: "ModelVersion",
    project: Project,
    watch: Watch,
    margins: Margins,
    of_sweep: RequestOfSweep,
    *,
    force: bool,
) -> Judgement:
    """Compare; with `force` a comparison that cannot be made is one more failed condition."""
    try:
        return judge(store, challenger, champion, project, watch, margins, of_sweep)
    except CtexpError as error:
        if not force:
            raise
        return Judgement((Check("comparison", False, f"could not be made: {error}"),))


def _concerned(store: "Store", name: str, *versions: str | None) -> "list[ModelVersion]":
    """Give the versions whose cards tell of a move."""
    from ctexp.registry.references import ModelVersion

    return [ModelVersion(name, one, store.client.get_model_version(name, one).run_id) for one in versions if one]


def _move(history: "History", wished: "ModelVersion", before: str | None, judgement: Judgement | None) -> Move:
    event = history.events[-1]
    if event.version != wished.version:
        raise WorkError(
            f"version {wished.version}: was made champion and is on record, but {event.who} made version "
            f"{event.version} champion in the same moment; see `ctexp models history`"
        )
    return Move(wished.name, wished.version, before, event, judgement)
