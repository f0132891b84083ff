"""Somebody rings in the instant of a signing out, in a real browser: nobody is torn, and nobody stays in unawares."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Page, Playwright, Route, expect

from tests.support.audio import CallerAudio
from tests.support.browser import ListenerBrowser, listener_browser
from tests.support.line import LineUnderTest, start_line
from tests.support.sipp import Caller, number
from tests.support.wait import until

pytestmark = pytest.mark.pair

TONE: Final = 440.0
_QUEUE: Final = re.compile(r"/api/v1/listener/sign-out$")
_SESSION: Final = re.compile(r"/api/v1/session$")
_AWAY: Final = '{"error": {"id": "store-unavailable", "message": ""}}'


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LineUnderTest]:
    """One line for the tests of this file; each leaves it without calls."""
    with start_line(tmp_path_factory.mktemp("line"), recovery={"settle_seconds": 1}) as started:
        yield started


@pytest.fixture
def camille(playwright: Playwright, line: LineUnderTest, tmp_path: Path) -> Iterator[ListenerBrowser]:
    """Free for calls."""
    with listener_browser(playwright, tmp_path / "camille", 1000.0) as browser:
        browser.sign_in(line.url, "camille", line.password("camille"))
        expect(browser.page.get_by_test_id("line-state")).to_have_attribute("data-state", "up", timeout=20_000)
        browser.use_raw_audio()
        browser.sign_in_to_queue()
        yield browser
        browser.page.unroute_all()
        browser.leave_queue()


@contextmanager
def _ringing(line: LineUnderTest, camille: ListenerBrowser, folder: Path) -> Iterator[Caller]:
    """Somebody rings; what they say is a tone."""
    with (
        CallerAudio(TONE) as audio,
        Caller(line.ports.sip, folder, identity=number("+33639980072"), stay=600, audio=audio) as caller,
    ):
        camille.expect_ringing()
        yield caller


@contextmanager
def _signed_out_in_a_ring(line: LineUnderTest, camille: ListenerBrowser, folder: Path) -> Iterator[Caller]:
    """Their phone still rings for somebody; the service has ended their session."""
    page = camille.page
    page.route(_QUEUE, _fails)
    held = _sign_out(page, _SESSION)
    with _ringing(line, camille, folder) as caller:
        with page.expect_response(_SESSION):
            held.continue_()
        yield caller


def _fails(route: Route) -> None:
    """The service is away, for what the page asks of it to sign out."""
    if route.request.method in {"POST", "DELETE"}:
        route.fulfill(status=503, content_type="application/json", body=_AWAY)
    else:
        route.fallback()


def _sign_out(page: Page, asked: re.Pattern[str]) -> Route:
    """By the button. What the page asks for there is held back."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.method in {"POST", "DELETE"}:
            held.append(route)
        else:
            route.fallback()

    page.route(asked, hold)
    page.get_by_test_id("sign-out").click()
    until(lambda: page.title() and held, "the page asks for it")
    return held.pop()


def _signs_out_after_all(page: Page) -> None:
    page.unroute(_QUEUE)
    page.unroute(_SESSION)
    page.get_by_test_id("still-in").get_by_role("button").click()
    _is_gone(page)


def _is_gone(page: Page) -> None:
    expect(page.get_by_test_id("account")).to_have_count(0)
    expect(page.get_by_test_id("password")).to_be_visible()
    expect(page.get_by_test_id("still-in")).to_have_count(0)


def _picture(page: Page, name: str) -> None:
    """For whoever asks for pictures (`PICTURES`: a directory)."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_who_is_rung_while_they_leave_the_queue_and_does_not_answer_is_told_that_they_are_still_signed_in(
    line: LineUnderTest, camille: ListenerBrowser, tmp_path: Path
) -> None:
    page = camille.page
    held = _sign_out(page, _QUEUE)
    with _ringing(line, camille, tmp_path) as caller:
        with page.expect_response(_QUEUE):
            _fails(held)
        expect(page.get_by_test_id("still-in")).to_have_count(0)
        caller.leave()
        expect(page.get_by_test_id("still-in")).to_contain_text("encore connecté")
    _picture(page, "still-in-after-a-ring")
    page.get_by_test_id("locale-en").click()
    expect(page.get_by_test_id("still-in")).to_contain_text("still signed in")
    _picture(page, "still-in-after-a-ring-en")
    _signs_out_after_all(page)


def test_a_signing_out_that_failed_is_told_again_after_a_ring_that_nobody_answered(
    line: LineUnderTest, camille: ListenerBrowser, tmp_path: Path
) -> None:
    page = camille.page
    page.route(_QUEUE, _fails)
    page.route(_SESSION, _fails)
    page.get_by_test_id("sign-out").click()
    expect(page.get_by_test_id("still-in")).to_be_visible()
    with _ringing(line, camille, tmp_path) as caller:
        expect(page.get_by_test_id("still-in")).to_have_count(0)
        caller.leave()
        expect(page.get_by_test_id("still-in")).to_be_visible()
    _signs_out_after_all(page)


def test_who_is_signed_out_while_it_rings_is_gone_from_the_page_once_nobody_answered(
    line: LineUnderTest, camille: ListenerBrowser, tmp_path: Path
) -> None:
    page = camille.page
    with _signed_out_in_a_ring(line, camille, tmp_path) as caller:
        expect(page.get_by_test_id("ringing")).to_be_visible()
        expect(page.get_by_test_id("account")).to_be_visible()
        caller.leave()
        _is_gone(page)


def test_who_is_signed_out_while_it_rings_talks_with_the_caller_whom_they_answer(
    line: LineUnderTest, camille: ListenerBrowser, tmp_path: Path
) -> None:
    page = camille.page
    with _signed_out_in_a_ring(line, camille, tmp_path) as caller:
        camille.answer()
        camille.expect_hears(TONE)
        expect(page.get_by_test_id("account")).to_be_visible()
        assert caller.lives
        caller.leave()
