"""The report as one HTML file: it opens offline, on any screen, and all that comes from data is escaped."""

import base64
import hashlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Any

from ctexp.searching.records import Choice, TrialRecord
from ctexp.searching.report.facts import SweepFacts, score_of
from ctexp.searching.report.words import NOT_MEDICAL, SYNTHETIC, headline, looks_words, notes, outcome, scored
from ctexp.searching.wording import duration, text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 120


@dataclass(frozen=True)
class Plate:
    """A picture with its heading, the words below it, and those for people who cannot see it."""

    title: str
    figure: "Figure"
    caption: str
    alternative: str


def write_page(
    facts: SweepFacts,
    trials: Sequence[TrialRecord],
    choice: Choice | None,
    plates: Sequence[Plate],
    remarks: Sequence[str] = (),
) -> str:
    """Write the page.

    Its content security policy lets nothing in from outside, and runs no script but the page's own.

    Args:
        facts: of the sweep.
        trials: all of it.
        choice: the trial that it ends with, if any.
        plates: the pictures, in order.
        remarks: why a picture is not there.
    """
    script, style = _file("page.js"), _file("page.css")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    html = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>Sweep {escape(facts.name)}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<header>
<h1>Sweep {escape(facts.name)}</h1>
<p class="question">{escape(facts.question)}</p>
{f'<p class="notice">{escape(SYNTHETIC)}</p>' if facts.synthetic else ""}
</header>
<main>
{_chosen(facts, trials, choice)}
<h2>The sweep</h2>
{_facts(facts, trials)}
<h2>Pictures</h2>
{"".join(f"<p>{escape(one)}</p>" for one in remarks)}
{"".join(map(_plate, plates))}
<h2>All trials</h2>
{_table(facts, trials, choice) if trials else "<p>There are none.</p>"}
</main>
<footer><p>{NOT_MEDICAL}{f" {SYNTHETIC}" if facts.synthetic else ""}</p></footer>
<script>{script}</script>
</body>
</html>
"""
    return html.encode("utf-8", "replace").decode()  # file names may hold bytes that are no text


def _chosen(facts: SweepFacts, trials: Sequence[TrialRecord], choice: Choice | None) -> str:
    said = "".join(f"<p>{escape(one)}</p>" for one in notes(facts, trials, choice))
    if choice is None:
        reasons = sorted({one.reason for one in trials if one.reason})[:3]
        why = "".join(f"<li>{escape(one)}</li>" for one in reasons)
        return f"<h2>The result</h2><p>{escape(headline(facts, choice))}</p><ul>{why}</ul>{said}"
    trial, best = choice.trial, choice.best
    others = [] if best.number == trial.number else [("best score: trial " + str(best.number), best)]
    columns = [(f"chosen: trial {trial.number}", trial), *others]
    head = "".join(f"<th>{escape(words)}</th>" for words, _ in columns)
    rows = "".join(
        f"<tr><th>{_breakable(axis.key)}</th>"
        + "".join(f"<td>{escape(text(one.configuration.get(axis.key, 'not set')))}</td>" for _, one in columns)
        + f"<td>{escape(axis.range)}</td></tr>"
        for axis in facts.axes
    )
    weights = "".join(f"<td>{one.weights:,}</td>" if one.weights else "<td></td>" for _, one in columns)
    scores = "".join(f"<td>{scored(one)}</td>" for _, one in columns)
    return f"""<h2>The chosen trial</h2>
<p class="score">Trial {trial.number}: {escape(facts.score)} {scored(trial)}</p>
<p>Why this one: {escape(choice.reason)}.</p>
<div class="scroll"><table><thead><tr><th>setting</th>{head}<th>searched</th></tr></thead><tbody>{rows}
<tr><th>{escape(facts.score)}</th>{scores}<td></td></tr><tr><th>weights</th>{weights}<td></td></tr></tbody></table></div>
<p>Its run: <code>{escape(trial.run_id)}</code></p>
{_quoted(facts)}<h3>How to read the scores</h3>
{said}"""


def _quoted(facts: SweepFacts) -> str:
    """Write the table of what is quoted for the registered network."""
    if not facts.quoted:
        return ""
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{one.value:.3f}</td>"
        f"<td>{one.low:.3f} to {one.high:.3f}</td><td>{one.n}</td></tr>"
        for name, one in facts.quoted
    )
    return f"""<h3>The registered network on the validation scans</h3>
