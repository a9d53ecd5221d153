"""The model card: every logged fact under its heading, every missing one said to be missing, nothing read as markup."""

import dataclasses
import re
import subprocess
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from ctexp.config import Experiment, ScanSettings
from ctexp.learning.intervals import Estimate
from ctexp.overrides import flatten
from ctexp.registry.card import CardFacts, as_html, as_markdown, compose_card
from ctexp.registry.card.facts import Evaluation
from ctexp.registry.card.parts import MISSING, interval
from ctexp.registry.history import Event, History
from ctexp.registry.manifest import PredictorManifest
from ctexp.scans.quality.features import FEATURES
from ctexp.scans.quality.reference import Reference

MITCHELL = ["Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data",
            "Quantitative analyses", "Ethical considerations", "Caveats and recommendations"]  # fmt: skip
RUN = "0123456789abcdef" * 2
WHEN = datetime(2031, 5, 17, 8, 30, tzinfo=UTC)


def full() -> CardFacts:
    """A version of which everything was logged."""
    params = {
        **{key: str(value) for key, value in flatten(Experiment()).items()},
        "network.weights": "4081",
        "preset": "default",
        "data.source": "ward 7",
        "data.hash": "d" * 64,
        "data.scans": "215", "data.left_out": "15",
        "data.synthetic": "false",
        "data.skipped": "3",
        "data.class.sick": "90",
        "split.hash": "e" * 64,
        **{f"data.{side}.{word}": str(count) for side, counts in
           {"train": (70, 58), "validation": (18, 14), "test": (22, 18)}.items()
           for word, count in zip(("normal", "abnormal"), counts, strict=True)},
    }  # fmt: skip
    metrics = {"val_loss": 0.31, "best_epoch": 7.0, "seconds_training": 123.4}
    for number, name in enumerate(("auc", "accuracy", "sensitivity", "specificity", "auc_mean_hu")):
        metrics |= {f"val_{name}": 0.9 - number / 100, f"val_{name}_low": 0.8, f"val_{name}_high": 0.95}
    metrics |= Estimate(0.83, 0.7, 0.91, 17).as_metrics("val_ppv")
    metrics |= Estimate(0.12, 0.08, 0.16, 32).as_metrics("val_brier_before")
    manifest = PredictorManifest(
        scan=ScanSettings(), networks={"network.onnx": "f" * 64}, synthetic=False, run_id=RUN, temperature=1.5,
        threshold=0.25, calibrated_on=32, operating_point={"wished_sensitivity": 0.95, "scans": 32},
    )  # fmt: skip
    event = Event("k", "forced", "2", "1", "ann@ward", "2031-05-18T00:00:00+00:00", "the old one was withdrawn",
                  {"against": "1", "scans": 32, "auc": {"challenger": 0.9, "champion": 0.8},
                   "log_loss": {"challenger": 0.3, "champion": 0.4}})  # fmt: skip
    test = Evaluation(
        "test",
        WHEN,
        {"data.scans": "40"},
        Estimate(0.85, 0.7, 0.93, 40).as_metrics("test_auc") | Estimate(0.52, 0.4, 0.64, 39).as_metrics("audit_header"),
        "3",
    )
    tags = {"git.commit": "abc123", "git.dirty": "true", "version.numpy": "2.1.0", "hardware.cpu": "some CPU",
            "ctexp.version": "0.1.0", "mlflow.user": "ann"}  # fmt: skip
    return CardFacts(
        "ctexp",
        "2",
        RUN,
        ("champion",),
        WHEN,
        params,
        metrics,
        tags,
        None,
        manifest,
        History((event,), "2"),
        (),
        (test,),
    )


