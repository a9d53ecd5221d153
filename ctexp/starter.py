"""A new project's folder: its sweeps, the place of its artifacts, and what keeps patients' scans out of git."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from ctexp.errors import ConfigError, WorkError
from ctexp.files import atomic_write

MLRUNS = """\
# mlruns

Artifacts of the runs that a store on this machine keeps: checkpoints, pictures, tables, registered models. `ctexp` and
MLflow write here; the runs themselves are rows of `mlflow.db` beside this folder. Neither is in version control.

`mlflow ui`, typed in the folder above, shows them. To move a store to another machine, set `MLFLOW_TRACKING_URI` to an
MLflow server instead: paths in a local store are absolute.
"""

IGNORED = (
    "/mlflow.db*",
    "/mlruns/*",
    "/.ctexp/",
    "/data/",
    "/scans/",
    "/sheets/",
    "*.nii",
    "*.nii.gz",
    "*.dcm",
    "*.zip",
)
"""Patterns of what never belongs in version control: store, artifacts, caches and scans."""

_GITIGNORE = "\n".join(
    [
        "# The store, its artifacts, the caches and every scan stay out of version control.",
        *IGNORED,
        "!/mlruns/README.md",
        "",
    ]
)

_README = """\
# {name}

A study with ctexp: research on chest CT scans. Research software; not a medical device.

1. Look at your scans: a folder with one sub-folder a class, or a CSV manifest (`path,label[,patient][,split]`).

       ctexp data check SCANS --pictures sheets/

2. Train a first network, and look at the run.

       ctexp train --data SCANS
       MLFLOW_DISABLE_TELEMETRY=true mlflow ui

3. Search the settings. The questions are files of `sweeps/`: change them, or write your own.

       ctexp sweep --data SCANS --dry-run
       ctexp sweep --data SCANS

4. At the very end, once: the champion on the locked test.

       ctexp evaluate --on test

In version control belong `sweeps/`, settings files and notes. `.gitignore` keeps out scans (NIfTI, `.dcm`, `.zip`, and
all of `data/` and `scans/`), contact sheets in `sheets/`, the store and the caches; DICOM files without an ending lie
best in `data/` or outside this folder. A manifest may hold patients' identifiers, a picture shows a chest: look before
you commit one.
"""


@dataclass(frozen=True)
class Started:
    """What was written into a new project's folder.

    Attributes:
        root: the folder.
        written: the new files, relative to it.
        kept: files that were there and stay as they are, relative to it.
        not_ignored: patterns that a kept `.gitignore` lacks.
    """

    root: Path
    written: tuple[Path, ...]
    kept: tuple[Path, ...]
    not_ignored: tuple[str, ...]


def start_project(root: Path, sweeps: Path) -> Started:
    """Make a folder a project; no file that is there is changed.

    Args:
        root: the folder; made where there is none.
        sweeps: folder of the sweeps to copy, with their README.

    Raises:
        ConfigError: the folder is a project already, or a file has its name.
        WorkError: the folder cannot be written to.
    """
    if root.exists() and not root.is_dir():
        raise ConfigError(f"{root}: must be a folder or a new name, it is a file")
    mark = next((name for name in ("mlflow.db", "mlruns/README.md") if (root / name).exists()), None)
    if mark or ((root / "sweeps").is_dir() and (root / "mlruns").is_dir()):
        raise ConfigError(f"{root}: must not be a project yet, it has {mark or 'sweeps/ and mlruns/'}; train in it")
    try:
        sources = [sweeps / "README.md", *sorted(sweeps.glob("*.toml"))]
        files = {Path("sweeps", file.name): file.read_text(encoding="utf-8") for file in sources}
        files[Path(".gitignore")] = _GITIGNORE
        files[Path("README.md")] = _README.format(name=root.absolute().name)
        files[Path("mlruns", "README.md")] = MLRUNS  # the last: what a kill cuts short may be started again
        written = tuple(path for path, text in files.items() if _write_new(root / path, text))
        kept = tuple(path for path in files if path not in written)
        lines = (root / ".gitignore").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise WorkError(f"{root}: must be a folder that can be written to: {error}") from error
    return Started(root, written, kept, tuple(one for one in IGNORED if one not in lines))


def _write_new(path: Path, text: str) -> bool:
    """Write a file, whole or not at all, unless something has its name; say whether it was written."""
    with contextlib.suppress(FileExistsError):
        path.parent.mkdir(parents=True)
    if path.exists() or path.is_symlink():
        return False
    with atomic_write(path) as stream:
        stream.write(text.encode())
    return True
