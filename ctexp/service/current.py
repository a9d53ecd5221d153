"""Which version answers now: found by the alias, looked for again every few seconds, and changed without a pause.

A scan is answered by the version that is current when a worker takes it. The next one is loaded and checked before it
becomes current; one that cannot be loaded leaves the present one in its place.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ctexp.errors import WorkError
from ctexp.project import Project
from ctexp.service.work import Served

if TYPE_CHECKING:
    from ctexp.registry.references import ModelVersion


class Current:
    """The version that a reference names.

    Args:
        project: whose store.
        reference: REF; None for the project's champion.
        folder: where versions' files are kept.

    Raises:
        UnknownReferenceError: the reference names nothing.
        WorkError: the store or the version's files cannot be read, or are no whole predictor.
    """

    def __init__(self, project: Project, reference: str | None, folder: Path) -> None:
        from ctexp.tracking.store import open_store

        self._store = open_store(project, create=False)
        self._reference, self._folder = reference, folder
        self.served = self._fetch(self._resolve())

    def look(self) -> Served | None:
        """Look where the reference points now; give its version where that is not the current one, checked.

        Raises:
            CtexpError: as for the class.
        """
        version = self._resolve()
        if (version.name, version.version) == (self.served.name, self.served.version):
            return None
        return self._fetch(version)

    def _resolve(self) -> "ModelVersion":
        from ctexp.registry.references import resolve

        return resolve(self._store, self._reference)

    def _fetch(self, version: "ModelVersion") -> Served:
        import mlflow
        from mlflow.exceptions import MlflowException

        from ctexp.registry.package import ARTIFACT
        from ctexp.registry.predictor import Predictor

        uri = f"models:/{version.name}/{version.version}"
        place = self._folder / f"model-{version.version}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        try:
            mlflow.artifacts.download_artifacts(artifact_uri=f"{uri}/artifacts/{ARTIFACT}", dst_path=str(place))
        except (MlflowException, OSError) as error:
            raise WorkError(f"{uri}: its files must be readable: {error}") from error
        found = [file.parent for file in place.rglob("predictor.json")]
        if not found:
            raise WorkError(f"{uri}: must be a ctexp predictor, it holds no predictor.json")
        synthetic = Predictor(found[0]).manifest.synthetic
        return Served(version.name, version.version, synthetic, found[0])
