"""The pages of the checkout, and the commands that they give."""

import re
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "sweeps/*.md", "mlruns/*.md", "benchmarks/*.md")
    for path in CHECKOUT.glob(pattern)
)
GENERATED = CHECKOUT / "docs" / "reference" / "command-line.md"  # its usage lines are no commands to type


def code_lines(page: Path) -> Iterator[str]:
    """The lines of a page's code blocks, indented or fenced, continued ones joined."""
    fenced = False
    joined = ""
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            joined += line.strip().removesuffix("\\")
            if not line.endswith("\\"):
                yield joined
                joined = ""


def commands_of(page: Path) -> list[str]:
    """Every command line of ctexp in a page's code blocks, without prompt, comment and what is piped."""
    found = []
    for line in code_lines(page):
        for part in re.split(r"&&|[|;<>]|\$\(", re.sub(r"(^|\s)#.*", "", line)):
            typed = re.match(r"(?:\$ )?(?:\w+=\S+ )*(?:\.venv/bin/)?(ctexp( .*)?)$", part.strip())
            if typed:
                found.append(typed[1])
    return found
