"""`ctexp predict`: scans to answers of a registered version."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ctexp.errors import ScanError
from ctexp.project import Project
from ctexp.registry.answer import Answer
from ctexp.scans.read import ReadOptions, open_scan


def answer_scans(
    paths: Sequence[Path],
    reference: str | None,
    project: Project,
    *,
    options: ReadOptions = ReadOptions(),  # noqa: B008 - it is frozen
    say: Callable[[str], None] | None = None,
    force: bool = False,
    offline: bool = False,
) -> "list[Answer]":
    """Ask a registered version about scans.

    Args:
        paths: scans.
        reference: REF; None for the project's champion.
        project: whose store.
        options: how DICOM series are read.
        say: told what reading a scan had to decide.
        force: answer on scans that are refused, too.
        offline: where the store does not answer, ask the version that it named last.

    Returns:
        One answer a path, in order; a scan that cannot be read, or is refused, has its error and does not stop the
        others.

    Raises:
        UnknownReferenceError: the reference names nothing.
        WorkError: store or version cannot be read.
    """
    from ctexp.registry.local import find_version
    from ctexp.registry.predictor import Predictor

    version = find_version(project, reference, offline=offline)
    if version.note and say:
        say(version.note)
    predictor = Predictor(version.folder)
    synthetic = predictor.manifest.synthetic
    answers = []
    for path in paths:
        try:
            scan = open_scan(path, options)
            if say:
                for note in scan.notes:
                    say(f"{path}: {note}")
            outcome = predictor.answer(scan.decode(), force=force)
            answers.append(Answer.of(str(path), version, synthetic, outcome, remedy="; --force answers all the same"))
        except ScanError as error:
            answers.append(Answer(str(path), version, synthetic, None, str(error)))
    return answers
