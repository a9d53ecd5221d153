"""Local copies of registered versions, found by their content, and what the store last said of them.

A copy lies in a folder named by the SHA-256 of its manifest, which has those of the networks: a changed file is found
out, and nothing on the shelf is ever wrong because it is old. Which copy belongs to a version is noted beside them; a
note that is missing or damaged only costs another download. All of it may be deleted at any time.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ctexp.errors import WorkError
from ctexp.files import atomic_write
from ctexp.registry.lookup.stored import StoredVersion
from ctexp.registry.manifest import FILE_NAME, PredictorManifest


@dataclass(frozen=True)
class Noted:
    """What the store said of a reference when it was last asked.

    Attributes:
        version: as the store had it.
        hash: of its copy.
        when: UTC, ISO 8601, to the second.
    """

    version: StoredVersion
    hash: str
    when: str


class Shelf:
    """The copies of all versions that were asked here.

    Args:
        folder: made when the first copy is put there.
        store: address of the store that the notes are about; only its hash is written.
    """

    def __init__(self, folder: Path, store: str) -> None:
        self.folder = folder
        self._store = store

    def copy_of(self, version: StoredVersion, fetch: Callable[[Path], Path]) -> str:
        """Give the hash of a version's copy, which is whole; it is fetched if there is none.

        Args:
            version: as the store has it.
            fetch: puts the version's files into the folder that it is given, and gives the one that has its manifest.

        Raises:
            WorkError: the files cannot be fetched or kept, or are no whole predictor.
        """
        note = self._note("versions", asdict(version))
        known = self._read(note).get("hash")
        if isinstance(known, str) and self.holds(known):
            return known
        fetched = self._put(fetch)
        self._write(note, {"hash": fetched})
        return fetched

    def place(self, hash: str) -> Path:
        """Give the folder of a copy."""
        return self.folder / hash

    def holds(self, hash: str) -> bool:
        """Tell whether a copy is there and whole, to the last byte of its networks."""
        place = self.place(hash)
        try:
            if Path(hash).name != hash or _hash(place) != hash:
                return False
            PredictorManifest.read(place)
        except (OSError, WorkError):
            return False
        return True

    def note(self, reference: str, version: StoredVersion, hash: str) -> None:
        """Note what a reference means now, for a time when the store cannot be asked."""
        note = self._note("references", reference)
        known = self._read(note)
        if known.get("hash") == hash and known.get("version") == asdict(version):
            with contextlib.suppress(OSError):
                os.utime(note)  # its time is when the store last said so
            return
        self._write(note, {"version": asdict(version), "hash": hash})

    def noted(self, reference: str) -> Noted | None:
        """Give what a reference last meant, if its copy is still whole."""
        note = self._note("references", reference)
        try:
            facts = self._read(note)
            version, hash = StoredVersion(**facts["version"]), str(facts["hash"])
            when = datetime.fromtimestamp(note.stat().st_mtime, UTC).isoformat(timespec="seconds")
        except (OSError, KeyError, TypeError):
            return None
        return Noted(version, hash, when) if self.holds(hash) else None

    def _put(self, fetch: Callable[[Path], Path]) -> str:
        """Fetch into a temporary folder beside the copies, check, and rename: a copy is whole or not there."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".part-", dir=self.folder) as name:
                fetched = fetch(Path(name))
                PredictorManifest.read(fetched)
                for reading_matter in fetched.glob("*.keras"):  # for people; no answer needs it
                    reading_matter.unlink()
                hash = _hash(fetched)
                if not self.holds(hash):
                    self._clear(hash)
                    with contextlib.suppress(OSError):  # another process was faster
                        fetched.rename(self.place(hash))
        except OSError as error:
            raise WorkError(
                f"{self.folder}: a model's local copy must be writable here: {error.strerror or error}; "
                "set CTEXP_CACHE to a folder that is"
            ) from error
        if not self.holds(hash):
            raise WorkError(f"{self.place(hash)}: the copy must be whole after it was written; is the disk full?")
        return hash

    def _clear(self, hash: str) -> None:
        """Take a damaged copy away, by a rename first: nobody shall find half of it."""
        if self.place(hash).exists():
            waste = tempfile.mkdtemp(prefix=".part-", dir=self.folder)
            with contextlib.suppress(OSError):
                self.place(hash).rename(Path(waste) / "damaged")
            shutil.rmtree(waste, ignore_errors=True)

    def _note(self, kind: str, key: Any) -> Path:
        text = json.dumps([self._store, key], sort_keys=True)
        return self.folder / kind / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"

    @staticmethod
    def _read(note: Path) -> dict[str, Any]:
        try:
            facts = json.loads(note.read_bytes())
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}

    def _write(self, note: Path, facts: dict[str, Any]) -> None:
        # A note only saves time, and a full disk is said where it matters.
        with contextlib.suppress(OSError), atomic_write(note) as stream:
            stream.write(json.dumps(facts).encode())


def _hash(folder: Path) -> str:
    return hashlib.sha256((folder / FILE_NAME).read_bytes()).hexdigest()
