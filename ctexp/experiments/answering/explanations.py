"""`--explain DIR`: beside each answer a heat map on the scan, and a picture of the slices that it speaks of."""

import dataclasses
import io
from collections.abc import Callable, Iterable
from pathlib import Path

from ctexp.errors import ConfigError, WorkError
from ctexp.experiments.answering.free_names import FreeNames
from ctexp.experiments.answering.heat_picture import scan_picture
from ctexp.files import atomic_write
from ctexp.registry.answer import Answer, ExplanationFiles
from ctexp.registry.explain import DEFAULT, Explanation, Method, Progress, explain
from ctexp.registry.predictor import Predictor
from ctexp.scans.maps import write_map
from ctexp.scans.read import ReadOptions, read_scan
from ctexp.scans.volume import Volume

HEAT_MAP, PICTURE = "_heat.nii.gz", "_heat.png"
DOTS_PER_INCH = 110


class ExplanationFolder:
    """The folder that maps and pictures are written into, one pair a scan.

    Args:
        folder: made where it is missing.
        method: how the maps are made.
        inputs: the scans; none of them is ever overwritten.
        say: told what a person should know.
        stage: given the name of a slow piece of work, gives what is told (done, in all) while it goes on.

    Raises:
        ConfigError: it cannot be written to.
    """

    def __init__(
        self,
        folder: Path,
        *,
        method: Method = DEFAULT,
        inputs: Iterable[Path] = (),
        say: Callable[[str], None] | None = None,
        stage: Callable[[str], Progress] | None = None,
    ) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with atomic_write(folder / ".ctexp-explain"):
                pass
            (folder / ".ctexp-explain").unlink()
        except OSError as error:
            raise ConfigError(
                f"--explain {folder}: must be a folder that can be written to: {error.strerror or error}; name another"
            ) from error
        self._folder, self._method, self._say, self._stage = folder, method, say, stage
        self._names = FreeNames(folder, (HEAT_MAP, PICTURE), inputs)

    def explain(self, path: Path, options: ReadOptions, predictor: Predictor, answer: Answer) -> Answer:
        """Explain an answer, write map and picture, and give the answer with their names.

        Args:
            path: of the scan, as it was given.
            options: how it was read. It is read again: the scans that wait for their answer hold no volumes.
            predictor: that answered.
            answer: with a prediction.

        Raises:
            WorkError: the disk does not take the files.
            ScanError: the scan is no longer what was answered.
        """
        volume = read_scan(path, options)
        progress = self._stage(f"{path.name}: occlusion") if self._stage else None
        try:
            explanation = explain(predictor, volume, method=self._method, progress=progress)
        except WorkError as error:
            if self._method == "occlusion":
                raise
            self._tell(f"{path}: {error}; occlusion explains instead")
            explanation = explain(predictor, volume, method="occlusion", progress=progress)
        if explanation.peak == 0:
            self._tell(f"{path}: nothing in the scan speaks for abnormal, its heat map is 0 everywhere")
        files = self._write(path, volume, answer, explanation)
        return dataclasses.replace(answer, explanation=files)

    def _tell(self, text: str) -> None:
        if self._say:
            self._say(text)

    def _write(self, path: Path, volume: Volume, answer: Answer, explanation: Explanation) -> ExplanationFiles:
        heat_map, picture = self._names.take(path)
        try:
            description = f"ctexp heat map, {explanation.method}, {answer.model.name} version {answer.model.version}"
            write_map(heat_map, explanation.heat, volume, description)
            drawn = io.BytesIO()
            figure = scan_picture(path.name or str(path), volume, answer, explanation)
            figure.savefig(drawn, format="png", dpi=DOTS_PER_INCH)
            with atomic_write(picture) as stream:
                stream.write(drawn.getvalue())
        except OSError as error:
            raise WorkError(f"--explain {self._folder}: must take the files: {error.strerror or error}") from error
        return ExplanationFiles(explanation.method, str(heat_map), str(picture))
