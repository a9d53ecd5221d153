"""What the store knows of a version that decides which files are its own."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StoredVersion:
    """One version of a registered model, as the store has it.

    A name and a number can come back with other files after a model was deleted; the run, the source and the time of
    registration do not.

    Attributes:
        name: of the registered model.
        version: its number.
        run_id: the run that trained it.
        source: where MLflow took its files from.
        created: of its registration, ms since 1970.
    """

    name: str
    version: str
    run_id: str
    source: str
    created: int
