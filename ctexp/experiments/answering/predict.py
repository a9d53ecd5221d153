"""`ctexp predict` and `ctexp.load`: scans to answers of a registered version."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ctexp.errors import StoreUnreachableError
from ctexp.project import Project, find_project

if TYPE_CHECKING:
    from ctexp.experiments.answering.explanations import ExplanationFolder
    from ctexp.registry.answer import Answer
    from ctexp.registry.model import Model, ReadFile
    from ctexp.scans.read import ReadOptions


def load_model(reference: str | None = None, project: Project | None = None, *, offline: bool = False) -> "Model":
    """Load the version that a REF names at this moment.

    Args:
        reference: REF; None for the project's champion.
        project: whose store; None for that of the current folder.
        offline: where the store does not answer, take the version that it named last; `version.note` says so.

    Raises:
        UnknownReferenceError: the reference names nothing.
        StoreUnreachableError: the store does not answer.
        WorkError: the version's files are not whole.
    """
    from ctexp.registry.local import find_version
    from ctexp.registry.model import Model

    try:
        return Model(find_version(project or find_project(), reference, offline=offline))
    except StoreUnreachableError as error:
        if offline:
            raise
        raise StoreUnreachableError(f"{error}; --offline answers with the version that it named last") from error


def answer_scans(
    model: "Model",
    paths: Iterable[Path],
    *,
    options: "ReadOptions",
    force: bool = False,
    say: Callable[[str], None] = lambda _: None,
    explanations: "ExplanationFolder | None" = None,
) -> Iterator["Answer"]:
    """Ask a model about scans: they are read and prepared on all cores while the network answers.

    A few scans are in memory at any moment, however many there are.

    Args:
        model: who answers.
        paths: scans.
        options: how DICOM series are read.
        force: answer on scans that are refused, too.
        say: told what reading a scan had to decide.
        explanations: where each answer's heat map and picture go; None for no explanations.

    Yields:
        One answer a path, in order; a scan that cannot be read, or is refused, has its error and does not stop the
        others.

    Raises:
        WorkError: an explanation cannot be written.
    """
    from ctexp.datasets.parallel import cores, ordered_map

    def read(path: Path) -> "ReadFile":
        return model.read(path, options=options, force=force)

    for one in ordered_map(read, paths, cores()):
        for note in one.notes:
            say(f"{one.path}: {note}")
        answer = model.finish(one)
        if explanations and answer.prediction:
            answer = explanations.explain(Path(one.path), options, model.predictor, answer)
        yield answer
