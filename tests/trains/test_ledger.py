"""The ledger of looks: nothing is lost, nothing is written twice, and the count is of the test set."""

import json
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from helpers.forked import Forked

from ctexp.errors import WorkError
from ctexp.project import Project
from ctexp.registry.ledger import PREFIX, looks, record_look
from ctexp.tracking.store import Store, open_store


class Page(list):
    """A page of results as MLflow gives it."""

    token: str | None = None


@dataclass
class FakeRegistry:
    """Registered models with tags, two a page; `deaf` forgets what is written."""

    tags: dict[str, dict[str, str]] = field(default_factory=lambda: {"ctexp": {}, "old": {}, "other": {}})
    deaf: bool = False

    def set_registered_model_tag(self, name: str, key: str, value: str) -> None:
        """Keep a tag."""
        if not self.deaf:
            self.tags[name][key] = value

    def search_registered_models(self, max_results: int, page_token: str | None = None) -> Page:
        """Give models page by page."""
        start = int(page_token or 0)
        names = sorted(self.tags)
        page = Page(SimpleNamespace(tags=self.tags[name]) for name in names[start : start + 2])
        page.token = str(start + 2) if start + 2 < len(names) else None
        return page


@pytest.fixture
def registry() -> FakeRegistry:
    """An empty registry."""
    return FakeRegistry()


@pytest.fixture
def store(registry, tmp_path) -> Store:
    """A store of that registry."""
    return Store(Project(tmp_path), registry, "1")


def look(store: Store, test: str = "t1", model: str = "ctexp", data: str = "d"):
    """Look at a test set."""
    return record_look(store, model=model, version="3", run_id="r", evaluation="e", data_hash=data, test_hash=test,
                       scans=40)  # fmt: skip


def test_looks_are_counted_by_test_set_whatever_model_looks(store) -> None:
    """The number is that of the test set; looks at other test sets of the same collection are told beside it."""
    numbers = [look(store), look(store, "t2"), look(store, model="other"), look(store, "t3", data="elsewhere")]
    assert [(one.number, one.of_other_tests) for one in numbers] == [(1, 0), (1, 1), (2, 1), (1, 0)]
    assert [one.model for one in looks(store, "t1")] == ["ctexp", "other"]
    assert len(looks(store)) == 4


def test_looks_are_read_back_in_order_and_whole(store, registry) -> None:
    """Each look is one tag of its own whose key sorts by time, and says who, when, which version and which data."""
    first, second = look(store).look, look(store).look
    assert looks(store, "t1") == (first, second)
    assert first.key < second.key
    assert first.key.startswith(f"{PREFIX}20")
    assert set(registry.tags["ctexp"]) == {first.key, second.key}
    facts = json.loads(registry.tags["ctexp"][first.key])
    assert facts.keys() == {"when", "user", "host", "model", "version", "run_id", "evaluation", "data_hash",
                            "test_hash", "scans"}  # fmt: skip
    assert facts["when"].endswith("+00:00")


def test_other_tags_are_no_looks(store, registry) -> None:
    """Tags of other kinds on the model are passed over."""
    registry.tags["ctexp"]["ctexp.history.1"] = "{}"
    assert looks(store) == ()


@pytest.mark.parametrize("value", ["", "no json", "[]", '{"when": "now"}', '{"scans": "many"}'])
def test_changed_record_is_said(store, registry, value) -> None:
    """A record that was changed by hand is an error, not a look that is forgotten."""
    registry.tags["ctexp"][f"{PREFIX}20260101T000000.000000Z.aa"] = value
    with pytest.raises(WorkError, match="must be the record of a look"):
        looks(store)


def test_look_that_was_not_taken_in_is_an_error(store, registry) -> None:
    """Where the registry loses what is written nothing may be shown."""
    registry.deaf = True
    with pytest.raises(WorkError, match="must be there once it is written"):
        look(store)


@pytest.mark.slow
def test_eight_processes_at_once_lose_no_look(tmp_path) -> None:
    """Eight real processes look three times each at one moment: 24 looks, with 24 different numbers."""
    made = open_store(Project(tmp_path))
    made.client.create_registered_model("ctexp")
    program = (
        "import sys, pathlib\n"
        "from ctexp.project import Project\n"
        "from ctexp.registry.ledger import record_look\n"
        "from ctexp.tracking.store import open_store\n"
        "store = open_store(Project(pathlib.Path(sys.argv[1])))\n"
        "print('ready', flush=True)\n"
        "while not pathlib.Path('go').exists():\n"
        "    pass\n"
        "for _ in range(3):\n"
        "    print(record_look(store, model='ctexp', version='1', run_id='r', evaluation=sys.argv[2], data_hash='d',\n"
        "                      test_hash='t', scans=4).number)\n"
    )
    started = [Forked(program, [tmp_path, number], tmp_path) for number in range(8)]
    for process in started:
        assert process.stdout.readline() == "ready\n"
    (tmp_path / "go").touch()
    numbers = [int(line) for process in started for line in process.communicate(timeout=240)[0].split()]
    assert sorted(numbers) == list(range(1, 25))
    kept = looks(made, "t")
    assert sorted(one.evaluation for one in kept) == sorted(str(number) for number in range(8) for _ in range(3))
    assert [one.key for one in kept] == sorted(one.key for one in kept)
