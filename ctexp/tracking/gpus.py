"""Which NVIDIA GPUs there are, without loading a library that would take their memory."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Gpu:
    """One GPU, as the driver lists it.

    Attributes:
        name: the product's, `NVIDIA H100 80GB HBM3`.
        uuid: `GPU-...`, by which `CUDA_VISIBLE_DEVICES` may name it.
    """

    name: str
    uuid: str


def installed_gpus() -> tuple[Gpu, ...]:
    """Give what `nvidia-smi -L` lists, in the driver's order; nothing where there is no driver."""
    if shutil.which("nvidia-smi") is None:
        return ()
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    found = re.findall(r"^GPU \d+: (.+?)(?: \(UUID: (\S+?)\))?\s*$", done.stdout, re.MULTILINE)
    return tuple(Gpu(name, uuid) for name, uuid in found)


def visible_gpus() -> tuple[str, ...]:
    """Give the GPUs that this process may use as `CUDA_VISIBLE_DEVICES` names them: numbers, or UUIDs."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return tuple(word.strip() for word in named.split(",") if word.strip() and word.strip() != "-1")
    return tuple(str(number) for number in range(len(installed_gpus())))


def visible_gpu_names() -> tuple[str, ...]:
    """Give the product names of the GPUs that this process may use; what the driver does not list is `unknown`."""
    visible = visible_gpus()
    installed = installed_gpus() if visible else ()
    known = {str(number): one.name for number, one in enumerate(installed)}
    return tuple(
        known.get(word) or next((one.name for one in installed if one.uuid.startswith(word)), "unknown")
        for word in visible
    )
