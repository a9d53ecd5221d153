"""What a version says of a scan: the values, whoever asks."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Protocol

from ctexp.scans.quality import REFUSAL, Quality


@dataclass(frozen=True)
class Prediction:
    """The answer on one scan.

    Attributes:
        normal: probability, calibrated as the version's manifest says; 1 - `abnormal`.
        abnormal: probability; of an ensemble the mean of its networks'.
        label: `abnormal` from the threshold on, else `normal`.
        quality: what was noticed about the scan.
        threshold: probability of abnormal from which the label is abnormal.
        operating_point: what the threshold was chosen for, as the manifest has it; None for 0.5.
        spread: standard deviation of the networks' probabilities; None for a single network. It is how far they
            differ, not how far they are off: they share their method and most of their scans.
        networks: how many were asked.
    """

    normal: float
    abnormal: float
    label: str
    quality: Quality
    threshold: float = 0.5
    operating_point: dict[str, Any] | None = None
    spread: float | None = None
    networks: int = 1

    def as_json(self) -> dict[str, Any]:
        """Give the answer as plain values."""
        return {
            **self.as_row(),
            "quality": self.quality.as_json(),
            "operating_point": self.operating_point,
            "networks": self.networks,
        }

    def as_row(self) -> dict[str, Any]:
        """Give the answer without what was noticed about the scan."""
        return {
            "normal": self.normal,
            "abnormal": self.abnormal,
            "label": self.label,
            "threshold": self.threshold,
            "spread": self.spread,
        }


@dataclass(frozen=True)
class Outcome:
    """What a predictor makes of one volume.

    Attributes:
        quality: what was noticed about it.
        prediction: the answer; None where the scan is refused.
        forced: answered although the scan is refused.
    """

    quality: Quality
    prediction: Prediction | None
    forced: bool = False

    @property
    def refusal(self) -> str | None:
        """Why there is no answer: the rule and what was found, without a place; None where there is one."""
        return None if self.prediction else f"{REFUSAL}: {self.quality.reasons}"


@dataclass(frozen=True)
class ExplanationFiles:
    """Where an answer's explanation was written.

    Attributes:
        method: how the map was made.
        heat_map: NIfTI, on the scan's own voxels.
        picture: PNG of the slices that it speaks of.
    """

    method: str
    heat_map: str
    picture: str


class NamedVersion(Protocol):
    """A version of a registered model, wherever its files lie."""

    @property
    def name(self) -> str:
        """Of the registered model."""

    @property
    def version(self) -> str:
        """Its number."""


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
        explanation: what was written to explain it, where that was asked for.
        notes: what reading it had to decide: which of several series was taken, slices that were interpolated.
    """

    path: str
    model: NamedVersion
    synthetic: bool
    prediction: Prediction | None
    error: str | None = None
    quality: Quality | None = None
    forced: bool = False
    explanation: ExplanationFiles | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        path: str,
        model: NamedVersion,
        synthetic: bool,
        outcome: Outcome,
        *,
        remedy: str = "",
        notes: tuple[str, ...] = (),
    ) -> "Answer":
        """Say of a scan what a predictor made of its volume.

        Args:
            path: what the scan is called.
            model: who answers.
            synthetic: whether that model was trained on drawn scans.
            outcome: of the volume.
            remedy: said behind a refusal.
            notes: of the reading.
        """
        error = f"{path}: {outcome.refusal}{remedy}" if outcome.refusal else None
        return cls(path, model, synthetic, outcome.prediction, error, outcome.quality, outcome.forced, notes=notes)

    def as_json(self) -> dict[str, Any]:
        """Give the answer as plain values."""
        if self.prediction is None:
            quality = {"quality": self.quality.as_json()} if self.quality else {}
            return {"path": self.path, "error": self.error, **quality}
        model = {"name": self.model.name, "version": self.model.version, "synthetic": self.synthetic}
        explanation = {"explanation": dataclasses.asdict(self.explanation)} if self.explanation else {}
        return {
            "path": self.path,
            **self.prediction.as_json(),
            "forced": self.forced,
            "notes": list(self.notes),
            "model": model,
            **explanation,
        }
