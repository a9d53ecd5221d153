"""Measure everything and write one table.

    python -m benchmarks [PART ...] [--out FOLDER] [--quick]

Each part is a benchmark of its own, run in its own process, one after another, on synthetic scans. What it prints goes
to FOLDER/PART.md; the figures go to FOLDER/figures.md and FOLDER/figures.json with a description of the machine. All of
it takes some hours on two cores; `--quick` takes fewer scans and runs, to see that it works. A machine that does
something else at the same time makes absolute times too long, and ratios less sure.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import psutil

from benchmarks.figures import FILE
from ctexp import __version__

PARTS: dict[str, tuple[list[str], list[str]]] = {
    "startup": ([], ["--runs", "3"]),
    "prepare": ([], ["--scans", "4", "--rounds", "2"]),
    "predict": ([], ["--scans", "20", "--runs", "2"]),
    "step": ([], ["--steps", "2", "--presets", "default"]),
    "training": ([], ["--scans", "24", "--epochs", "2"]),
    "tracking": ([], ["--scans", "24", "--size", "64", "--epochs", "2"]),
    "autolog": ([], ["--scans", "16", "--epochs", "2"]),
    "growth": ([], ["--scans", "50,100"]),
    "sweep": ([], ["memory", "workers", "--scans", "40"]),
    "leakage": ([], ["--scans", "20", "--copies", "4", "--size", "64"]),
    "intervals": ([], []),
    "promotions": ([], []),
    "champions": ([], []),
    "shortcuts": ([], ["--scans", "40", "--size", "48", "--epochs", "2"]),
}
"""Words for the whole, and for `--quick`. Run alone: `explain` and `serve` want a trained project."""


def machine() -> dict[str, str]:
    """Describe what measures."""
    from ctexp.tracking.provenance import hardware_facts, package_versions

    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    return {
        "date": datetime.date.today().isoformat(),
        "ctexp": __version__,
        **{key.removeprefix("hardware."): value for key, value in hardware_facts().items()},
        "free memory": f"{psutil.virtual_memory().available / 2**30:.1f} GiB",
        "load at the start": load,
        **package_versions(),
        "python": platform.python_version(),
    }


def run(part: str, words: list[str], folder: Path) -> tuple[bool, float]:
    """Run a part to its end, showing what it prints; tell whether it ended well, and its seconds."""
    environment = {**os.environ, FILE: str(folder / "figures.jsonl"), "CTEXP_BENCHMARK_PART": part}
    command = [sys.executable, "-u", "-m", f"benchmarks.{part}", *words]
    began = time.monotonic()
    with (folder / f"{part}.md").open("w", encoding="utf-8") as file:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            file.write(line)
    return process.wait() == 0, time.monotonic() - began


def table(facts: dict[str, str], figures: list[dict], seconds: dict[str, float]) -> str:
    """Give the table as Markdown."""
    lines = ["# What was measured", "", *(f"- {key}: {value}" for key, value in facts.items()), ""]
    lines += ["| part | figure | value | wished |", "|---|---|---|---|"]
    for one in figures:
        value = f"{one['value']:,.4g}" if isinstance(one["value"], float) else str(one["value"])
        lines.append(f"| {one['part']} | {one['name']} | {value} {one['unit']} | {one['wished']} |")
    lines += [
        "",
        "Seconds each part took: " + ", ".join(f"{part} {spent:.0f}" for part, spent in seconds.items()) + ".",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the parts and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[], metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--out", type=Path, default=Path("benchmark-results"))
    parser.add_argument("--quick", action="store_true")
    wished = parser.parse_args()
    wished.out.mkdir(parents=True, exist_ok=True)
    kept = wished.out / "figures.jsonl"
    kept.unlink(missing_ok=True)
    facts, seconds, failed = machine(), {}, []
    for part in wished.parts or PARTS:
        print(f"\n## {part}\n", flush=True)
        well, seconds[part] = run(part, PARTS[part][wished.quick], wished.out)
        failed += [] if well else [part]
        lines = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
        figures = [json.loads(line) for line in lines]
        (wished.out / "figures.md").write_text(table(facts, figures, seconds), encoding="utf-8")
        whole = {"machine": facts, "figures": figures, "seconds": seconds, "failed": failed}
        (wished.out / "figures.json").write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    kept.unlink(missing_ok=True)
    print(f"\nwritten to {wished.out / 'figures.md'} and {wished.out / 'figures.json'}")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
