"""The model card of a registered version: facts read from the store, composed under fixed headings, written down.

Nothing is measured or guessed here: what nobody logged says so.
"""

from ctexp.registry.card.compose import compose_card
from ctexp.registry.card.facts import CardFacts, gather_facts
from ctexp.registry.card.keep import keep_card
from ctexp.registry.card.page import as_html, as_markdown

__all__ = ["CardFacts", "as_html", "as_markdown", "compose_card", "gather_facts", "keep_card"]
