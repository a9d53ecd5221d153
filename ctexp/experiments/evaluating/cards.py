"""The model cards that lie with the models, kept up with what was done since."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ctexp.errors import CtexpError
from ctexp.experiments.watch import Watch

if TYPE_CHECKING:
    from ctexp.registry.references import ModelVersion
    from ctexp.tracking.store import Store


def renew_cards(store: "Store", versions: "Iterable[ModelVersion]", watch: Watch) -> None:
    """Write the cards of versions anew. What has been done stands, so a card that cannot be written is only said."""
    from ctexp.registry.card import keep_card

    for version in versions:
        try:
            keep_card(store, version)
        except CtexpError as error:
            watch.say(f"the card kept with version {version.version} is as old as before: {error}")
