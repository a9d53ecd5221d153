"""Which version answers now: found by the alias, looked for again every few seconds, and changed without a pause.

A scan is answered by the version that is current when a worker takes it. The next one is loaded and checked before it
becomes current; one that cannot be loaded leaves the present one in its place.
"""

from ctexp.project import Project
from ctexp.registry.local import LocalVersion, find_version
from ctexp.registry.manifest import PredictorManifest
from ctexp.service.work import Served


class Current:
    """The version that a reference names.

    Args:
        project: whose store.
        reference: REF; None for the project's champion.

    Raises:
        UnknownReferenceError: the reference names nothing.
        WorkError: the store or the version's files cannot be read, or are no whole predictor.
    """

    def __init__(self, project: Project, reference: str | None) -> None:
        self._project, self._reference = project, reference
        self.served = _served(find_version(project, reference))

    def look(self) -> Served | None:
        """Look where the reference points now; give its version where that is not the current one.

        Raises:
            CtexpError: as for the class.
        """
        version = find_version(self._project, self._reference)
        served = self.served
        if (version.name, version.version, version.folder) == (served.name, served.version, served.folder):
            return None
        return _served(version)


def _served(version: LocalVersion) -> Served:
    synthetic = PredictorManifest.read(version.folder).synthetic
    return Served(version.name, version.version, synthetic, version.folder)
