"""`ctexp serve`, a real process: predict's answers, a moved alias, a full queue, hostile uploads, and its end."""

import io
import json
import re
import socket
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator

import httpx
import nibabel as nib
import numpy as np
import pytest
from helpers.uploads import upload

from ctexp.service.schema import AnswerSchema, ErrorSchema


def test_answer_is_the_command_lines(trained, client, scan, dicom_zip) -> None:
    """File form and bare body, NIfTI and zipped DICOM: the JSON of `ctexp predict`, equal to 1e-6."""
    (said,) = json.loads(trained.program("predict", scan, "--format", "json").stdout)
    content = scan.read_bytes()
    octets = {"Content-Type": "application/octet-stream"}
    bare = client.post("/predict", content=content, params={"name": scan.name}, headers=octets).json()
    for answer in (upload(client, content, scan.name).json(), bare):
        assert answer == {**said, "path": scan.name, "normal": answer["normal"], "abnormal": answer["abnormal"]}
        assert answer["abnormal"] == pytest.approx(said["abnormal"], abs=1e-6)
        AnswerSchema.model_validate(answer)
    series = upload(client, dicom_zip, "series.zip").json()
    assert series["abnormal"] == pytest.approx(said["abnormal"], abs=1e-6)
    assert series["path"] == "series.zip"


def test_refused_scan_says_why_and_can_be_forced(client, scan) -> None:
    """What is no chest CT in HU is 422 with reason, findings and model, and answered if that is wished."""
    image = nib.load(scan)
    windowed = nib.Nifti1Image(np.clip(np.asarray(image.dataobj), -160, 240), image.affine).to_bytes()
    refused = upload(client, windowed, "window.nii")
    assert refused.status_code == 422
    assert refused.json()["quality"]["verdict"] == "refuse"
    assert refused.json()["error"].startswith("window.nii: must be a readable chest CT in HU: ")
    ErrorSchema.model_validate(refused.json())
    forced = upload(client, windowed, "window.nii", force=True)
    assert forced.status_code == 200
    assert forced.json()["forced"] is True


def test_a_series_is_read_as_predict_reads_it(client, dicom_zip) -> None:
    """`series` picks one or says that there is none; a missing slice is interpolated only where that is wished."""
    pydicom = pytest.importorskip("pydicom")
    with zipfile.ZipFile(io.BytesIO(dicom_zip)) as whole:
        slices = {name: whole.read(name) for name in whole.namelist()}
    series = str(pydicom.dcmread(io.BytesIO(next(iter(slices.values())))).SeriesInstanceUID)
    plain = upload(client, dicom_zip, "a.zip")
    assert upload(client, dicom_zip, "a.zip", series=series).json() == plain.json()
    other = upload(client, dicom_zip, "a.zip", series="1.2.3")
    assert (other.status_code, other.json()["error"].partition(": ")[0]) == (422, "a.zip")
    assert "1.2.3" in other.json()["error"]
    cut = io.BytesIO()
    with zipfile.ZipFile(cut, "w") as archive:
        for number, (name, content) in enumerate(slices.items()):
            if number != len(slices) // 2:
                archive.writestr(name, content)
    refused = upload(client, cut.getvalue(), "cut.zip")
    assert (refused.status_code, "1 slice is missing" in refused.json()["error"]) == (422, True)
    filled = upload(client, cut.getvalue(), "cut.zip", allow_gaps=True)
    assert filled.status_code == 200
    assert filled.json()["abnormal"] == pytest.approx(plain.json()["abnormal"], abs=0.1)


def bomb(shape: tuple[int, int, int], mebibytes: int) -> bytes:
    """A gzipped NIfTI file that claims voxels of 2 bytes, with zeros for so many MiB of them."""
    header = nib.Nifti1Header()
    header.set_data_dtype("int16")
    header.set_data_shape(shape)
    header["vox_offset"], header["magic"], header["pixdim"][1:4] = 352, b"n+1", 0.5
    packer, zeros = zlib.compressobj(1, wbits=31), bytes(1 << 20)
    parts = [packer.compress(bytes(header.binaryblock) + bytes(4)), *(packer.compress(zeros) for _ in range(mebibytes))]
    return b"".join([*parts, packer.flush()])