<div class="scroll"><table><thead><tr><th>metric</th><th>value</th><th>95 % interval</th><th>scans</th></tr></thead>
<tbody>{rows}</tbody></table></div>
"""


def _facts(facts: SweepFacts, trials: Sequence[TrialRecord]) -> str:
    worked = sum(one.seconds for one in trials)
    entries = [
        ("trials", outcome(trials)),
        ("objective", f"{facts.score}, {'higher' if facts.maximise else 'lower'} is better"),
        ("algorithm", facts.algorithm),
        ("each trial", f"at most {facts.epochs} epochs" + (f" in each of {facts.folds} folds" if facts.folds else "")),
        ("time", f"{duration(facts.seconds)}, {facts.workers} at a time; {duration(worked)} in all trials"),
        ("seeds", f"{facts.seed} (weights, split, order), {facts.search_seed} (search)"),
        ("signature", facts.signature),
        ("run", facts.run_id),
        ("data", facts.data),
        ("locked test", looks_words(facts.looks)),
    ]
    wide = ("data", "locked test")
    return '<dl class="facts">' + "".join(
        f"<div{' class=wide' if word in wide else ''}><dt>{word}</dt><dd>{escape(said)}</dd></div>"
        for word, said in entries
    ) + "</dl>"  # fmt: skip


def _plate(plate: Plate) -> str:
    png = io.BytesIO()
    plate.figure.savefig(png, format="png", dpi=_DPI, metadata={"Software": None})
    width, height = plate.figure.get_size_inches()
    return f"""<figure>
<h3>{escape(plate.title)}</h3>
<div class="scroll" tabindex="0"><img style="--inches:{width:.2f}" width="{width * 100:.0f}" height="{height * 100:.0f}"
 alt="{escape(plate.alternative)}" src="data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"></div>
<figcaption>{escape(plate.caption)}</figcaption>
</figure>
"""


def _table(facts: SweepFacts, trials: Sequence[TrialRecord], choice: Choice | None) -> str:
    number = ' class="number"'
    heads = [("trial", number), ("status", ""), ("score", number), ("± error", number)]
    heads += [(axis.key, "" if axis.kind == "choice" else number) for axis in facts.axes]
    heads += [("folds", "")] if any(one.fold_scores for one in trials) else []
    heads += [("epochs", number)] if not facts.folds else []
    heads += [("weights", number), ("seconds", number), ("reason", ""), ("run", "")]
    words = {word for word, _ in heads}
    sign = -1 if facts.maximise else 1
    ordered = sorted(
        trials, key=lambda one: (math.isnan(score_of(one)), sign * (_known(score_of(one)) or 0), one.number)
    )
    rows = []
    for one in ordered:
        chosen = choice is not None and one.number == choice.trial.number
        cells = [
            _cell(one.number, number),
            f'<td data-value="{one.status}">{one.status}{", <b>chosen</b>" if chosen else ""}</td>',
            _cell(_known(score_of(one)), number, "{:.4f}"),
            _cell(one.error if _known(score_of(one)) is not None else None, number, "{:.3f}"),
            *(_cell(one.configuration.get(axis.key), "" if axis.kind == "choice" else number) for axis in facts.axes),
        ]
        if "folds" in words:
            cells.append(_cell(" ".join(f"{score:.3f}" for score in one.fold_scores), ' class="line"'))
        if "epochs" in words:
            cells.append(_cell(len(one.curve) or None, number))
        cells += [
            _cell(one.weights, number, "{:,}"),
            _cell(one.seconds, number, "{:.1f}"),
            _cell(one.reason, ' class="reason"' if one.reason else ""),
            f'<td><code title="{escape(one.run_id)}">{escape(one.run_id[:8])}</code></td>',
        ]
        rows.append(f"<tr{' class=chosen' if chosen else ''}>{''.join(cells)}</tr>\n")
    head = "".join(f'<th scope="col"{kind}>{_breakable(word)}</th>' for word, kind in heads)
    return f"""<p>The best score stands first. The reason says why a trial was stopped, failed or is interrupted.</p>
<div class="scroll tall" tabindex="0"><table class="sortable">
<thead><tr>{head}</tr></thead>
<tbody>
{"".join(rows)}</tbody></table></div>"""


def _cell(value: Any, kind: str = "", shape: str | None = None) -> str:
    if value is None:
        return f"<td{kind}></td>"
    said = shape.format(value) if shape else text(value)
    exact = f' data-value="{escape(repr(value))}"' if isinstance(value, int | float) else ""
    return f"<td{kind}{exact}>{escape(said)}</td>"


def _breakable(key: str) -> str:
    return escape(key).replace(".", ".<wbr>").replace("_", "_<wbr>")


def _known(score: float) -> float | None:
    return None if math.isnan(score) else score


def _file(name: str) -> str:
    return resources.files("ctexp.searching.report").joinpath(name).read_text(encoding="utf-8")
