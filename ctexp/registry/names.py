"""REF, the words that name a model: read here, looked up elsewhere."""

import re
from dataclasses import dataclass

from ctexp.errors import UnknownReferenceError
from ctexp.project import MODEL_NAME

CHAMPION = "champion"
_RUN_ID = re.compile(r"[0-9a-f]{32}")
FORMS = f"{MODEL_NAME}@{CHAMPION}, models:/{MODEL_NAME}/1 or a run id"


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model."""

    name: str
    version: str
    run_id: str


@dataclass(frozen=True)
class Reference:
    """A REF that was read: an alias of a model, a version of it, or the run that registered one.

    Attributes:
        text: as it was given; for none the champion's.
        default: none was given.
        name: of the registered model; None with `run_id`.
        alias, version, run_id: exactly one is there.
    """

    text: str
    default: bool = False
    name: str | None = None
    alias: str | None = None
    version: str | None = None
    run_id: str | None = None


def read_reference(text: str | None) -> Reference:
    """Read a REF; None means the project's champion.

    Raises:
        UnknownReferenceError: it has no known form.
    """
    if text is None:
        return Reference(f"{MODEL_NAME}@{CHAMPION}", default=True, name=MODEL_NAME, alias=CHAMPION)
    if _RUN_ID.fullmatch(text):
        return Reference(text, run_id=text)
    bare = text.removeprefix("models:/")
    name, mark, rest = bare.partition("@") if "@" in bare else bare.partition("/")
    if not (name and mark and rest):
        raise UnknownReferenceError(f"--model {text}: must be like {FORMS}")
    return Reference(text, name=name, alias=rest) if mark == "@" else Reference(text, name=name, version=rest)


def not_there(reference: Reference, store: str) -> UnknownReferenceError:
    """Give the error of a REF that names nothing in a store.

    Args:
        reference: that was looked for.
        store: where, in words.
    """
    if reference.run_id:
        return UnknownReferenceError(f"--model {reference.text}: the run must have registered a model, it has none")
    remedy = "train one with `ctexp train`" if reference.default else f"name one like {FORMS}"
    return UnknownReferenceError(f"--model {reference.text}: must be in the store {store}, it is not; {remedy}")
