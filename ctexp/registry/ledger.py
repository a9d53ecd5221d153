"""The ledger of looks: every reading of a locked test set, kept in the registry where every user of the store sees it.

A test set answers honestly only the first time: who looks, changes something and looks again has begun to train on it.
So a look is written down before its numbers are computed, under a key of its own that nothing writes twice; one that is
interrupted afterwards still counts.
"""

import contextlib
import dataclasses
import json
import platform
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from filelock import FileLock, Timeout

from ctexp.errors import WorkError
from ctexp.tracking.process import user_name
from ctexp.tracking.store import Store

PREFIX = "ctexp.look."
"""Begins the key of each look's tag on the registered model; behind it UTC time, in an order that sorts, and a uuid."""
_TIME = "%Y%m%dT%H%M%S.%fZ"
_PAGE = 1000


@dataclass(frozen=True)
class Look:
    """One reading of a locked test set.

    Attributes:
        key: of its tag in the registry; keys sort by time.
        when: UTC, ISO 8601.
        user, host: who looked.
        model, version: whose answers were read.
        run_id: the training that the version is of.
        evaluation: the run that the numbers were logged in.
        data_hash: of the collection.
        test_hash: of the test scans and their labels.
        scans: how many they are.
    """

    key: str
    when: str
    user: str
    host: str
    model: str
    version: str
    run_id: str
    evaluation: str
    data_hash: str
    test_hash: str
    scans: int


@dataclass(frozen=True)
class Standing:
    """A look and its place among the others.

    Attributes:
        look: the look.
        number: which it is of this test set, 1 for the first, whatever model was asked.
        of_other_tests: earlier looks at other test sets of the same collection, another seed's say; they may share
            scans with this one.
    """

    look: Look
    number: int
    of_other_tests: int


def record_look(
    store: Store,
    *,
    model: str,
    version: str,
    run_id: str,
    evaluation: str,
    data_hash: str,
    test_hash: str,
    scans: int,
) -> Standing:
    """Write a look down; call this before any number of the test set is computed.

    On a local store looks are written one at a time, so their numbers are all different. On a server two looks of the
    same moment may be told the same number; both are kept, and `looks` orders them.

    Args:
        store: whose registry.
        model: name of the registered model; the look is a tag of it.
        version: its version.
        run_id: the training of the version.
        evaluation: the run that will hold the numbers.
        data_hash: of the collection.
        test_hash: of the test scans.
        scans: how many they are.

    Raises:
        WorkError: the registry does not take it; then nothing may be shown.
    """
    from mlflow.exceptions import MlflowException

    try:
        with _one_at_a_time(store):
            now = datetime.now(UTC)
            look = Look(
                key=f"{PREFIX}{now.strftime(_TIME)}.{uuid.uuid4().hex}",
                when=now.isoformat(timespec="seconds"),
                user=user_name(),
                host=platform.node(),
                model=model,
                version=version,
                run_id=run_id,
                evaluation=evaluation,
                data_hash=data_hash,
                test_hash=test_hash,
                scans=scans,
            )
            facts = {key: value for key, value in dataclasses.asdict(look).items() if key != "key"}
            store.client.set_registered_model_tag(model, look.key, json.dumps(facts))
            every = looks(store)
    except (MlflowException, OSError, Timeout) as error:
        raise WorkError(
            f"registered model {model}: a look at the test must be written down before it is taken: {error}"
        ) from error
    same = [one.key for one in every if one.test_hash == test_hash]
    if look.key not in same:
        raise WorkError(f"registered model {model}: the look must be there once it is written, {look.key} is not")
    others = sum(one.data_hash == data_hash and one.test_hash != test_hash and one.key < look.key for one in every)
    return Standing(look, same.index(look.key) + 1, others)


def looks(store: Store, test_hash: str | None = None) -> tuple[Look, ...]:
    """Read the looks back, the earliest first, over all registered models of the store.

    Args:
        store: whose registry.
        test_hash: of one test set; None for all.

    Raises:
        WorkError: a look's tag was changed by hand and can no longer be read.
    """
    found = [
        _read(key, value)
        for tags in _tags_of_models(store)
        for key, value in tags.items()
        if key.startswith(PREFIX)
    ]  # fmt: skip
    return tuple(sorted((one for one in found if test_hash in (None, one.test_hash)), key=lambda one: one.key))


def _tags_of_models(store: Store) -> Iterator[dict[str, str]]:
    token = None
    while True:
        page = store.client.search_registered_models(max_results=_PAGE, page_token=token)
        yield from (dict(model.tags) for model in page)
        token = page.token
        if not token:
            return


def _read(key: str, value: str) -> Look:
    try:
        facts: dict[str, Any] = json.loads(value)
        texts = {item.name: str(facts[item.name]) for item in dataclasses.fields(Look)
                 if item.name not in ("key", "scans")}  # fmt: skip
        return Look(key=key, scans=int(facts["scans"]), **texts)
    except (ValueError, KeyError, TypeError) as error:
        raise WorkError(f"registry tag {key}: must be the record of a look, it was changed: {value[:80]!r}") from error


def _one_at_a_time(store: Store) -> AbstractContextManager[Any]:
    """Let one process of this machine write at a time; another machine's are beyond a lock file."""
    if not store.project.tracking_uri.startswith("sqlite:"):
        return contextlib.nullcontext()
    folder = store.project.root / ".ctexp"
    folder.mkdir(exist_ok=True)
    return FileLock(folder / "looks.lock", timeout=120)
