"""The card beside the model: kept when a version is registered, and again when what it tells has changed."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ctexp.errors import WorkError
from ctexp.registry.card.compose import compose_card
from ctexp.registry.card.facts import gather_facts
from ctexp.registry.card.page import as_html, as_markdown

if TYPE_CHECKING:
    from ctexp.registry.references import ModelVersion
    from ctexp.tracking.store import Store

FILES = {"card.md": as_markdown, "card.html": as_html}
"""Names within the logged model of the version."""
_LOGGED = "models:/"


def keep_card(store: "Store", version: "ModelVersion") -> None:
    """Write a version's card, as Markdown and as HTML, among the files of its logged model.

    An older card is replaced: looks, evaluations and promotions are newer than the version that they are about.

    Args:
        store: where it is registered.
        version: whose card.

    Raises:
        UnknownReferenceError: the version is not registered.
        WorkError: the store does not take it.
    """
    from mlflow.exceptions import MlflowException

    try:
        card = compose_card(gather_facts(store, version))
        # The version's own `model_id` is empty; its source names the logged model, `models:/m-...`.
        source = str(store.client.get_model_version(version.name, version.version).source)
        if not source.startswith(_LOGGED):  # registered by something else from a folder
            raise WorkError(f"the version must be of a logged model, it is of {source}")
        with tempfile.TemporaryDirectory(prefix="ctexp-card-") as name:
            for file, write in FILES.items():
                (Path(name) / file).write_text(write(card), encoding="utf-8")
            store.client.log_model_artifacts(source.removeprefix(_LOGGED), name)
    except (MlflowException, OSError, WorkError) as error:
        raise WorkError(
            f"models:/{version.name}/{version.version}: the store must take the model card: {error}; "
            "`ctexp models card` writes it anew"
        ) from error
