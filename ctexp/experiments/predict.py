"""`ctexp predict`: scans to answers of a registered version."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctexp.errors import ScanError
from ctexp.project import Project
from ctexp.scans.quality import REFUSAL
from ctexp.scans.read import ReadOptions, open_scan

if TYPE_CHECKING:
    from ctexp.registry.predictor import Prediction
    from ctexp.registry.references import ModelVersion
    from ctexp.scans.quality import Quality


@dataclass(frozen=True)
class Answer:
    """What a version says of one scan, or why it says nothing.

    Attributes:
        path: as it was given.
        model: who answers.
        synthetic: whether that model was trained on drawn scans.
        prediction: the answer.
        error: why there is none.
        quality: what was noticed about a scan that could be read.
        forced: answered although the scan is refused.
    """

    path: Path
    model: "ModelVersion"
    synthetic: bool
    prediction: "Prediction | None"
    error: str | None = None
    quality: "Quality | None" = None
    forced: bool = False

    def as_json(self) -> dict[str, Any]:
        """Give the answer as plain values."""
        if self.prediction is None:
            quality = {"quality": self.quality.as_json()} if self.quality else {}
            return {"path": str(self.path), "error": self.error, **quality}
        model = {"name": self.model.name, "version": self.model.version, "synthetic": self.synthetic}
        return {"path": str(self.path), **self.prediction.as_json(), "forced": self.forced, "model": model}


def answer_scans(
    paths: Sequence[Path],
    reference: str | None,
    project: Project,
    *,
    options: ReadOptions = ReadOptions(),  # noqa: B008 - it is frozen
    say: Callable[[str], None] | None = None,
    force: bool = False,
) -> list[Answer]:
    """Ask a registered version about scans.

    Args:
        paths: scans.
        reference: REF; None for the project's champion.
        project: whose store.
        options: how DICOM series are read.
        say: told what reading a scan had to decide.
        force: answer on scans that are refused, too.

    Returns:
        One answer a path, in order; a scan that cannot be read, or is refused, has its error and does not stop the
        others.

    Raises:
        UnknownReferenceError: the reference names nothing.
        WorkError: store or version cannot be read.
    """
    from ctexp.registry.references import load_predictor, resolve
    from ctexp.tracking.store import open_store

    store = open_store(project, create=False)
    version = resolve(store, reference)
    predictor = load_predictor(store, version)
    synthetic = predictor.manifest.synthetic
    answers = []
    for path in paths:
        try:
            scan = open_scan(path, options)
            if say:
                for note in scan.notes:
                    say(f"{path}: {note}")
            volume = scan.decode()
            quality = predictor.judge(volume)
            refused = quality.verdict == "refuse"
            if refused and not force:
                error = f"{path}: {REFUSAL}: {quality.reasons}; --force answers all the same"
                answers.append(Answer(path, version, synthetic, None, error, quality))
                continue
            prediction = predictor.predict_volume(volume, quality)
            answers.append(Answer(path, version, synthetic, prediction, None, quality, forced=refused))
        except ScanError as error:
            answers.append(Answer(path, version, synthetic, None, str(error)))
    return answers
