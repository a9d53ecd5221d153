"""Who was champion, since when and why: an append-only history that lives in the registry itself.

Each event is a tag of its own on the registered model, so that nobody's event overwrites another's and every user of
the store sees all of them. The alias is set after the event, and whoever sets it looks again: the last event decides.
Of promotions at the same moment one wins, the same one for everybody, and none is lost.

A writer's last look comes after its own last setting of the alias, so the alias can stay wrong only if a writer is
killed between the two; the next event mends that.
"""

import json
import platform
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from ctexp.address import shown
from ctexp.errors import UnknownReferenceError, WorkError
from ctexp.project import MODEL_NAME
from ctexp.registry.names import CHAMPION
from ctexp.tracking.process import user_name

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion as MlflowVersion

    from ctexp.tracking.store import Store

PREFIX = "ctexp.history."
SETTLING_SECONDS = 60.0
"""An event younger than this may still be waiting for its alias."""
_LOOKS = 200
"""Each look but the first answers an event that came in between."""
_TROUBLES = 10

What = Literal["first", "promoted", "forced", "rolled back", "found"]
"""`found`: the alias named a version that no event speaks of, because it was moved on MLflow's page, say."""


@dataclass(frozen=True)
class Event:
    """One move of `@champion`.

    Attributes:
        key: of the tag; keys sort by time.
        what: the kind of move.
        version: the champion from then on.
        before: the champion that the alias named when the event was written; None for none.
        who: user and host.
        when: UTC, ISO 8601, by the writer's clock.
        why: the reason that was given; may be empty.
        numbers: what the move was judged by; empty where nothing was compared.
    """

    key: str
    what: What
    version: str
    before: str | None
    who: str
    when: str
    why: str = ""
    numbers: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Give the event as plain values."""
        return {"what": self.what, "from": self.before, "to": self.version, "who": self.who, "when": self.when,
                "why": self.why, "forced": self.what == "forced", "numbers": self.numbers}  # fmt: skip


@dataclass(frozen=True)
class History:
    """All events of a registered model, and the alias as it was read with them.

    Attributes:
        events: the earliest first.
        champion: the version that the alias names; None where there is no such alias.
    """

    events: tuple[Event, ...]
    champion: str | None

    @property
    def agrees(self) -> bool:
        """Whether the alias names the version that the last event names."""
        return self.champion == (self.events[-1].version if self.events else None)

    @property
    def reigns(self) -> tuple[str, ...]:
        """Versions in the order in which they became champion, the present one last; what was rolled back is gone."""
        stack: list[str] = []
        for event in self.events:
            if event.what == "rolled back" and event.version in stack:
                while stack[-1] != event.version:
                    stack.pop()
            elif stack[-1:] != [event.version]:
                stack.append(event.version)
        return tuple(stack)


def entries(tags: Mapping[str, str], prefix: str) -> list[tuple[str, dict[str, Any]]]:
    """Give the tags under a prefix as (key, JSON object), sorted by key; what is no object is left out."""
    found = []
    for key in sorted(key for key in tags if key.startswith(prefix)):
        try:
            facts = json.loads(tags[key])
        except ValueError:
            facts = None
        if isinstance(facts, dict):
            found.append((key, facts))
    return found


def read_history(store: "Store", name: str = MODEL_NAME) -> History:
    """Read the history and the alias of a registered model.

    Raises:
        UnknownReferenceError: no such model is registered.
        WorkError: the store cannot be read.
    """
    from mlflow.exceptions import MlflowException

    try:
        model = store.client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise UnknownReferenceError(
                f"model {name}: must be registered in the store {shown(store.project.tracking_uri)}, it is not; "
                "train one with `ctexp train`"
            ) from error
        raise WorkError(f"model {name}: the store must be readable: {error}") from error
    champion = model.aliases.get(CHAMPION)
    events = tuple(_event(key, facts) for key, facts in entries(model.tags, PREFIX) if facts.get("to"))
    return History(events, None if champion is None else str(champion))


def record(
    store: "Store",
    what: What,
    version: str,
    *,
    name: str = MODEL_NAME,
    why: str = "",
    numbers: Mapping[str, Any] | None = None,
) -> History:
    """Write an event and bring the alias in line with the last event, which may by then be somebody else's.

    Args:
        store: where.
        what: the kind of move.
        version: the version that is to be champion; it must exist.
        name: of the registered model.
        why: the reason in a person's words.
        numbers: plain values that the move was judged by.

    Returns:
        The history once alias and last event agreed.

    Raises:
        UnknownReferenceError: there is no such model or version; nothing was written.
        WorkError: the store cannot be read, or does not take the event or the alias.
    """
    require_version(store, name, version)
    history = read_history(store, name)
    if history.champion is not None and not history.agrees and not _is_settling(history):
        why_found = "the alias was moved outside ctexp, or before this history began"
        _write(store, name, history, "found", history.champion, why_found, {})
        history = read_history(store, name)
    _write(store, name, history, what, version, why, dict(numbers or {}))
    return _settle(store, name)


def require_version(store: "Store", name: str, version: str) -> "MlflowVersion":
    """Give what the registry knows of a version.

    Raises:
        UnknownReferenceError: it does not exist.
        StoreUnreachableError: the store cannot be read.
    """
    from mlflow.exceptions import MlflowException

    from ctexp.tracking.store import is_missing, unreachable

    try:
        return store.client.get_model_version(name, version)
    except MlflowException as error:
        if not is_missing(error):
            raise unreachable(store.project, error) from error
        raise UnknownReferenceError(
            f"models:/{name}/{version}: must be registered, it is not; see `ctexp models list`"
        ) from error


def _settle(store: "Store", name: str) -> History:
    from mlflow.exceptions import MlflowException

    troubles: list[Exception] = []
    for _ in range(_LOOKS):
        history = read_history(store, name)
        if history.agrees or not history.events:
            return history
        try:
            store.client.set_registered_model_alias(name, CHAMPION, history.events[-1].version)
        except MlflowException as error:  # another process sets it in the same instant; or the version was deleted
            troubles.append(error)
            if len(troubles) == _TROUBLES or error.error_code == "RESOURCE_DOES_NOT_EXIST":
                break
            time.sleep(0.1 * len(troubles))
    raise WorkError(
        f"model {name}: the alias @{CHAMPION} must follow the history's last event, the store does not take it: "
        f"{troubles[-1] if troubles else 'others keep moving it'}; promote again"
    )


def _write(
    store: "Store", name: str, history: History, what: What, version: str, why: str, numbers: dict[str, Any]
) -> None:
    """Write an event behind all that were read, even where another machine's clock is ahead of ours."""
    from mlflow.exceptions import MlflowException

    last = _microseconds(history.events[-1].key) if history.events else 0
    now = time.time_ns() // 1000
    key = f"{PREFIX}{max(now, last + 1):020d}.{uuid.uuid4().hex}"
    when = datetime.fromtimestamp(now / 1e6, UTC).isoformat(timespec="seconds")
    before = history.champion
    if what == "found":  # it is champion already; before it was what the history ended with
        before = history.events[-1].version if history.events else None
    event = Event(key, what, version, before, f"{user_name()}@{platform.node()}", when, why, numbers)
    try:
        store.client.set_registered_model_tag(name, key, json.dumps(event.as_json()))
    except MlflowException as error:
        raise WorkError(f"model {name}: the store must take the event, nothing was moved: {error}") from error


def _is_settling(history: History) -> bool:
    if not history.events:
        return False
    return time.time() - _microseconds(history.events[-1].key) / 1e6 < SETTLING_SECONDS


def _microseconds(key: str) -> int:
    digits = key.removeprefix(PREFIX).partition(".")[0]
    return int(digits) if digits.isdecimal() else 0


def _event(key: str, facts: dict[str, Any]) -> Event:
    before, numbers = facts.get("from"), facts.get("numbers")
    return Event(
        key,
        facts.get("what", "found"),
        str(facts["to"]),
        None if before is None else str(before),
        str(facts.get("who", "")),
        str(facts.get("when", "")),
        str(facts.get("why", "")),
        numbers if isinstance(numbers, dict) else {},
    )
