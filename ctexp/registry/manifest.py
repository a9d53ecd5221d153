"""What travels with a registered network, as one JSON file beside it."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ctexp.config import ScanSettings
from ctexp.errors import WorkError
from ctexp.overrides import from_flat
from ctexp.registry.network import NETWORK_NAME
from ctexp.scans.quality import Reference

FILE_NAME = "predictor.json"
_FORMAT = 4
_READABLE = (1, 2, 3, 4)
"""Format 1 has no `reference`; 1 and 2 have the one network's `network_sha256` and no calibration; before 4 there are
no Keras files."""


@dataclass(frozen=True)
class PredictorManifest:
    """All that an answer depends on besides the scan.

    Attributes:
        scan: how a scan is prepared.
        networks: file name and SHA-256 of each ONNX file; several are an ensemble, whose answer is the mean.
        synthetic: trained on drawn scans; every answer says so.
        temperature: each network's logits are divided by it before the sigmoid.
        threshold: probability of abnormal from which the label is abnormal.
        calibrated_on: number of scans that the temperature was fitted to; 0 for none.
        operating_point: what the threshold was chosen for, and what it does to the scans that it was chosen on; None
            for 0.5, the default.
        run_id: the run that trained it.
        trained_on: source, hash and number of scans.
        metrics: validation metrics of exactly this network.
        reference: what kind of scans it was trained on; None where too few were, or for format 1.
        trained_networks: file name and SHA-256 of each Keras file that an ONNX file was made of. They are for people:
            no answer reads them, and a copy that only answers may be without them.
    """

    scan: ScanSettings
    networks: dict[str, str]
    synthetic: bool
    run_id: str
    temperature: float = 1.0
    threshold: float = 0.5
    calibrated_on: int = 0
    operating_point: dict[str, Any] | None = None
    trained_on: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    reference: Reference | None = None
    trained_networks: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Write the manifest into a folder and give its path."""
        file = folder / FILE_NAME
        file.write_text(json.dumps({"format": _FORMAT, **dataclasses.asdict(self)}, indent=2) + "\n", encoding="utf-8")
        return file

    @classmethod
    def read(cls, folder: Path) -> "PredictorManifest":
        """Read the manifest of a folder and check that the networks beside it are those it was written for.

        Raises:
            WorkError: one is missing, damaged, or of another format.
        """
        try:
            facts = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
            version = facts.pop("format")
            if version not in _READABLE:
                raise WorkError(f"{folder}: the predictor's format must be {_READABLE}, got {version}; update ctexp")
            scan = {f"scan.{key}": value for key, value in facts.pop("scan").items()}
            if version < 3:
                facts["networks"] = {NETWORK_NAME: facts.pop("network_sha256")}
            reference = facts.pop("reference", None)
            facts["reference"] = Reference.from_json(reference) if reference else None
            manifest = cls(scan=from_flat(scan, place=f"{folder / FILE_NAME}").scan, **facts)
            found = hash_networks(folder, manifest.networks)
            if not (found and 0 < manifest.temperature < math.inf and 0 <= manifest.threshold <= 1):
                raise ValueError("needs a network, a temperature above 0 and a threshold from 0 to 1")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise WorkError(f"{folder}: must hold a whole predictor: {error}") from error
        for name, sha256 in manifest.networks.items():
            if found[name] != sha256:
                raise WorkError(f"{folder / name}: must be the file that was registered, its checksum differs")
        return manifest


def hash_networks(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Give the SHA-256 of networks' files by their names.

    Raises:
        ValueError: a name leads out of the folder.
        OSError: there is no such file.
    """
    hashes = {}
    for name in names:
        if Path(name).name != name:
            raise ValueError(f"a network must be a file of the folder, got {name!r}")
        hashes[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    return hashes
