"""A REF to what the store knows of its version, in milliseconds where that is certain, else by MLflow.

MLflow takes longer to load than a scan to be answered. Its database and its server are asked directly where they have
the form that is known here; whatever is unusual, and everything that is an error, is left to MLflow.
"""

from ctexp.registry.lookup.look import look_up
from ctexp.registry.lookup.stored import StoredVersion

__all__ = ["StoredVersion", "look_up"]
