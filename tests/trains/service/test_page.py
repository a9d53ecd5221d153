"""The page in a real Chromium, with a real upload: what it shows, by keyboard too, and that it asks nobody else."""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect  # a locator's own waiting: a script that waits would break the page's security policy
expect.set_options(timeout=60_000)
CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome"))), None
)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
TOKEN = "fedcba9876543210" * 2
"""Of the service that has one."""
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="the page is tested in Chromium, none is installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    with sync_api.sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser, service) -> "Iterator[Page]":
    """The page of the module's service, just opened."""
    with opened(browser, service.url) as shown:
        yield shown


@contextlib.contextmanager
def opened(browser: Any, url: str) -> "Iterator[Page]":
    """Open a service's page; nothing may go wrong on it, and nothing may leave the service's origin."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
    shown = context.new_page()
    shown.set_default_timeout(60_000)
    strangers: list[str] = []
    faults: list[str] = []

    def look(request: "Request") -> None:
        if not request.url.startswith((url, "data:")):
            strangers.append(request.url)

    shown.on("request", look)
    shown.on("pageerror", lambda error: faults.append(str(error)))
    shown.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
    shown.goto(url)
    expect(shown.locator("#model")).not_to_be_empty()
    yield shown
    context.close()
    assert strangers == []
    assert faults == []


def ask(page: "Page", scan: Any) -> None:
    """Choose a file and wait for the answer."""
    page.set_input_files("#file", scan)
    page.wait_for_selector("#answer:not([hidden])")
    expect(page.locator("#place")).not_to_be_empty()


def pixels(page: "Page") -> list[int]:
    """What is on the canvas, as R, G, B, A of each pixel."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.evaluate(
        "() => { const canvas = document.getElementById('slice');"
        "return [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data]; }"
    )


def is_grey(rgba: list[int]) -> bool:
    """Whether no pixel has a colour."""
    return all(rgba[at] == rgba[at + 1] == rgba[at + 2] for at in range(0, len(rgba), 4))


def test_upload_shows_answer_slices_and_heat_map(page, client, scan) -> None:
    """Label, probabilities, operating point, quality and model are the service's; the picture is the scan's."""
    answer = client.post("/predict", files={"scan": (scan.name, scan.read_bytes())}).json()
    ask(page, scan)
    shown = page.inner_text("#answer")
    assert page.inner_text("#answer .label").lower() == answer["label"]
    for word in ("normal", "abnormal"):
        assert f"{100 * answer[word]:.2f} %" in shown
    assert f"called abnormal from {100 * answer['threshold']:.1f} %" in shown
    assert "Quality of the scan" in shown
    assert "Model ctexp, version 1" in shown
    assert "Trained on synthetic scans" in shown
    assert "Research software, not a medical device." in page.inner_text("header")
    seen = pixels(page)
    assert len(set(seen)) > 20
    query = {"explain": "gradcam", "name": scan.name}
    body = client.post("/picture", files={"scan": (scan.name, scan.read_bytes())}, params=query).content
    facts = json.loads(body[4 : 4 + int.from_bytes(body[:4], "little")])["picture"]
    voxels = facts["slices"] * facts["rows"] * facts["columns"]
    assert page.is_visible("#heat")
    assert is_grey(seen) == (max(body[-voxels:]) == 0)  # a scan in which nothing speaks for abnormal has no colour
    page.uncheck("#heat")
    assert is_grey(pixels(page))


def test_keyboard_alone_is_enough(page, scan) -> None:
    """Tab reaches the file and every control; arrows scroll slices; the answer is spoken and has the focus."""
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "file"
    assert page.evaluate("getComputedStyle(document.querySelector('label[for=file].primary')).outlineStyle") != "none"
    ask(page, scan)
    assert page.evaluate("document.activeElement.id") == "answer-title"
    assert page.inner_text("#status").startswith("Answer: ")
    before = page.inner_text("#place")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#place")).not_to_have_text(before)
    page.keyboard.press("Home")
    expect(page.locator("#place")).to_have_text(re.compile(r"^Slice 1 of "))
    assert page.get_attribute("#slice", "aria-label").startswith("Slice 1 of ")
    assert page.get_attribute("#number", "aria-valuetext").startswith("Slice 1 of ")
    seen = []
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id"))
    assert {"again", "number", "preset", "level", "width"} <= set(seen)


def test_window_and_wheel_change_the_picture(page, scan) -> None:
    """The wheel scrolls, another window changes grey values, and one's own numbers are called one's own."""
    ask(page, scan)
    before = page.inner_text("#place")
    page.hover("#slice")
    page.mouse.wheel(0, -120)
    expect(page.locator("#place")).not_to_have_text(before)
    lung = pixels(page)
    page.select_option("#preset", label="Soft tissue")
    assert pixels(page) != lung
    assert (page.input_value("#level"), page.input_value("#width")) == ("40", "400")
    page.fill("#level", "50")
    assert page.evaluate("document.getElementById('preset').selectedOptions[0].textContent") == "Your own"


def test_what_is_no_scan_is_said(page, scan, tmp_path) -> None:
    """A file of another type has the service's sentence in an alert, and another can be chosen at once."""
    other = tmp_path / "photo.nii"
    other.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500))
    page.set_input_files("#file", other)
    page.wait_for_selector("#error:not(:empty)")
    assert page.get_attribute("#error", "role") == "alert"
    assert page.inner_text("#error").startswith("upload: must be a NIfTI file")
    ask(page, scan)
    assert page.inner_text("#error") == ""


def test_narrow_screen_needs_no_sideways_scrolling(page, scan) -> None:
    """On a telephone everything stands below each other, within the width."""
    page.set_viewport_size({"width": 360, "height": 740})
    ask(page, scan)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_service_with_a_token_asks_for_it(browser, serving, scan, tmp_path) -> None:
    """A scan chosen before its token, or with a wrong one, waits for it; the token is stored nowhere."""
    with serving(tmp_path / "tmp", "--workers", 1, token=TOKEN) as running, opened(browser, running.url) as page:
        page.set_input_files("#file", scan)
        expect(page.locator("#error")).to_have_text("This service needs its token first.")
        assert page.evaluate("document.activeElement.id") == "token"
        page.keyboard.type(TOKEN[::-1])
        page.keyboard.press("Enter")
        expect(page.locator("#error")).to_have_text(re.compile("must bring the service's token"))
        assert page.evaluate("document.activeElement.id") == "token"
        page.keyboard.type(TOKEN)  # what was typed before is selected
        page.keyboard.press("Enter")
        page.wait_for_selector("#answer:not([hidden])")
        assert page.inner_text("#error") == ""
        page.click("#again")  # the same file, chosen again, is asked about again
        ask(page, scan)
        kept = page.evaluate("[localStorage.length, sessionStorage.length, document.cookie, location.href]")
        assert kept == [0, 0, "", f"{running.url}/"]
        assert page.get_attribute("#token", "type") == "password"
