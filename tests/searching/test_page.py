"""The page: whole in itself, escaped, and saying what a reader must not forget."""

import base64
import hashlib
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from ctexp.learning.intervals import auc
from ctexp.searching.records import Choice, TrialRecord
from ctexp.searching.report.facts import Axis, SweepFacts
from ctexp.searching.report.page import Plate, write_page

EVIL = "</td><script>alert('x')</script><img src=x onerror=alert(1)>\"'&lt;"
AXES = (
    Axis("training.learning_rate", "float", 1e-4, 1e-2, True),
    Axis("network.filters", "choice", choices=((8, 16), (16,))),
)
FACTS = SweepFacts("default", "Which width?", "val_auc", True, "bayesian", 15, 0, 2, 61.0, "200 scans of phantom", True,
                   "parent", AXES, "3fa2b1c0", 0, 1)  # fmt: skip


def trial(number: int, score: float | None, status: str = "finished", **more: object) -> TrialRecord:
    """One trial."""
    values = {"training.learning_rate": 0.0012345678, "network.filters": (8, 16)}
    return TrialRecord(number, f"run{number}", status, values, score, 0.03, weights=1234, **more)  # type: ignore[arg-type]


TRIALS = [trial(0, 0.7), trial(1, None, "failed", reason="out of memory"), trial(2, 0.9), trial(3, 0.8, "stopped"),
          trial(4, 0.99, "interrupted")]  # fmt: skip
CHOICE = Choice(TRIALS[0], TRIALS[2], "trial 0 has the fewest weights")


class Elements(HTMLParser):
    """Every element with its attributes, and the text of the cells of the table of trials."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.within = False
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.found.append((tag, dict(attributes)))
        self.within = dict(attributes).get("class") == "sortable" if tag == "table" else self.within
        if tag == "tr" and self.within:
            self.rows.append([])
        elif tag in ("td", "th") and self.within:
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        """Add to the last cell."""
        if self.within and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of a kind."""
        return [attributes for name, attributes in self.found if name == tag]


def test_everything_from_data_is_escaped() -> None:
    """Markup in a name, a question, a source, a reason, a value or a run's id becomes text, never an element."""
    axes = (Axis(EVIL, "choice", choices=(EVIL, "fine")), *AXES)
    facts = replace(FACTS, name=EVIL, question=EVIL, data=EVIL, algorithm=EVIL, signature=EVIL, metric=EVIL, axes=axes,
                    run_id=EVIL)  # fmt: skip
    bad = [replace(one, run_id=EVIL, reason=EVIL, configuration={**one.configuration, EVIL: EVIL}) for one in TRIALS]
    for choice in (Choice(bad[0], bad[2], EVIL), None):
        page = Elements(write_page(facts, bad, choice, [], [EVIL]))
        plain = Elements(
            write_page(
                replace(FACTS, axes=(Axis("x", "choice", choices=("x",)), *AXES)), TRIALS, choice and CHOICE, [], ["x"]
            )
        )
        assert len(page.of("script")) == 1
        assert [tag for tag, _ in page.found if tag not in ("li", "wbr")] == [
            tag for tag, _ in plain.found if tag not in ("li", "wbr")
        ]
        assert not any(name.startswith("on") for _, attributes in page.found for name in attributes)
        assert any(EVIL.replace(" ", "") in cell.replace(" ", "") for row in page.rows for cell in row)


def test_it_needs_nothing_from_outside() -> None:
    """No address, no linked file; the policy names the page's own script by its hash and forbids the rest."""
    html = write_page(FACTS, TRIALS, CHOICE, [])
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", html)
    page = Elements(html)
    assert all("src" not in attributes for attributes in page.of("script"))
    assert [attributes["href"] for attributes in page.of("link")] == ["data:,"]
    policy = next(one["content"] or "" for one in page.of("meta") if one.get("http-equiv") == "Content-Security-Policy")
    script = html.partition("<script>")[2].partition("</script>")[0]
    assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none'")