def cell(text: str, item: str) -> str:
    """The value beside an item of a Markdown table."""
    rows = [[part.strip() for part in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    return next(row[1] for row in rows if row[0] == item)


def test_headings_are_those_of_the_paper_in_its_order() -> None:
    """The nine headings of Mitchell et al. are there, in order, with or without facts."""
    for facts in (full(), CardFacts("ctexp", "1", RUN)):
        headings = [section.heading for section in compose_card(facts).sections]
        assert [one for one in headings if one in MITCHELL] == MITCHELL


def test_facts_are_told_as_logged() -> None:
    """Counts, hashes, intervals with n, threshold, look, test and provenance stand in the card as they were logged."""
    text = as_markdown(compose_card(full()))
    assert cell(text, "training scans") == "70 normal, 58 abnormal"
    assert cell(text, "hash of scans and labels") == "d" * 64
    assert cell(text, "called abnormal from") == "0.25"
    assert cell(text, "threshold chosen") == "for a sensitivity of 0.95 on 32 scans"
    assert cell(text, "temperature") == "1.5, fitted to 32 scans"
    assert cell(text, "git commit of the project") == "abc123 (with changes)"
    assert cell(text, "SHA-256 of network.onnx") == "f" * 64
    assert "| AUC                       | 0.900 (0.800 to 0.950) | 32 " in text
    assert "| sensitivity               | 0.880 (0.800 to 0.950) | 14 " in text
    assert "| specificity               | 0.870 (0.800 to 0.950) | 18 " in text
    assert "On the locked test (look 3), 40 scans" in text
    assert cell(text, "audit: AUC of header facts, no network") == "0.520 (0.400 to 0.640)"
    assert re.search(r"\| AUC +\| 0.850 \(0.700 to 0.930\) \| 40 ", text)
    assert cell(text, "Brier score before calibration") == "0.120 (0.080 to 0.160)"
    assert "| positive predictive value | 0.830 (0.700 to 0.910) | 17 " in text
    words = " ".join(text.split())
    assert cell(text, "scans") == "215, of them 15 on no side of the split"
    assert "compared with version 1 on 32 validation scans that neither was trained on: AUC 0.900 against 0.8" in words
    assert "It was made champion by force, against the comparison: the old one was withdrawn" in words
    assert "not a medical device" in words


def test_patients_are_told_and_what_they_mean_for_the_intervals() -> None:
    """Where patients were logged their number stands beside the scans'; fewer than scans is a caveat."""
    patients = {"data.patients": "130", "data.train.patients": "90", "data.validation.patients": "32",
                "data.test.patients": "1"}  # fmt: skip
    facts = full()
    one_each = as_markdown(compose_card(dataclasses.replace(facts, params={**facts.params, **patients})))
    assert cell(one_each, "patients") == "130"
    assert cell(one_each, "training scans") == "70 normal, 58 abnormal, of 90 patients"
    assert cell(one_each, "validation scans") == "18 normal, 14 abnormal, of 32 patients"
    assert cell(one_each, "locked test scans") == "22 normal, 18 abnormal, of 1 patient"
    assert "too narrow" not in one_each
    fewer = {**facts.params, **patients, "data.validation.patients": "9"}
    words = " ".join(as_markdown(compose_card(dataclasses.replace(facts, params=fewer))).split())
    assert "The 32 scans are of 9 patients: the intervals take scans as independent, so they are too narrow." in words


def test_missing_facts_are_said_to_be_missing() -> None:
    """Of a version whose run and files are gone only name and number are told, and no number is made up."""
    card = compose_card(CardFacts("ctexp", "1", RUN, looks=None))
    text = as_markdown(card)
    for item in ("registered", "weights", "temperature", "training scans", "locked test scans", "seed", "source",
                 "synthetic", "packages", "hardware", "AUC"):  # fmt: skip
        assert cell(text, item) == MISSING, item
    assert "the ledger cannot be read" in text
    assert "not evaluated" in text
    rest = text.replace("version 1", "").replace(RUN, "")
    known = ("2 ", "0.5", "95", "3D")  # the words that every card has
    numbers = [word for word in rest.split() if word[0].isdigit() and not word.startswith(known)]
    assert numbers == []


def test_synthetic_scans_are_said_first() -> None:
    """A version of drawn scans says so in its first sentences, whoever knows it: manifest or run."""
    manifest = dataclasses.replace(full().manifest, synthetic=True)  # type: ignore[type-var]
    for facts in (
        dataclasses.replace(full(), manifest=manifest),
        CardFacts("ctexp", "1", RUN, params={"data.synthetic": "true"}),
    ):
        assert "says nothing about patients" in compose_card(facts).lead
    assert "patients" not in compose_card(full()).lead


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"val_auc_mean_hu": 0.95}, "the network adds nothing there"),
        ({"val_auc": 0.5}, "the network adds nothing there"),
    ],
)
def test_a_network_that_adds_nothing_is_told_of(change: dict[str, float], words: str) -> None:
    """Where mean density does as well the card says so, and only there."""
    facts = full()
    assert words not in " ".join(as_markdown(compose_card(facts)).split())
    worse = dataclasses.replace(facts, metrics={**facts.metrics, **change})
    assert words in " ".join(as_markdown(compose_card(worse)).split())


def test_an_ensembles_numbers_rest_on_both_sides() -> None:
    """Of a cross-validation each scan outside the test is answered out of fold: n counts them all."""
    facts = full()
    manifest = dataclasses.replace(facts.manifest, networks={"a.onnx": "1", "b.onnx": "2"})  # type: ignore[type-var]
    text = as_markdown(compose_card(dataclasses.replace(facts, manifest=manifest)))
    assert "| 0.900 (0.800 to 0.950) | 160 " in text
    assert "Out of fold" in text
    assert cell(text, "training scans") == "88 normal, 72 abnormal"
    assert cell(text, "validation scans") == "88 normal, 72 abnormal, out of fold"


def test_what_a_network_of_the_lungs_cannot_see_is_told() -> None:
    """A version that is shown the lungs alone says what it takes for chest wall; another one does not."""
    facts = full()
    assert facts.manifest is not None
    manifest = dataclasses.replace(facts.manifest, scan=ScanSettings(geometry="lungs"))
    lungs = dataclasses.replace(facts, manifest=manifest)
    told = [" ".join(as_markdown(compose_card(one)).split()) for one in (facts, lungs)]
    assert ["a consolidation wider than 4 cm" in text for text in told] == [False, True]


