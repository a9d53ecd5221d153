"""What it costs to start: help, a usage error, a dry run; whole processes, medians.

    python -m benchmarks.startup [--runs 9]

Beside each the same interpreter doing nothing, and importing what training needs. The first round, which is not
counted, leaves compiled modules as an installation does, whatever the shell says of that.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.figures import keep

COMMANDS = {
    "python, nothing": ["-c", ""],
    "ctexp --help": ["-m", "ctexp", "--help"],
    "ctexp train, a mistyped preset": ["-m", "ctexp", "train", "--preset", "defautl"],
    "ctexp sweep --dry-run": ["-m", "ctexp", "sweep", "--dry-run"],
    "import tensorflow and mlflow": ["-c", "import tensorflow, mlflow"],
}


def main() -> None:
    """Measure in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(runs + 1):
            for name, words in COMMANDS.items():
                began = time.perf_counter()
                subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, check=False)
                if number:  # the first compiles, and warms the disk's cache
                    seconds[name].append(time.perf_counter() - began)
    print("| command | median s | fastest s |\n|---|---|---|")
    for name, values in seconds.items():
        print(f"| {name} | {statistics.median(values):.2f} | {min(values):.2f} |")
    keep("ctexp --help", statistics.median(seconds["ctexp --help"]), "s", "under 0.3")
    keep("a usage error of train", statistics.median(seconds["ctexp train, a mistyped preset"]), "s")
    keep("ctexp sweep --dry-run", statistics.median(seconds["ctexp sweep --dry-run"]), "s", "under 1")


if __name__ == "__main__":
    main()
