"""The service as a real process on a real port, and a scan as a zipped DICOM series."""

import contextlib
import io
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import mlflow
import nibabel as nib
import numpy as np
import pytest


@dataclass(frozen=True)
class Running:
    """A service that answers.

    Attributes:
        process: its first process.
        url: where it answers, without the last slash.
        folder: the only place where its uploads can lie.
    """

    process: "subprocess.Popen[str]"
    url: str
    folder: Path

    @property
    def files(self) -> list[Path]:
        """Uploads that lie on the disk now."""
        return list(self.folder.rglob("upload-*"))

    def stop(self) -> int:
        """Send SIGTERM and give the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextlib.contextmanager
def run(trained, folder: Path, *words: object, token: str | None = None) -> Iterator[Running]:
    """Run `ctexp serve` on a port of its choice until the block ends."""
    folder.mkdir()
    command = [sys.executable, "-m", "ctexp", "serve", "--port", "0", "--poll-seconds", "0.5", *map(str, words)]
    environment = {**trained.program.environment, "TMPDIR": str(folder)} | ({"CTEXP_TOKEN": token} if token else {})
    process = subprocess.Popen(
        command, cwd=trained.program.folder, env=environment, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        line = process.stderr.readline()
        assert " answers at http://" in line, line + process.stderr.read()
        port = line.split(" answers at ")[1].split("/ ")[0].rpartition(":")[2]
        yield Running(process, f"http://127.0.0.1:{port}", folder)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def serving(trained) -> Callable[..., contextlib.AbstractContextManager[Running]]:
    """A function that runs a service in a folder, with options, as a context."""
    return lambda folder, *words, token=None: run(trained, folder, *words, token=token)


@pytest.fixture(scope="module")
def service(serving, tmp_path_factory) -> Iterator[Running]:
    """A service on loopback; it stops well when the module's tests have ended, and leaves nothing."""
    words = ["--queue", 6, "--max-mb", 8, "--worker-gb", 0.5]
    with serving(tmp_path_factory.mktemp("serve") / "tmp", *words) as running:
        yield running
        assert running.stop() == 0
        assert list(running.folder.glob("ctexp-*")) == []


@pytest.fixture(scope="module")
def client(service) -> Iterator[httpx.Client]:
    """A client of that service."""
    with httpx.Client(base_url=service.url, timeout=60) as one:
        yield one


@pytest.fixture(scope="session")
def scan(scans) -> Path:
    """An abnormal scan."""
    return sorted((scans / "CT-23").iterdir())[0]


@pytest.fixture(scope="session")
def dicom_zip(scan) -> bytes:
    """The same scan as a DICOM series in a zip."""
    pytest.importorskip("pydicom")
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    image = nib.as_closest_canonical(nib.load(scan))
    hu = np.asarray(image.dataobj)[::-1, ::-1]  # DICOM counts to the patient's left and back
    spacing = image.header.get_zooms()
    series, packed = generate_uid(), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(hu.shape[2]):
            one = Dataset()
            one.file_meta = FileMetaDataset()
            one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = CTImageStorage
            one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            one.Modality, one.SeriesInstanceUID, one.InstanceNumber = "CT", series, number + 1
            one.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
            one.ImagePositionPatient = [0, 0, round(number * float(spacing[2]), 6)]
            one.PixelSpacing = [float(spacing[1]), float(spacing[0])]
            one.RescaleSlope, one.RescaleIntercept = "1", "0"
            one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
            one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 1
            one.Columns, one.Rows = hu.shape[:2]
            one.PixelData = np.ascontiguousarray(hu[:, :, number].T, dtype="<i2").tobytes()
            stream = io.BytesIO()
            one.save_as(stream, enforce_file_format=True)
            archive.writestr(f"series/{number:03}.dcm", stream.getvalue())
    return packed.getvalue()


@pytest.fixture
def second(trained) -> Iterator[str]:
    """Another version, with the files of the first; the test takes back the aliases that it sets."""
    mlflow.set_tracking_uri(f"sqlite:///{trained.program.folder / 'mlflow.db'}")
    store = trained.program.client()
    first = store.get_model_version("ctexp", "1")
    version = str(store.create_model_version("ctexp", first.source, first.run_id, model_id=first.model_id).version)
    yield version
    store.delete_model_version("ctexp", version)
