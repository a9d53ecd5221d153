"""`ctexp predict`: scans to answers of a registered version."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctexp.errors import ScanError
from ctexp.project import Project

if TYPE_CHECKING:
    from ctexp.registry.predictor import Prediction
    from ctexp.registry.references import ModelVersion


@dataclass(frozen=True)
class Answer:
    """What a version says of one scan, or why it cannot."""

    path: Path
    model: "ModelVersion"
    synthetic: bool
    prediction: "Prediction | None"
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Give the answer as plain values."""
        if self.prediction is None:
            return {"path": str(self.path), "error": self.error}
        model = {"name": self.model.name, "version": self.model.version, "synthetic": self.synthetic}
        return {"path": str(self.path), **self.prediction.as_json(), "model": model}


def answer_scans(paths: Sequence[Path], reference: str | None, project: Project) -> list[Answer]:
    """Ask a registered version about scans.

    Args:
        paths: scan files.
        reference: REF; None for the project's champion.
        project: whose store.

    Returns:
        One answer a path, in order; a scan that cannot be read has its error and does not stop the others.

    Raises:
        UnknownReferenceError: the reference names nothing.
        WorkError: store or version cannot be read.
    """
    from ctexp.registry.references import load_predictor, resolve
    from ctexp.tracking.store import open_store

    store = open_store(project)
    version = resolve(store, reference)
    predictor = load_predictor(store, version)
    synthetic = predictor.manifest.synthetic
    answers = []
    for path in paths:
        try:
            answers.append(Answer(path, version, synthetic, predictor.predict(path)))
        except ScanError as error:
            answers.append(Answer(path, version, synthetic, None, str(error)))
    return answers
