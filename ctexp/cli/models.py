"""`ctexp models`: which versions there are, which one answers, since when and why."""

import enum
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctexp.cli.console import WIDTH, ConsoleWatch, narrate, print_json
from ctexp.cli.group import group
from ctexp.cli.store import begun_project, open_to_read
from ctexp.errors import ConfigError

if TYPE_CHECKING:
    from ctexp.experiments.evaluating.promote import Move
    from ctexp.registry.catalogue import ListedVersion
    from ctexp.registry.history import History

app = group("See the registered versions and decide which one answers.")
Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; kept in the history.", show_default=False)]


class Page(enum.StrEnum):
    """How a model card is written."""

    md = "md"
    html = "html"


_ENDINGS = {".md": Page.md, ".markdown": Page.md, ".html": Page.html, ".htm": Page.html}


@app.command("list")
def list_(json: Json = False) -> None:
    """Show all versions, the newest first."""
    from ctexp.registry.catalogue import list_versions

    versions = list_versions(open_to_read())
    if json:
        print_json({"versions": [one.as_json() for one in versions]})
        return
    print("version  registered (UTC)  run       validation AUC (95 %), n        aliases")
    for one in versions:
        print(_line(one))
    if any(one.synthetic for one in versions):
        print("* trained on synthetic scans: says nothing about patients")
    print("Research software; not a medical device.")


@app.command("promote")
def promote(
    reference: Annotated[
        str | None,
        typer.Argument(
            metavar="REF",
            help="NAME@ALIAS, models:/NAME/VERSION or a run id; default: the challenger.",
            show_default=False,
        ),
    ] = None,
    margin: Annotated[float, typer.Option(metavar="F", help="AUC that it may be worse by.")] = 0.05,
    loss_margin: Annotated[float, typer.Option(metavar="F", help="Log loss, in nats, that it may be worse by.")] = 0.05,
    force: Annotated[bool, typer.Option(help="Promote whatever the comparison says; needs --reason.")] = False,
    reason: Reason = "",
    json: Json = False,
) -> None:
    """Make a version the champion, if it is not worse than the present one.

    Both answer on the validation scans of REF that neither was trained on. The lower end of the one-sided 95 %
    interval of what is gained must lie above minus the margin, for the AUC and for the log loss.
    """
    project = begun_project()

    from ctexp.experiments.evaluating.judge import Margins
    from ctexp.experiments.evaluating.promote import promote as work
    from ctexp.project import MODEL_NAME
    from ctexp.searching.request import training_of_sweep

    margins = Margins(margin, loss_margin)
    move = work(
        reference or f"{MODEL_NAME}@challenger",
        project,
        ConsoleWatch(),
        margins=margins,
        of_sweep=training_of_sweep,
        force=force,
        reason=reason,
    )
    _print_move(move, json=json)


@app.command("rollback")
def rollback(reason: Reason = "", json: Json = False) -> None:
    """Make the champion before the present one champion again."""
    project = begun_project()

    from ctexp.experiments.evaluating.promote import rollback as work

    _print_move(work(project, ConsoleWatch(), reason), json=json)
    if not reason:
        narrate("No --reason was given: whoever reads the history will ask for one.")


@app.command("history")
def history(json: Json = False) -> None:
    """Show every change of the champion, the earliest first."""
    from ctexp.registry.history import read_history

    found = read_history(open_to_read())
    if json:
        events = [one.as_json() for one in found.events]
        print_json({"champion": found.champion, "agrees": found.agrees, "events": events})
        return
    _print_history(found)


@app.command("card")
def card(
    reference: Annotated[
        str | None, typer.Argument(metavar="REF", help="As for promote; default the champion.", show_default=False)
    ] = None,
    format: Annotated[
        Page | None, typer.Option(help="How to write it; default as FILE ends, else md.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write here instead of showing it.")] = None,
) -> None:
    """Write a version's model card, from what was logged."""
    page = _page(format, out)
    store = open_to_read()

    from ctexp.errors import WorkError
    from ctexp.files import atomic_write
    from ctexp.registry.card import as_html, as_markdown, compose_card, gather_facts
    from ctexp.registry.references import resolve

    made = compose_card(gather_facts(store, resolve(store, reference)))
    text = as_html(made) if page is Page.html else as_markdown(made)
    if out is None:
        print(text, end="")
        return
    try:
        with atomic_write(out) as stream:
            stream.write(text.encode())
    except OSError as error:
        raise WorkError(f"--out {out}: must be a file that can be written: {error}") from error
    narrate(f"written: {out}")


