"""The history of the champion: append-only, the same for everybody, the alias follows the last event."""

import itertools
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.forked import Forked
from hypothesis import given
from hypothesis import strategies as st

from ctexp.errors import UnknownReferenceError, WorkError
from ctexp.registry import history as room
from ctexp.registry.history import PREFIX, Event, History, entries, read_history, record
from ctexp.registry.names import CHAMPION


def _unknown() -> Exception:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

    return MlflowException("no such version", RESOURCE_DOES_NOT_EXIST)


class Registry:
    """A registry in memory with one model of five versions; `meanwhile` runs before each change of the alias."""

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.aliases: dict[str, str] = {}
        self.meanwhile: list[Any] = []
        self.refusals: list[Exception] = []

    def get_registered_model(self, name: str) -> SimpleNamespace:
        """The model with its tags and aliases."""
        return SimpleNamespace(tags=dict(self.tags), aliases=dict(self.aliases))

    def get_model_version(self, name: str, version: str) -> None:
        """Nothing, or the error of an unknown version."""
        if version not in "12345":
            raise _unknown()

    def set_registered_model_tag(self, name: str, key: str, value: str) -> None:
        """Keep a tag; none is ever written twice."""
        assert key not in self.tags
        self.tags[key] = value

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        """Move the alias."""
        if self.refusals:
            raise self.refusals.pop()
        if self.meanwhile:
            self.meanwhile.pop()()
        self.aliases[alias] = version


@pytest.fixture
def registry() -> Registry:
    """An empty registry."""
    return Registry()


@pytest.fixture
def store(registry: Registry) -> Any:
    """A store with that registry."""
    return SimpleNamespace(client=registry, project=SimpleNamespace(tracking_uri="memory"))


def event(number: int, what: str, version: str) -> Event:
    """An event of which only order, kind and version matter."""
    return Event(f"{PREFIX}{number:020d}.x", what, version, None, "", "")  # type: ignore[arg-type]


def reigns(*moves: tuple[str, str]) -> tuple[str, ...]:
    """The order of champions after some moves."""
    return History(tuple(event(n, *move) for n, move in enumerate(moves)), None).reigns


@pytest.mark.slow
def test_events_are_kept_in_order_with_their_facts(registry: Registry, store: Any) -> None:
    """Each event says what, from, to, who, when, why and the numbers; the alias is that of the last."""
    record(store, "first", "1")
    done = record(store, "promoted", "2", why="better", numbers={"scans": 32})
    assert [(one.what, one.before, one.version) for one in done.events] == [
        ("first", None, "1"),
        ("promoted", "1", "2"),
    ]
    last = done.events[-1].as_json()
    assert (last["why"], last["numbers"], last["forced"]) == ("better", {"scans": 32}, False)
    assert "@" in last["who"]
    assert last["when"].endswith("+00:00")
    assert done.agrees
    assert registry.aliases == {CHAMPION: "2"}


@pytest.mark.slow
def test_an_event_in_between_wins_for_everybody(registry: Registry, store: Any) -> None:
    """Who is overtaken between event and alias leaves the alias with the later event, and both are on record."""
    record(store, "first", "1")
    registry.meanwhile.append(lambda: record(store, "promoted", "3"))
    done = record(store, "promoted", "2")
    assert [one.version for one in done.events] == ["1", "2", "3"]
    assert done.champion == registry.aliases[CHAMPION] == "3"


