"""REF, the words that name a model: read here, looked up elsewhere."""

import re
from dataclasses import dataclass

from ctexp.errors import UnknownReferenceError
from ctexp.project import MODEL_NAME
from ctexp.tracking.ids import part_of_id

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
        place: what an error calls it: an option, or the argument REF.
    """

    text: str
    default: bool = False
    name: str | None = None
    alias: str | None = None
    version: str | None = None
    run_id: str | None = None
    place: str = "--model"


def read_reference(text: str | None, place: str = "--model") -> Reference:
    """Read a REF; None means the project's champion.

    Args:
        text: as it was given.
        place: what an error calls it.

    Raises:
        UnknownReferenceError: it has no known form.
    """
    if text is None:
        return Reference(f"{MODEL_NAME}@{CHAMPION}", default=True, name=MODEL_NAME, alias=CHAMPION, place=place)
    if _RUN_ID.fullmatch(text):
        return Reference(text, run_id=text, place=place)
    if part := part_of_id(text):
        raise UnknownReferenceError(f"{place} {text}: {part}")
    bare = text.removeprefix("models:/")
    name, mark, rest = bare.partition("@") if "@" in bare else bare.partition("/")
    if not (name and mark and rest):
        raise UnknownReferenceError(f"{place} {text}: must be like {FORMS}")
    if mark == "@":
        return Reference(text, name=name, alias=rest, place=place)
    return Reference(text, name=name, version=rest, place=place)


def not_there(reference: Reference, store: str) -> UnknownReferenceError:
    """Give the error of a REF that names nothing in a store.

    Args:
        reference: that was looked for.
        store: where, in words.
    """
    place = f"{reference.place} {reference.text}"
    if reference.run_id:
        return UnknownReferenceError(f"{place}: the run must have registered a model, it has none")
    remedy = "train one with `ctexp train`" if reference.default else f"name one like {FORMS}"
    return UnknownReferenceError(f"{place}: must be in the store {store}, it is not; {remedy}")
