"""How a leg's end is written into tags, and read again."""

from dataclasses import replace

import pytest

from ctexp.searching.orders import OUTCOME_TAG, Outcome, pieces

LONG = Outcome(7, 2, "finished", 0.9, 0.01, tuple(epoch / 3 for epoch in range(40_000)), reason="ü")


@pytest.mark.parametrize("outcome", [LONG, Outcome(0, 0, "failed", reason="memory", fault="memory")])
def test_what_is_written_is_read(outcome: Outcome) -> None:
    """Whatever its length: no tag is longer than a store takes, no batch larger."""
    batches = outcome.as_tags()
    assert all(len(batch) <= 100 for batch in batches)
    assert all(len(text) <= 4000 for batch in batches for text in batch.values())
    tags = {key: text for batch in batches for key, text in batch.items()}
    assert Outcome.from_tags({"mlflow.user": "me", **tags}) == {outcome.place: outcome}


def test_one_that_was_written_in_part_is_not_there() -> None:
    """It counts from its last batch on; a piece that is missing is no outcome, and no error."""
    *first, last = LONG.as_tags()
    tags = {key: text for batch in first for key, text in batch.items()}
    assert Outcome.from_tags(tags) == {}
    tags |= last
    del tags[f"{OUTCOME_TAG}.7.5"]
    assert Outcome.from_tags(tags) == {}


def test_a_shorter_one_takes_the_place_of_a_longer() -> None:
    """An attempt that said less leaves pieces of the one before it behind, which mean nothing."""
    short = replace(LONG, curve=LONG.curve[:500])
    tags = {key: text for one in (LONG, short) for batch in one.as_tags() for key, text in batch.items()}
    assert Outcome.from_tags(tags) == {7: short}


def test_places_are_apart() -> None:
    """Leg 1 and leg 11 of a run, and the second piece of leg 1, are not taken for each other."""
    many = {place: replace(LONG, place=place, curve=LONG.curve[:900]) for place in (1, 11)}
    tags = {key: text for one in many.values() for batch in one.as_tags() for key, text in batch.items()}
    assert Outcome.from_tags(tags) == many


def test_pieces() -> None:
    """Together they are the text; an empty one has none."""
    assert pieces("") == []
    assert [len(one) for one in pieces("x" * 8001)] == [4000, 4000, 1]