@pytest.mark.slow
def test_a_slow_clock_cannot_write_into_the_past(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event written by a machine whose clock is an hour behind still comes last."""
    record(store, "first", "1")
    now = time.time_ns()
    monkeypatch.setattr(room.time, "time_ns", lambda: now - 3600 * 10**9)
    assert [one.version for one in record(store, "promoted", "2").events] == ["1", "2"]


@pytest.mark.slow
def test_an_alias_moved_by_hand_is_put_on_record(
    registry: Registry, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the alias was moved to outside ctexp is an event of its own before the next one."""
    record(store, "first", "1")
    registry.aliases[CHAMPION] = "4"
    assert not read_history(store).agrees
    monkeypatch.setattr(room, "SETTLING_SECONDS", 0.0)
    done = record(store, "promoted", "2")
    assert [(one.what, one.version) for one in done.events] == [("first", "1"), ("found", "4"), ("promoted", "2")]
    assert [one.before for one in done.events] == [None, "1", "4"]


@pytest.mark.slow
def test_a_promotion_that_is_just_under_way_is_not_taken_for_a_hand(registry: Registry, store: Any) -> None:
    """An event whose alias is still to be set is left alone."""
    record(store, "first", "1")
    record(store, "promoted", "2")
    registry.aliases[CHAMPION] = "1"
    assert [one.what for one in record(store, "promoted", "3").events] == ["first", "promoted", "promoted"]


@pytest.mark.slow
def test_a_champion_older_than_the_history_is_found(registry: Registry, store: Any) -> None:
    """The first event after an upgrade begins with the champion of before."""
    registry.aliases[CHAMPION] = "1"
    assert [(one.what, one.version) for one in record(store, "promoted", "2").events] == [
        ("found", "1"),
        ("promoted", "2"),
    ]


@pytest.mark.slow
def test_a_store_that_is_busy_is_asked_again(registry: Registry, store: Any) -> None:
    """A refusal of the moment is overcome; one that stays is an error, and the event is on record all the same."""
    from mlflow.exceptions import MlflowException

    registry.refusals = [MlflowException("database is locked")] * 2
    assert record(store, "first", "1").champion == "1"
    registry.refusals = [_unknown()]
    with pytest.raises(WorkError, match=r"must follow the history's last event.*no such version"):
        record(store, "promoted", "2")
    assert not read_history(store).agrees
    assert record(store, "promoted", "3").champion == "3"


@pytest.mark.slow
def test_an_unknown_version_is_refused_before_anything_is_written(registry: Registry, store: Any) -> None:
    """No event speaks of a version that is not there."""
    with pytest.raises(UnknownReferenceError, match=r"^models:/ctexp/9: must be registered"):
        record(store, "promoted", "9")
    assert registry.tags == {}


def test_rollback_goes_back_one_reign_at_a_time() -> None:
    """After a rollback the version before is the last reign; two rollbacks to the same version are one."""
    first, second, third = ("first", "1"), ("promoted", "2"), ("forced", "3")
    assert reigns(first, second, third) == ("1", "2", "3")
    assert reigns(first, second, third, ("rolled back", "2")) == ("1", "2")
    assert reigns(first, second, third, ("rolled back", "2"), ("rolled back", "2")) == ("1", "2")
    assert reigns(first, second, third, ("rolled back", "2"), ("rolled back", "1")) == ("1",)
    assert reigns(first, second, ("rolled back", "1"), ("promoted", "2")) == ("1", "2")


kinds = st.sampled_from(["first", "promoted", "forced", "rolled back", "found"])


@given(st.lists(st.tuples(kinds, st.sampled_from("12345")), min_size=1, max_size=30))
def test_the_last_reign_is_the_last_event(moves: list[tuple[str, str]]) -> None:
    """Whatever happened, the present reign is what the last event names, and no reign follows itself."""
    order = reigns(*moves)
    assert order[-1] == moves[-1][1]
    assert all(one != other for one, other in itertools.pairwise(order))


def test_foreign_tags_are_not_events() -> None:
    """Tags of other kinds, and texts that are no JSON object, are left out; keys give the order."""
    tags = {f"{PREFIX}2.a": '{"to": "2"}', f"{PREFIX}1.b": '{"to": "1"}', f"{PREFIX}3.c": "no json",
            f"{PREFIX}4.d": "[1]", "other": '{"to": "9"}'}  # fmt: skip
    assert [facts["to"] for _, facts in entries(tags, PREFIX)] == ["1", "2"]


@pytest.mark.slow
def test_eight_processes_promote_at_once(tmp_path: Path) -> None:
    """Of eight processes that promote eight versions in one store none loses its event, and the last event decides.

    Each process ends with alias and last event agreed, in a history that the final one continues.
    """
    from ctexp.project import Project
    from ctexp.tracking.store import open_store

    opened = open_store(Project(tmp_path))
    opened.client.create_registered_model("ctexp")
    for _ in range(8):
        opened.client.create_model_version("ctexp", source=str(tmp_path), run_id=None)
    program = """
import json, sys
from pathlib import Path
from ctexp.project import Project
from ctexp.registry.history import read_history, record
from ctexp.tracking.store import join_store
store = join_store(Project(Path(sys.argv[1])), sys.argv[2], sys.argv[3])
read_history(store)
print("ready", flush=True)
while not Path("go").exists():
    pass
done = record(store, "promoted", sys.argv[4], why="at once")
print(json.dumps([done.champion, [one.key for one in done.events]]))
"""
    facts = [str(tmp_path), opened.project.tracking_uri, opened.experiment_id]
    started = [Forked(program, [*facts, version], tmp_path) for version in range(1, 9)]
    for process in started:
        assert process.stdout.readline() == "ready\n"
    (tmp_path / "go").touch()
    said = [json.loads(process.communicate(timeout=240)[0]) for process in started]
    final = read_history(opened)
    assert [one.what for one in final.events] == ["promoted"] * 8
    assert sorted(one.version for one in final.events) == list("12345678")
    assert final.champion == final.events[-1].version
    named = {one.key: one.version for one in final.events}
    for champion, seen in said:
        assert champion == named[seen[-1]]