def test_table_of_all_trials() -> None:
    """Every trial has a row: best score first, those without one that counts last; the chosen one is marked."""
    page = Elements(write_page(FACTS, TRIALS, CHOICE, []))
    head, *rows = page.rows
    assert head == ["trial", "status", "score", "± error", "training.learning_rate", "network.filters", "epochs",
                    "weights", "seconds", "reason", "run"]  # fmt: skip
    assert [row[0] for row in rows] == ["2", "3", "0", "1", "4"]
    assert [row[2] for row in rows] == ["0.9000", "0.8000", "0.7000", "", ""]
    assert [row[1] for row in rows if "chosen" in row[1]] == ["finished,chosen"]
    assert rows[3][9] == "out of memory"
    assert rows[0][4:6] == ["0.001235", "8, 16"]
    assert any(one.get("data-value") == "0.0012345678" for one in page.of("td"))


def test_a_lower_loss_is_better() -> None:
    """Where lower is better the lowest score stands first."""
    page = Elements(write_page(replace(FACTS, metric="val_loss", maximise=False), TRIALS, CHOICE, []))
    assert [row[0] for row in page.rows[1:]] == ["0", "3", "2", "1", "4"]


def test_what_a_reader_must_not_forget() -> None:
    """The chosen score is called optimistic, synthetic scans are called so when they are, and no page is medical."""
    html = write_page(FACTS, TRIALS, CHOICE, [])
    assert "The score of the chosen trial is optimistic" in html
    assert "trial 0 has the fewest weights" in html
    assert html.count("say nothing about patients") == 2
    real = write_page(replace(FACTS, synthetic=False), TRIALS, CHOICE, [])
    assert "say nothing about patients" not in real
    assert "not a medical device" in html
    assert "not a medical device" in real


@pytest.mark.parametrize("some", [[], TRIALS[1:2]])
def test_no_trial_was_chosen(some: list[TrialRecord]) -> None:
    """Without a choice the page says so, gives the reasons, and calls no score optimistic."""
    html = write_page(FACTS, some, None, [])
    assert "No trial was chosen" in html
    assert "optimistic" not in html
    assert ("out of memory" in html) == bool(some)


def test_what_is_quoted_has_its_interval_and_the_looks_are_told() -> None:
    """The registered network's metrics stand with interval and n, and how often the locked test was read."""
    page = write_page(
        replace(FACTS, quoted=(("AUC <1>", auc([0, 0, 1, 1], [1, 3, 2, 4])),), looks=2), TRIALS, CHOICE, []
    )
    assert "<tr><th>AUC &lt;1&gt;</th><td>0.750</td>" in page
    assert re.search(r"<td>0\.\d{3} to 0\.\d{3}</td><td>4</td>", page)
    assert "had been looked at 2 times" in page
    assert "looked at once" in write_page(replace(FACTS, looks=1), TRIALS, CHOICE, [])
    assert "nobody had before" in write_page(replace(FACTS, looks=0), TRIALS, None, [])
    assert "could not be read" in write_page(FACTS, TRIALS, None, [])


def test_folds() -> None:
    """With folds the score of each is told, and there is no column of epochs."""
    some = [trial(0, 0.7, fold_scores=(0.6, 0.8))]
    page = Elements(write_page(replace(FACTS, folds=2), some, Choice(some[0], some[0], "it is the only one"), []))
    assert dict(zip(*page.rows, strict=True))["folds"] == "0.600 0.800"
    assert "epochs" not in page.rows[0]


def test_file_names_that_are_no_text() -> None:
    """A reason with undecodable bytes of a file name does not keep the page from being written."""
    html = write_page(FACTS, [trial(0, None, "failed", reason="scan\udcff.nii: bad")], None, [])
    assert "scan?.nii: bad" in html.encode("utf-8").decode()


@pytest.mark.slow
def test_pictures_are_inside() -> None:
    """A picture is a PNG within the page, with its words below it and its alternative escaped."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 2))
    figure.subplots().plot([0, 1], [0, 1])
    (image,) = Elements(write_page(FACTS, TRIALS, CHOICE, [Plate("Title", figure, "Caption & more", EVIL)])).of("img")
    assert image["alt"] == EVIL
    kind, _, data = (image["src"] or "").partition(",")
    assert kind == "data:image/png;base64"
    assert np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).shape[:2] == (240, 480)
