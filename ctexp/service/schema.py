"""The form of answers, for `/openapi.json`: each with an example that the service has really given."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ModelSchema(_Strict):
    """The version that answers."""

    name: str
    version: str
    synthetic: bool = Field(description="Trained on drawn scans: it says nothing about patients.")


class QualitySchema(_Strict):
    """What was noticed about the scan, the worst first."""

    verdict: str = Field(description="`ok`, `warn` or `refuse`.")
    findings: list[str]
    codes: list[str] = Field(description="A short name for each finding.")


class AnswerSchema(_Strict):
    """What `ctexp predict --format json` prints of a scan."""

    path: str = Field(description="The upload's file name, without folders.")
    normal: float = Field(ge=0, le=1, description="Probability; 1 - `abnormal`.")
    abnormal: float = Field(ge=0, le=1, description="Probability.")
    label: str = Field(description="`abnormal` from the threshold on, else `normal`.")
    threshold: float
    spread: float | None = Field(description="Standard deviation over an ensemble's networks; null for one network.")
    quality: QualitySchema
    operating_point: dict[str, Any] | None = Field(description="What the threshold was chosen for; null for 0.5.")
    networks: int
    forced: bool = Field(description="Answered although the scan is no readable chest CT.")
    notes: list[str] = Field(description="What reading had to decide: the series that was taken, interpolated slices.")
    model: ModelSchema


class ErrorSchema(_Strict):
    """Why there is no answer."""

    error: str = Field(description="One sentence: place, rule, value, remedy.")
    model: ModelSchema
    path: str | None = Field(default=None, description="The upload's file name, where it came so far.")
    quality: QualitySchema | None = Field(default=None, description="Of a scan that could be read and is refused.")


class HealthSchema(_Strict):
    """Whether the service is there, and what it asks of its clients."""

    status: str
    model: ModelSchema
    token: bool = Field(description="Requests with a scan must bring a token.")
    upload_bytes: int = Field(description="A body's size, at most.")


MODEL = {"name": "ctexp", "version": "1", "synthetic": True}
ANSWER = {
    "path": "study_0002.nii.gz", "normal": 0.0513, "abnormal": 0.9487, "label": "abnormal", "threshold": 0.21,
    "spread": 0.0184, "quality": {"verdict": "ok", "findings": [], "codes": []},
    "operating_point": {"wished_sensitivity": 0.95, "side": "out-of-fold", "scans": 160}, "networks": 5,
    "forced": False, "notes": [], "model": MODEL,
}  # fmt: skip
"""Without a null: FastAPI takes those out of examples."""
_ERRORS: dict[int, tuple[str, dict[str, Any]]] = {
    400: ("The request is damaged, or its body is empty.",
          {"error": "upload: the form must hold a file; curl sends one with -F scan=@FILE"}),
    401: ("The token is missing or another.",
          {"error": "request: must bring the service's token as `Authorization: Bearer TOKEN`, it brought none"}),
    403: ("The request comes from another site's page.",
          {"error": "request: must not come from another site's page, its Origin is another"}),
    408: ("The body came too slowly.",
          {"error": "upload: must be sent within 300 s and without a silence of 20 s, it was not"}),
    413: ("The body, or the scan in it, is too large.",
          {"error": "upload: must be at most 512 MiB; a NIfTI file (.nii, .nii.gz), a zipped DICOM series or a "
                    "multi-frame DICOM file of one scan is"}),
    415: ("The body is of another type than a scan.",
          {"error": "upload: must be a NIfTI file (.nii, .nii.gz), a zipped DICOM series or a multi-frame DICOM file, "
                    "its first bytes are of none of them"}),
    422: ("It cannot be read, or is no readable chest CT in HU.",
          {"path": "scan.nii.gz", "error": "scan.nii.gz: the gzip archive is cut short, it holds 5,000 of 22,020,096 "
                                           "bytes that must be there; copy or download the file again"}),
    500: ("The service failed.",
          {"error": "scan.nii.gz: must be answered, the service failed at it; its log says why"}),
    503: ("Too many scans at once, or one took too long; `Retry-After` says when to try again.",
          {"error": "service: takes 34 scans at once and has them; try again in 4 s"}),
}  # fmt: skip
UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A NIfTI file, a zipped DICOM series or a multi-frame DICOM file.",
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["scan"],
                           "properties": {"scan": {"type": "string", "format": "binary"}}}
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}  # fmt: skip


def responses(answer: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """Describe what a request with a scan may get: the answer, as given, or one of the errors."""
    errors: dict[int | str, dict[str, Any]] = {
        status: {"description": words, "model": ErrorSchema,
                 "content": {"application/json": {"example": {**example, "model": MODEL}}}}
        for status, (words, example) in _ERRORS.items()
    }  # fmt: skip
    return {200: answer, **errors}
