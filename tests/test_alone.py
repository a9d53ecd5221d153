"""One process at a time goes on with a run."""

from pathlib import Path

import pytest

from ctexp.errors import InputError
from ctexp.experiments.alone import alone
from ctexp.project import Project


def test_a_second_one_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    """The lock is the run's own, and is free again afterwards, also after an error."""
    project = Project(tmp_path)
    refused = f"^--resume: run {'a' * 32} must not be running, another process runs it$"

    def meanwhile() -> None:
        with alone(project, "run", "b" * 32):
            pass
        with pytest.raises(InputError, match=refused), alone(project, "run", "a" * 32):
            pass
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), alone(project, "run", "a" * 32):
        meanwhile()
    with alone(project, "run", "a" * 32):
        pass
