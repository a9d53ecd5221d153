"""Uploads lie in a private folder under names of the service, and nothing of them stays."""

import contextlib
import os
import subprocess
import sys
import time

import pytest

from ctexp.service.refusals import RefusalError
from ctexp.service.sink import Sink, label
from ctexp.service.uploads import Uploads, remove_orphans

GZIP = b"\x1f\x8b\x08" + bytes(400)


def test_upload_is_gone_whatever_happens(tmp_path) -> None:
    """The file is private, and goes with its request, also with one that fails; the folder goes with the service."""
    with Uploads(tmp_path) as uploads:
        assert uploads.folder.stat().st_mode & 0o777 == 0o700
        with contextlib.suppress(ZeroDivisionError), uploads.place() as path:
            path.write_bytes(b"x")
            raise ZeroDivisionError
        assert list(uploads.folder.glob("upload-*")) == []
    assert list(tmp_path.iterdir()) == []


def test_folder_of_a_killed_service_is_swept(tmp_path) -> None:
    """What SIGKILL left goes when the next service starts; the folder of one that lives stays."""
    code = (
        "import sys, time; from pathlib import Path; from ctexp.service.uploads import Uploads;"
        "one = Uploads(Path(sys.argv[1])); (one.folder / 'upload-1').write_bytes(b'scan');"
        "print(one.folder, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True)
    folder = process.stdout.readline().strip()
    assert remove_orphans(tmp_path) == []
    process.kill()
    process.communicate()
    assert set(os.listdir(folder)) == {"lock", "upload-1"}
    with Uploads(tmp_path) as uploads:
        assert [path.name for path in tmp_path.iterdir()] == [uploads.folder.name]


def test_folder_that_is_being_made_is_left_alone(tmp_path) -> None:
    """A folder without a lock is another service's that starts now, unless it is old."""
    young, old = tmp_path / "ctexp-serve-young", tmp_path / "ctexp-serve-old"
    for folder in (young, old):
        folder.mkdir()
    hours_ago = time.time() - 3 * 3600
    os.utime(old, (hours_ago, hours_ago))
    assert remove_orphans(tmp_path) == [old]
    assert young.is_dir()


def test_link_is_not_followed(tmp_path) -> None:
    """A link that somebody put beside the folders leads to nothing that is removed."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "lock").write_bytes(b"")
    (tmp_path / "ctexp-serve-link").symlink_to(kept)
    assert remove_orphans(tmp_path) == []
    assert (kept / "lock").exists()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("scan.nii.gz", "scan.nii.gz"), ("../../etc/passwd", "passwd"), (r"C:\scans\a b.zip", "a b.zip"),
        ("/", "scan"), ("..", "scan"), (None, "scan"), ("a\nb\x1b[31m.nii", "ab[31m.nii"), ("ü" * 200, "ü" * 100),
    ],
)  # fmt: skip
def test_file_name_is_only_a_label(name, shown) -> None:
    """Of a client's file name the last part is kept, without what cannot be printed, and never as a path."""
    assert label(name) == shown


def test_what_is_no_scan_is_refused_at_its_first_bytes(tmp_path) -> None:
    """Another type is refused before the rest of it is written; small pieces do not hide it."""
    with Sink(tmp_path / "a") as sink:
        for letter in b"GIF89a" * 21:
            sink.write(bytes([letter]))
        with pytest.raises(RefusalError) as error:
            sink.write(b"GIF89a" * 1000)
    assert error.value.status == 415
    assert (tmp_path / "a").stat().st_size < 240


def test_empty_upload_is_refused(tmp_path) -> None:
    """Nothing at all is a damaged request, not another type."""
    with Sink(tmp_path / "a") as sink, pytest.raises(RefusalError) as error:
        sink.finish()
    assert error.value.status == 400


def test_scan_is_written_as_it_came(tmp_path) -> None:
    """What may be a scan is written to the last byte."""
    with Sink(tmp_path / "a") as sink:
        sink.write(GZIP[:3])
        sink.write(GZIP[3:])
        sink.finish()
    assert (tmp_path / "a").read_bytes() == GZIP