def test_logged_text_is_never_markup() -> None:
    """Names and reasons that look like HTML or Markdown are shown as they are, in both forms."""
    evil = "<script>alert(1)</script> | **x** [y](http://z)\nnew line"
    facts = dataclasses.replace(full(), params={**full().params, "data.source": evil})
    page, text = as_html(compose_card(facts)), as_markdown(compose_card(facts))
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert r"\<script\>alert(1)\</script\> \| \*\*x\*\* \[y\](http://z) new line" in text


def test_code_is_code_in_html_and_nothing_else_is() -> None:
    """A command is marked as code; tags between backticks in a reason are escaped within it, and no table changes."""
    event = dataclasses.replace(full().history.events[0], why="see `<b>x</b>` & go")
    facts = dataclasses.replace(full(), history=History((event,), "2"))
    page = as_html(compose_card(facts))
    assert "<code>ctexp evaluate</code>" in page
    assert "<code>ctexp evaluate --on test</code>" in page
    assert "<code>&lt;b&gt;x&lt;/b&gt;</code> &amp; go</p>" in page
    assert "<td>see `&lt;b&gt;x&lt;/b&gt;` &amp; go</td>" in page


def test_an_audits_doubts_are_caveats_with_their_scans() -> None:
    """What audits found stands once among the caveats with its scans; an audit of validation scans adds no table."""
    (test,) = full().evaluations
    doubt, other = "A threshold on lung's HU does as well.", "The width of the field alone tells <them> apart."
    again = dataclasses.replace(test, doubts=(doubt,))
    site = Evaluation("site", WHEN, {"data.source": "ward 9"}, {}, None, (other,))
    mine = Evaluation("validation", WHEN, {}, {}, None, (doubt,))
    facts = dataclasses.replace(full(), evaluations=(test, again, again, site, mine))
    sections = {one.heading: one.parts for one in compose_card(facts).sections}
    doubts = [part for part in sections["Caveats and recommendations"] if str(part).startswith("Doubt")]
    assert doubts == [
        f"Doubt, from an audit on the locked test (look 3): {doubt}",
        f"Doubt, from an audit on other scans (ward 9): {other}",
        f"Doubt, from an audit on the validation scans: {doubt}",
    ]
    assert "tells &lt;them&gt; apart" in as_html(compose_card(facts))
    assert not [part for part in sections["Quantitative analyses"] if str(part).startswith("On the validation scans, ")]
    assert "Doubt" not in as_markdown(compose_card(full()))


def test_features_are_explained() -> None:
    """The features that the training scans were measured by are said in words, with their units."""
    reference = Reference.fit([(1.0 + number,) * len(FEATURES) for number in range(40)])
    manifest = dataclasses.replace(full().manifest, reference=reference)  # type: ignore[type-var]
    text = " ".join(as_markdown(compose_card(dataclasses.replace(full(), manifest=manifest))).split())
    for words in ("field_mm: a field of x mm;", "padding: padding at a share of x;",
                  "lung_high_hu: a tenth of the lung over x HU;", "grain: noise from voxel to voxel x of"):  # fmt: skip
        assert words in text


def test_a_threshold_that_nobody_chose_is_the_default() -> None:
    """Without an operating point the card calls 0.5 the default."""
    manifest = dataclasses.replace(full().manifest, operating_point=None)  # type: ignore[type-var]
    text = as_markdown(compose_card(dataclasses.replace(full(), manifest=manifest)))
    assert cell(text, "threshold chosen") == "0.5, the default"


def test_html_is_whole_and_needs_nothing_from_outside() -> None:
    """Every tag is closed, and nothing is fetched: no link, picture, script or style from elsewhere."""
    tags: list[str] = []
    seen: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.add(tag)
            assert not {name for name, _ in attrs} & {"src", "href"}
            if tag != "meta":
                tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert tags.pop() == tag

    page = as_html(compose_card(full()))
    Reader().feed(page)
    assert tags == []
    assert not seen & {"script", "link", "img", "iframe"}
    assert "url(" not in page
    assert "@import" not in page


def test_paragraphs_fit_80_columns() -> None:
    """Outside tables no line of the Markdown is wider than 80."""
    lines = as_markdown(compose_card(full())).splitlines()
    assert max(len(line) for line in lines if not line.startswith("|")) <= 80


def test_intervals() -> None:
    """A metric is told with its interval, without one where there is none, and not at all where it is no number."""
    assert interval({"a": 0.5, "a_low": 0.25, "a_high": 0.75}, "a") == "0.500 (0.250 to 0.750)"
    assert interval({"a": 0.5}, "a") == "0.500"
    assert interval({"a": float("nan")}, "a") is None
    assert interval({}, "a") is None


@pytest.mark.slow
def test_composing_loads_no_mlflow() -> None:
    """A card of known facts is made without the tracking library."""
    code = "import sys, ctexp.registry.card; print('mlflow' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
