"""What travels with a registered network, as one JSON file beside it."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ctexp.config import ScanSettings
from ctexp.errors import WorkError
from ctexp.overrides import from_flat
from ctexp.registry.network import NETWORK_NAME
from ctexp.scans.quality import Reference

FILE_NAME = "predictor.json"
_FORMAT = 2
_READABLE = (1, 2)
"""Format 1 has no `reference`."""


@dataclass(frozen=True)
class PredictorManifest:
    """All that an answer depends on besides the scan.

    Attributes:
        scan: how a scan is prepared.
        network_sha256: of the ONNX file.
        synthetic: trained on drawn scans; every answer says so.
        temperature: logits are divided by it before the sigmoid.
        threshold: probability of abnormal from which the label is abnormal.
        run_id: the run that trained it.
        trained_on: source, hash and number of scans.
        metrics: validation metrics of exactly this network.
        reference: what kind of scans it was trained on; None where too few were, or for format 1.
    """

    scan: ScanSettings
    network_sha256: str
    synthetic: bool
    run_id: str
    temperature: float = 1.0
    threshold: float = 0.5
    trained_on: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    reference: Reference | None = None

    def write(self, folder: Path) -> Path:
        """Write the manifest into a folder and give its path."""
        file = folder / FILE_NAME
        file.write_text(json.dumps({"format": _FORMAT, **dataclasses.asdict(self)}, indent=2) + "\n", encoding="utf-8")
        return file

    @classmethod
    def read(cls, folder: Path) -> "PredictorManifest":
        """Read the manifest of a folder and check that the network beside it is the one it was written for.

        Raises:
            WorkError: either is missing, damaged, or of another format.
        """
        try:
            facts = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
            version = facts.pop("format")
            if version not in _READABLE:
                raise WorkError(f"{folder}: the predictor's format must be {_READABLE}, got {version}; update ctexp")
            scan = {f"scan.{key}": value for key, value in facts.pop("scan").items()}
            reference = facts.pop("reference", None)
            facts["reference"] = Reference.from_json(reference) if reference else None
            manifest = cls(scan=from_flat(scan, place=f"{folder / FILE_NAME}").scan, **facts)
            found = hashlib.sha256((folder / NETWORK_NAME).read_bytes()).hexdigest()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise WorkError(f"{folder}: must hold a whole predictor: {error}") from error
        if found != manifest.network_sha256:
            raise WorkError(f"{folder / NETWORK_NAME}: must be the file that was registered, its checksum differs")
        return manifest