def hostile(scan: bytes) -> Iterator[tuple[str, bytes, str, int]]:
    """What is sent with what name, and the status that it must get."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../../tmp/evil.dcm", b"\0" * 128 + b"DICM" + bytes(1 << 16))
        archive.writestr("more.bin", bytes(64 << 20))
    yield "picture", b"\x89PNG\r\n\x1a\n" + bytes(1000), "scan.png", 415
    yield "page", b"<!doctype html><script>alert(1)</script>", "scan.nii.gz", 415
    yield "nothing", b"", "scan.nii.gz", 400
    yield "cut short", scan[:5000], "scan.nii.gz", 422
    yield "flipped", scan[:3000] + bytes(200) + scan[3200:], "scan.nii.gz", 422
    yield "zip bomb", packed.getvalue(), "series.zip", 422
    yield "cut zip", packed.getvalue()[:-30], "series.zip", 422
    yield "claims more than it holds", bomb((1000, 1000, 1000), 16), "scan.nii.gz", 422
    yield "claims more voxels than are read", bomb((30000, 30000, 30000), 1), "scan.nii.gz", 422
    yield "unpacks to more than memory", bomb((700, 700, 800), 748), "scan.nii.gz", 413
    yield "too large", scan + bytes(9 << 20), "scan.nii.gz", 413
    yield "path in the name", scan, "../../../../tmp/evil.nii.gz", 200


def test_hostile_uploads_are_refused_and_nothing_stays(service, client, scan) -> None:
    """Each gets its status and one sentence with the model; the workers live, no file stays, and it goes on."""
    for what, content, name, status in hostile(scan.read_bytes()):
        got = upload(client, content, name)
        assert got.status_code == status, (what, got.text)
        assert got.json()["model"]["version"] == "1", what
        if status != 200:
            ErrorSchema.model_validate(got.json())
            assert str(service.folder) not in got.text, what
    assert got.json()["path"] == "evil.nii.gz"
    assert service.files == []
    assert "ctexp_worker_restarts 0.0" in client.get("/metrics").text


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (b"Content-Length: 2147483648\r\n", b"\x1f\x8b", 413),
        (b"Transfer-Encoding: chunked\r\n", b"900001\r\n" + b"\x1f\x8b" + bytes(0x8FFFFF) + b"\r\n", 413),
        (b"Content-Length: 5000\r\n", b"\x1f\x8b" + bytes(100), None),
        (b"Content-Length: 3\r\nContent-Encoding: gzip\r\n", b"\x1f\x8b\x08", 415),
        (b"Content-Length: 3\r\nContent-Type: text/html\r\n", b"abc", 415),
        (b"Content-Length: 3\r\nContent-Type: multipart/form-data; boundary=x\r\n", b"abc", 400),
        (b"Content-Length: 0\r\nOrigin: http://evil.example.org\r\n", b"", 403),
    ],
)
def test_lying_and_broken_requests(service, headers, body, status) -> None:
    """A length that lies, a body without one, an end in the middle: a status where there is still a client."""
    port = int(service.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n")
        connection.sendall(body)
        if status is not None:
            assert connection.recv(1 << 16).split()[1] == str(status).encode()
    assert httpx.get(f"{service.url}/healthz").json()["status"] == "ok"
    for _ in range(100):
        if not service.files:
            break
        time.sleep(0.05)
    assert service.files == []


def test_full_service_sends_clients_away_for_a_while(service, client, scan) -> None:
    """More scans at once than it holds: the rest gets 503 and Retry-After, the others their answers."""
    content = scan.read_bytes()
    got: list[httpx.Response] = []
    places = int(re.search(r"takes (\d+) scans", _busy(service, client, content)).group(1))
    threads = [threading.Thread(target=lambda: got.append(_alone(service, content))) for _ in range(3 * places)]
    for one in threads:
        one.start()
    assert client.get("/healthz", timeout=5).status_code == 200
    for one in threads:
        one.join()
    assert {one.status_code for one in got} <= {200, 503}
    assert all(1 <= int(one.headers["retry-after"]) <= 60 for one in got if one.status_code == 503)
    assert sum(one.status_code == 200 for one in got) >= 2


def _alone(service, content: bytes) -> httpx.Response:
    with httpx.Client(base_url=service.url, timeout=60) as one:
        return upload(one, content)


def _busy(service, client: httpx.Client, content: bytes) -> str:
    """What is said when all places are held by uploads that have begun."""
    port = int(service.url.rpartition(":")[2])
    held = []
    try:
        for _ in range(40):
            one = socket.create_connection(("127.0.0.1", port))
            one.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n\x1f")
            held.append(one)
            got = upload(client, content)
            if got.status_code == 503:
                return got.json()["error"]
        raise AssertionError("never full")
    finally:
        for one in held:
            one.close()


def test_moved_alias_is_followed_under_load(trained, service, scan, second) -> None:
    """The alias moves to another version and back while clients ask: no request fails, both versions answer."""
    store, content = trained.program.client(), scan.read_bytes()
    seen: list[tuple[int, str]] = []
    done = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=service.url, timeout=60) as one:
            while not done.is_set():
                got = upload(one, content)
                seen.append((got.status_code, got.json()["model"]["version"]))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for one in threads:
        one.start()
    try:
        for version in (second, "1"):
            store.set_registered_model_alias("ctexp", "champion", version)
            for _ in range(600):  # the first fetch loads MLflow
                if seen and seen[-1][1] == version:
                    break
                time.sleep(0.1)
    finally:
        done.set()
        for one in threads:
            one.join()
        store.set_registered_model_alias("ctexp", "champion", "1")
    assert {status for status, _ in seen} == {200}
    assert {version for _, version in seen} == {"1", second}


def test_it_describes_and_counts_itself(client, scan) -> None:
    """OpenAPI has examples of what the service gives; the metrics have counts, times, queue, model and memory."""
    described = client.get("/openapi.json").json()
    answers = described["paths"]["/predict"]["post"]["responses"]
    AnswerSchema.model_validate(answers["200"]["content"]["application/json"]["example"])
    for status in ("400", "401", "403", "408", "413", "415", "422", "500", "503"):
        ErrorSchema.model_validate(answers[status]["content"]["application/json"]["example"])
    assert upload(client, scan.read_bytes()).status_code == 200
    counted = client.get("/metrics").text
    for name in ('requests_total{outcome="answered"}', "answer_seconds_bucket", "queue_length",
                 'model_info{name="ctexp",version="1"}', "workers_memory_bytes", "service_memory_bytes"):  # fmt: skip
        assert f"ctexp_{name}" in counted
    assert client.get("/docs").status_code == 404
    assert client.get("/docs").json()["error"].startswith("request: there is nothing at this address")
    assert client.get("/predict").status_code == 405
    rule = "request: must be by POST at this address, got GET; /openapi.json lists what there is"
    assert client.get("/predict").json()["error"] == rule
    rule = rule.replace("POST", "GET").replace("got GET", "got DELETE")
    assert [client.delete(path).json()["error"] for path in ("/", "/healthz")] == [rule, rule]
    assert client.get("/").headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
