"""Caveats of the model card that say whose training is meant."""

import pytest

from ctexp.registry.card import CardFacts, as_markdown, compose_card
from ctexp.tracking.tags import RESUMED_TAG


@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        (None, "Its training was interrupted and gone on with under other circumstances: "),
        ({"name": "default"}, "Its sweep, before or after this trial, was gone on with under other circumstances: "),
    ],
)
def test_what_was_gone_on_with_is_named(sweep: dict[str, str] | None, words: str) -> None:
    """Of a sweep's version it is the sweep: whether its own trial was trained before or after, nobody knows."""
    facts = CardFacts("ctexp", "1", "0" * 32, tags={RESUMED_TAG: '{"git.commit": ["abc"]}'}, sweep=sweep)
    text = " ".join(as_markdown(compose_card(facts)).split())
    assert words in text
    assert text.count("under other circumstances") == 1
    assert "under other circumstances" not in as_markdown(compose_card(CardFacts("ctexp", "1", "0" * 32, sweep=sweep)))
