"""Figures that a benchmark finds, kept for `python -m benchmarks` beside what the benchmark prints."""

import json
import os
from pathlib import Path

FILE = "CTEXP_BENCHMARK_FIGURES"
"""Names the file, JSON lines; without it nothing is kept."""


def keep(name: str, value: float | str, unit: str = "", wished: str = "") -> None:
    """Keep one figure.

    Args:
        name: what was measured, in a few words.
        value: the measured value.
        unit: of it.
        wished: what the project wishes for, in words; empty where it has no wish.
    """
    if file := os.environ.get(FILE):
        part = os.environ.get("CTEXP_BENCHMARK_PART", "")
        line = {"part": part, "name": name, "value": value, "unit": unit, "wished": wished}
        with Path(file).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
