"""The page of an assessment in a real browser: drawn whole, each practice opening onto its evidence, fit for paper."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from windlass.assessment.assess import assess
from windlass.assessment.catalogue import load_catalogue
from windlass.web.maturity import render_maturity

from .. import browser
from ..browser import PATIENCE, a_browser, find_browser
from .test_assess import CI, TEST, TRAIN, put

LONG = "a_name_of_a_folder_that_somebody_thought_should_say_everything_that_is_in_it_and_more/" * 2
FILES = {
    "train.py": TRAIN,
    "tests/test_train.py": TEST,
    ".github/workflows/ci.yml": CI,
    f"{LONG}fit.py": TRAIN,
    "two.py": "print 'two'\n",
}
CUT_OFF = """() => {
    const cut = [];
    for (const each of document.querySelectorAll("main *")) {
        const box = each.getBoundingClientRect();
        if (box.width && (box.left < -0.5 || box.right > document.documentElement.clientWidth + 0.5))
            cut.push(`${each.tagName} ${each.textContent.trim().slice(0, 40)} ${box.left} ${box.right}`);
    }
    return cut;
}"""
OUTSIDE = """svg => {
    const frame = svg.getBoundingClientRect();
    return [...svg.querySelectorAll("*")].filter(each => {
        const box = each.getBoundingClientRect();
        return box.left < frame.left - 0.5 || box.right > frame.right + 0.5
            || box.top < frame.top - 0.5 || box.bottom > frame.bottom + 0.5;
    }).map(each => each.outerHTML);
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    try:
        with a_browser() as found:
            yield found
    except FileNotFoundError as missing:
        pytest.fail(str(missing), pytrace=False)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    page = folder / "maturity.html"
    page.write_text(render_maturity(assess(put(folder / "churn", FILES), now=datetime(2026, 11, 26, tzinfo=UTC))))
    return page


@pytest.fixture
def page(chromium: Browser, report: Path) -> Iterator[Page]:
    """The report as opened from a disk; anything that goes wrong in it, or that it asks the network for, fails."""
    with chromium.new_context() as context:
        context.set_default_timeout(PATIENCE)
        opened, wrong = context.new_page(), list[str]()
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        opened.on("console", lambda message: wrong.append(message.text))
        opened.on("request", lambda request: wrong.append(request.url) if request.url != report.as_uri() else None)
        opened.goto(report.as_uri())
        yield opened
        assert wrong == []


def test_a_ladder_for_each_model_stands_where_it_is(page: Page) -> None:
    ladders = page.locator("ol.ladder")
    assert ladders.count() == 4
    for ladder in ladders.all():
        rungs = [rung.bounding_box() for rung in ladder.locator("li").all()]
        assert all(rung is not None and rung["height"] > 20 for rung in rungs)
        tops = [rung["y"] for rung in rungs if rung is not None]
        assert tops in (sorted(tops), sorted(tops, reverse=True))
    assert page.locator("section.model", has_text="Microsoft").locator(".here").inner_text().startswith("1")


def test_radars_are_drawn_inside_their_frames(page: Page) -> None:
    radars = page.locator("svg.radar")
    assert radars.count() >= 2
    for radar in radars.all():
        box = radar.bounding_box()
        assert box is not None
        assert box["width"] > 200
        assert radar.evaluate(OUTSIDE) == []
        assert radar.locator("polygon.area, circle.point").first.is_visible()


@pytest.mark.parametrize("width", [1280, 768, 390])
def test_nothing_is_cut_off(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.get_by_text(LONG).first.is_visible()
    assert page.evaluate(CUT_OFF) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_each_practice_opens_onto_its_evidence(page: Page) -> None:
    practices = page.locator(".evidence details")
    assert practices.count() == len(load_catalogue().practices)
    wired = page.locator("details", has=page.locator("summary .id", has_text="tests-in-ci"))
    place = wired.get_by_text(".github/workflows/ci.yml:5").first
    assert not place.is_visible()
    wired.locator("summary").click()
    assert place.is_visible()
    wired.locator("summary").click()
    assert not place.is_visible()
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert all(each.is_visible() for each in page.locator("details > ul").all())


def test_what_decides_on_a_level_leads_to_its_practice(page: Page) -> None:
    decides = page.locator(".grounds").first
    link = decides.get_by_role("link", name="tests-in-ci").first
    assert not link.is_visible()
    decides.locator("summary").click()
    link.click()
    assert page.evaluate("document.querySelector(':target .id').textContent") == "tests-in-ci"
    decides.locator("summary").click()


def test_on_paper_all_evidence_is_there(page: Page) -> None:
    place = page.locator("details", has_text="tests-in-ci").get_by_text(".github/workflows/ci.yml:5").first
    page.emulate_media(media="print")
    box = place.bounding_box()
    assert box is not None
    assert box["height"] > 10
    assert page.pdf().startswith(b"%PDF-")


def test_a_machine_without_a_browser_is_told_how_to_get_one(monkeypatch: pytest.MonkeyPatch, chromium: Browser) -> None:
    class Nowhere:
        executable_path = "/nowhere/chromium"

    class Bare:
        chromium = Nowhere()

    monkeypatch.setattr(browser.shutil, "which", lambda name: None)
    with pytest.raises(FileNotFoundError, match="apt-get install chromium"):
        find_browser(Bare())
