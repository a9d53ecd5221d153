"""Files that are whole or not there."""

import errno
import json
import os
from pathlib import Path

import pytest

from ctexp.files import atomic_write, json_text, make_durable, spell_out


def test_file_appears_with_its_folder_and_is_readable_by_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders above are made, the content is whole, and with the usual umask other users may read it."""
    monkeypatch.setattr("ctexp.files._UMASK", 0o022)
    path = tmp_path / "a" / "b" / "größe.bin"
    with atomic_write(path) as stream:
        stream.write(b"content")
        assert not path.exists()
    assert path.read_bytes() == b"content"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o007, 0o660)])
def test_who_may_read_is_the_users_choice(umask: int, mode: int, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A umask that keeps others out of patients' scans keeps them out of the prepared ones."""
    monkeypatch.setattr("ctexp.files._UMASK", umask)
    with atomic_write(tmp_path / "scan.npy") as stream:
        stream.write(b"content")
    assert (tmp_path / "scan.npy").stat().st_mode & 0o777 == mode


def test_json_has_no_word_for_what_is_no_number() -> None:
    """NaN and infinity become null, at any depth; all else stays as it is."""
    value = {"a": [float("nan"), (float("inf"), 1.5)], "b": {"c": -float("inf")}, "d": "NaN", "e": 3}
    assert json.loads(json_text(value)) == {"a": [None, [None, 1.5]], "b": {"c": None}, "d": "NaN", "e": 3}
    with pytest.raises(TypeError):
        json_text({"a": object()})


def test_names_that_are_no_text_are_spelt_out() -> None:
    """Bytes that are no UTF-8 are shown by number; what is text stays, umlauts too."""
    assert spell_out(os.fsdecode(b"M\xfcller.nii")) == r"M\udcfcller.nii"
    assert spell_out("Müller.nii") == "Müller.nii"


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, SystemExit])
def test_old_file_stays_after_a_failure(stop: type[BaseException], tmp_path: Path) -> None:
    """Whatever ends the block early, the old file is still there, whole and alone."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(stop), atomic_write(path) as stream:  # noqa: PT012 - the failure comes in the middle
        stream.write(b"half of the new")
        raise stop
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_new_file_replaces_the_old(tmp_path: Path) -> None:
    """A reader that opened the old file before goes on reading it."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        with atomic_write(path) as stream:
            stream.write(b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"


def test_long_names(tmp_path: Path) -> None:
    """A name as long as the file system allows can be written, though the temporary one is longer than its stem."""
    path = tmp_path / ("n" * 255)
    with atomic_write(path) as stream:
        stream.write(b"x")
    assert os.listdir(tmp_path) == [path.name]


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A file where the folder should be is an OSError for the caller to name."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"), atomic_write(tmp_path / "file" / "x"):
        pass


@pytest.mark.parametrize(("number", "lost"), [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EIO, True)])
def test_a_folder_that_cannot_be_synced_is_no_error(
    number: int, lost: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems sync no folder and lose nothing by that; a disk that fails is told."""
    path = tmp_path / "checkpoint"
    path.write_bytes(b"content")
    synced, real = [], os.fsync

    def sync(place: int) -> None:
        if os.path.samestat(os.fstat(place), tmp_path.stat()):
            raise OSError(number, "no")
        synced.append(place)
        real(place)

    monkeypatch.setattr("ctexp.files.os.fsync", sync)
    if lost:
        with pytest.raises(OSError, match="no"):
            make_durable(path)
    else:
        make_durable(path)
    assert len(synced) == 1
