"""A model card as Markdown and as one HTML page that needs nothing from outside; what is logged is never markup.

But for one thing: what stands between backticks in a paragraph is shown as code.
"""

import html
import re
import textwrap

from ctexp.registry.card.parts import MISSING, Card, Table

WIDTH = 80
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}"
    "h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid #bbb}"
    "table{border-collapse:collapse;margin:.6rem 0}td,th{border:1px solid #ccc;padding:.2rem .6rem;text-align:left;"
    "vertical-align:top;overflow-wrap:anywhere}th{background:#f2f2f2}.lead{border-left:4px solid #b00;"
    "padding:.4rem .8rem;background:#fbeeee}.missing{color:#6b6b6b;font-style:italic}"
    "code{background:#f2f2f2;padding:0 .2em}"
    "@media print{body{margin:0;font-size:11pt}h2{break-after:avoid}tr{break-inside:avoid}}"
)


def as_markdown(card: Card) -> str:
    """Write a card as Markdown; paragraphs are wrapped at 80 characters, tables are as wide as their words."""
    lines = [f"# {_plain(card.title)}", "", *_wrapped(f"**{_plain(card.lead)}**"), ""]
    for section in card.sections:
        lines += [f"## {_plain(section.heading)}", ""]
        for part in section.parts:
            lines += [*(_markdown_table(part) if isinstance(part, Table) else _wrapped(_plain(part))), ""]
    return "\n".join(lines).rstrip() + "\n"


def as_html(card: Card) -> str:
    """Write a card as one HTML page without scripts, pictures or links."""
    body = [f"<h1>{html.escape(card.title)}</h1>", f'<p class="lead"><strong>{html.escape(card.lead)}</strong></p>']
    for section in card.sections:
        body.append(f"<h2>{html.escape(section.heading)}</h2>")
        body += [_html_table(part) if isinstance(part, Table) else f"<p>{_html_text(part)}</p>"
                 for part in section.parts]  # fmt: skip
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{html.escape(card.title)}</title><style>{_STYLE}</style></head><body>",
            *body,
            "</body></html>",
            "",
        ]
    )


def _markdown_table(table: Table) -> list[str]:
    rows = [[_plain(cell) for cell in row] for row in (table.head, *table.rows)]
    widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) + " |"
             for row in rows]  # fmt: skip
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def _html_table(table: Table) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in table.head)
    rows = "".join("<tr>" + "".join(map(_html_cell, row)) + "</tr>" for row in table.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _html_text(text: str) -> str:
    """Escape a paragraph, then mark its code: a backtick is escaped by nothing and escapes nothing."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def _html_cell(text: str) -> str:
    missing = ' class="missing"' if text == MISSING else ""
    return f"<td{missing}>{html.escape(text)}</td>"


def _plain(text: str) -> str:
    """Keep a text one line, and what looks like markup in it a text."""
    return re.sub(r"([\\|*<>\[\]])", r"\\\1", " ".join(text.split()))


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)
