"""Where a run's numbers come from: code, packages, hardware."""

import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import psutil

from ctexp import __version__
from ctexp.datasets.parallel import cores
from ctexp.tracking.gpus import visible_gpu_names

_PACKAGES = ("tensorflow", "jax", "torch", "keras", "keras-tuner", "mlflow", "nibabel", "scipy", "numpy", "onnx",
             "onnxruntime")  # fmt: skip


def circumstances(folder: Path) -> dict[str, str]:
    """Give the tags of a run that say by what it was made: code, packages (`version.NAME`), hardware.

    Args:
        folder: may lie in a git checkout, whose commit is told.
    """
    versions = {f"version.{name}": text for name, text in package_versions().items()}
    return {**code_facts(folder), **versions, "version.keras-backend": keras_backend(), **hardware_facts()}


def keras_backend() -> str:
    """Give the name of what Keras computes with, or would: it is not imported for this."""
    if keras := sys.modules.get("keras"):
        return str(keras.config.backend())
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        configured = json.loads((home / "keras.json").read_text(encoding="utf-8")).get("backend")
    except (OSError, ValueError, AttributeError):
        configured = None
    return os.environ.get("KERAS_BACKEND") or str(configured or "tensorflow")


def code_facts(folder: Path) -> dict[str, str]:
    """Give ctexp's version and, where `folder` is in a git checkout, its commit and whether files were changed."""
    facts = {"ctexp.version": __version__}
    commit = _git(folder, "rev-parse", "HEAD")
    if commit:
        facts["git.commit"] = commit
        facts["git.dirty"] = "true" if _git(folder, "status", "--porcelain") else "false"
    return facts


def package_versions() -> dict[str, str]:
    """Give the versions of the packages that decide the numbers."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def all_packages() -> str:
    """Give every installed distribution as `name==version` lines."""
    texts = [dist.metadata for dist in metadata.distributions()]  # read anew each time that it is asked for
    found = {f"{text['Name']}=={text['Version']}" for text in texts}
    return "\n".join(sorted(found, key=str.casefold)) + "\n"


def hardware_facts() -> dict[str, str]:
    """Give processor, cores, memory and system, and the GPUs that may be used where there are any."""
    gpus = visible_gpu_names()
    return {
        "hardware.cpu": _cpu_model(),
        "hardware.cores": str(cores()),
        "hardware.memory_gib": f"{psutil.virtual_memory().total / 2**30:.1f}",
        "hardware.system": f"{platform.system()} {platform.release()} {platform.machine()}",
        **({"hardware.gpu": ", ".join(gpus)} if gpus else {}),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
