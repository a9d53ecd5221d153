"""A registered version that was loaded, and is asked about files."""

from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path

from ctexp.errors import ScanError
from ctexp.registry.answer import Answer, Prediction
from ctexp.registry.local import LocalVersion
from ctexp.registry.predictor import Predictor, ReadyScan
from ctexp.scans.read import ReadOptions, open_scan

_FORCE = "; --force answers all the same"


@dataclass(frozen=True, eq=False)
class ReadFile:
    """A file that was read and, unless something is wrong with it, judged and prepared.

    Attributes:
        path: as it was given.
        scan: what is left to be asked about; None for a file that is no scan.
        error: why it is none.
        notes: what had to be decided to read it, a line each.
    """

    path: str
    scan: ReadyScan | None
    error: str | None = None
    notes: tuple[str, ...] = ()


class Model:
    """A version that answers; `model(path)` gives the numbers of `ctexp predict`.

    Args:
        version: a copy of it on this machine.

    Attributes:
        version: that copy.
        predictor: its networks and settings.

    Raises:
        WorkError: the copy is not whole.
    """

    def __init__(self, version: LocalVersion) -> None:
        self.version = version
        self.predictor = Predictor(version.folder)

    def __call__(
        self,
        path: str | PathLike[str],
        *,
        options: ReadOptions = ReadOptions(),  # noqa: B008 - it is frozen
        force: bool = False,
    ) -> Prediction:
        """Answer on one scan.

        Args:
            path: NIfTI file; DICOM folder, zip or file.
            options: how a DICOM series is read.
            force: answer on what is no readable chest CT in HU, too.

        Raises:
            ScanError: there is no answer; the message says why.
        """
        answer = self.finish(self.read(Path(path), options=options, force=force))
        if answer.prediction is None:
            raise ScanError((answer.error or "").removesuffix(_FORCE))
        return answer.prediction

    def read(
        self,
        path: Path,
        *,
        options: ReadOptions = ReadOptions(),  # noqa: B008 - it is frozen
        force: bool = False,
    ) -> ReadFile:
        """Read, judge and prepare a file: all but asking the network. May run in several threads at once.

        Args:
            path: the scan.
            options: how a DICOM series is read.
            force: prepare what is refused, too.
        """
        notes: tuple[str, ...] = ()
        try:
            opened = open_scan(path, options)
            notes = opened.notes
            return ReadFile(fspath(path), self.predictor.ready(opened.decode(), force=force), None, notes)
        except ScanError as error:
            return ReadFile(fspath(path), None, str(error), notes)

    def finish(self, read: ReadFile) -> Answer:
        """Ask the network about a file that was read; what is no scan, or is refused, has its error."""
        synthetic = self.predictor.manifest.synthetic
        if read.scan is None:
            return Answer(read.path, self.version, synthetic, None, read.error)
        return Answer.of(
            read.path, self.version, synthetic, self.predictor.finish(read.scan), remedy=_FORCE, notes=read.notes
        )
