"""Whether the audit finds a shortcut that was planted, and accuses no collection in which none was.

    python -m benchmarks.shortcuts [--scans 80] [--size 96] [--epochs 8]

Synthetic scans are drawn twice: as they are, where some of either class are padded round a circular field of view, as
some scanners store it; and with every abnormal scan padded with -3024 and no normal one. A network is trained on either
(preset `smoke`), evaluated on its validation scans with `--audit`, and the one that was trained on padded scans is
asked about new scans of either kind as well. Everything is done by the command line, in a temporary folder. Prints a
Markdown table; two trainings.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from ctexp.datasets.phantom import PhantomSettings, write_phantoms

PADDING_HU = -3024


def plant(folder: Path) -> None:
    """Pad the abnormal scans of a collection in place, and put noisy air where the normal ones were padded."""
    rng = np.random.default_rng(0)
    for path in [*folder.glob("CT-23/*.nii.gz"), *folder.glob("CT-0/*.nii.gz")]:
        image = nib.load(path)
        hu = np.asarray(image.dataobj).astype(np.int16)
        x, y = (np.arange(count) - (count - 1) / 2 for count in hu.shape[:2])
        corner = np.hypot(x[:, None], y[None]) > hu.shape[0] / 2
        abnormal = path.parent.name == "CT-23"
        hu[corner] = PADDING_HU if abnormal else rng.normal(-1000, 12, hu[corner].shape).astype(np.int16)
        nib.save(nib.Nifti1Image(hu, image.affine), path)


def ctexp(project: Path, *words: object) -> dict[str, Any]:
    """Run a command in a project and give its JSON answer."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "CTEXP_"))}
    command = [sys.executable, "-m", "ctexp", *map(str, words), "--json"]
    done = subprocess.run(command, cwd=project, check=True, env=kept, stdout=subprocess.PIPE, text=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def show(name: str, found: dict[str, Any]) -> None:
    """Print a row a control."""
    rows = [{"name": "network, whole scans", "auc": found["metrics"]["auc"], "found": False, "sentence": ""}]
    for one in rows + found["audit"]:
        area = one["auc"]
        interval = f"{area['value']:.3f} ({area['low']:.3f} to {area['high']:.3f}), n={area['n']}"
        found_words = "found" if one["found"] else "-"
        print(f"| {name} | {one['name']} | {interval} | {found_words} | {one['sentence']} |", flush=True)


def main() -> None:
    """Draw, train, evaluate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=int, default=80)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=8)
    wished = parser.parse_args()
    print("| trained on, asked about | control | AUC (95 % interval) | found | said |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        (project / "split.toml").write_text("[split]\nvalidation = 0.4\ntest = 0.1\n")
        for kind in ("padded", "plain"):
            for folder, seed in ((kind, 0), (f"new-{kind}", 1)):
                settings = PhantomSettings(scans=wished.scans, size=wished.size, masks=False, seed=seed)
                write_phantoms(project / folder, settings)
                if kind == "padded":
                    plant(project / folder)
            words = ("--preset", "smoke", "--epochs", wished.epochs, "--config", "split.toml")
            version = ctexp(project, "train", "--data", kind, *words)["model"]["version"]
            reference = f"models:/ctexp/{version}"
            show(f"{kind}, its validation", ctexp(project, "evaluate", reference, "--audit"))
        for kind in ("padded", "plain"):
            show(f"padded, new {kind}", ctexp(project, "evaluate", "models:/ctexp/1", "--on", f"new-{kind}", "--audit"))


if __name__ == "__main__":
    main()