def _page(wished: Page | None, out: Path | None) -> Page:
    """Settle how a card is written: as wished, else as the file's ending has it, which must not contradict."""
    ending = None if out is None else _ENDINGS.get(out.suffix.lower())
    if out is not None and wished is not None and ending not in (None, wished):
        raise ConfigError(f"--out {out}: must end in .{wished} where --format is {wished}, it ends in {out.suffix}; "
                          "leave out --format, or name another file")  # fmt: skip
    return wished or ending or Page.md


def _line(one: "ListedVersion") -> str:
    area = "-"
    if one.auc is not None:
        value, low, high = one.auc
        area = f"{value:.3f} ({low:.3f} to {high:.3f}), {'?' if one.scans is None else one.scans}"
    mark = "*" if one.synthetic else " "
    aliases = " ".join(f"@{alias}" for alias in one.aliases)
    return f"{one.version + mark:<7}  {one.when:%Y-%m-%d %H:%M}  {one.run_id[:8]:<8}  {area:<30}  {aliases}".rstrip()


def _print_move(move: "Move", *, json: bool) -> None:
    if json:
        print_json(move.as_json())
        return
    judgement = move.judgement
    if judgement is not None:
        if judgement.numbers:
            _print_comparison(judgement.numbers, move.before or "?", move.version)
        for one in judgement.checks:
            print(_wrapped(f"{'passed' if one.passed else 'FAILED'}  {one.name}: {one.text}"))
        for note in judgement.notes:
            print(_wrapped(f"note    {note}"))
    was = f"was version {move.before}" if move.before else "there was none"
    forced = ", by force" if move.event.what == "forced" else ""
    print(f"@champion is version {move.version} ({was}){forced}. Not a medical device.")


def _print_comparison(numbers: dict[str, Any], champion: str, challenger: str) -> None:
    print(f"On {numbers['scans']} validation scans ({numbers['abnormal']} abnormal):")
    heads = "".join(f"{f'version {one}':>12}" for one in (champion, challenger))
    print(f"{'':<10}{heads}{'gain':>10}{'at least':>10}{'must be above':>15}")
    for key, words in (("auc", "AUC"), ("log_loss", "log loss")):
        one = numbers[key]
        print(f"{words:<10}{one['champion']:>12.3f}{one['challenger']:>12.3f}{one['gain']:>+10.3f}"
              f"{one['at_least']:>+10.3f}{one['allowed']:>+15.3f}")  # fmt: skip


def _print_history(found: "History") -> None:
    if not found.events:
        print("No change of the champion is on record.")
    for one in found.events:
        move = f"version {one.version}" if one.before in (None, one.version) else f"{one.before} -> {one.version}"
        print(f"{one.when}  {one.what:<11}  {move:<12}  {one.who}")
        for name, words in (("auc", "AUC"), ("log_loss", "log loss")):
            pair = one.numbers.get(name)
            if pair:
                print(f"    {words} {pair['challenger']:.3f} against {pair['champion']:.3f}, "
                      f"{one.numbers['scans']} scans")  # fmt: skip
        for failure in one.numbers.get("failed", ()) if one.what == "forced" else ():
            print(textwrap.fill(f"against: {failure}", WIDTH, initial_indent="    ", subsequent_indent="      "))
        if one.why:
            print(textwrap.fill(f"why: {one.why}", WIDTH, initial_indent="    ", subsequent_indent="      "))
    print(f"@champion is {'not set' if found.champion is None else f'version {found.champion}'}.")
    if found.events and not found.agrees:
        narrate(
            "The alias is not what the history ends with: it was moved outside ctexp, or a promotion was cut off. "
            "The next promotion or rollback puts it on record."
        )


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=" " * 8, break_long_words=False, break_on_hyphens=False)
