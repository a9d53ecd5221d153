"""A file that is being downloaded: its first bytes in `NAME.part`, and what they belong to in `NAME.part.json`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ctexp.files import atomic_write


@dataclass(frozen=True)
class Belonging:
    """What a part belongs to.

    Attributes:
        address: where it comes from.
        validator: ETag or Last-Modified of the file there; without one a part cannot be continued.
        total: bytes of the whole file, where that is known.
    """

    address: str
    validator: str | None
    total: int | None


class Part:
    """A part on disk; a kill at any moment leaves it such that what it belongs to is right or it counts as nothing.

    Args:
        folder: where it lies.
        name: of the file when it is whole.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.part"
        self._note = folder / f"{name}.part.json"

    @property
    def size(self) -> int:
        """Bytes that are there."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def belonging(self, address: str) -> Belonging | None:
        """Tell what the bytes belong to; None where they are none of this address or cannot be told."""
        try:
            note = Belonging(**json.loads(self._note.read_bytes()))
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        sound = isinstance(note.total, int | None) and isinstance(note.validator, str | None)
        return note if sound and note.address == address and self.size else None

    def is_whole(self, address: str) -> bool:
        """Tell whether all bytes of this address are there."""
        note = self.belonging(address)
        return note is not None and note.total == self.size

    def begin(self, belonging: Belonging) -> None:
        """Start again: the old bytes go first, so that they are never taken for the new file's."""
        self.path.write_bytes(b"")
        self.note(belonging)

    def note(self, belonging: Belonging) -> None:
        """Write down what the bytes belong to."""
        with atomic_write(self._note) as stream:
            stream.write(json.dumps(asdict(belonging)).encode())

    def discard(self) -> None:
        """Remove it."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
