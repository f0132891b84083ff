"""One listener, several browsers: what was typed in one that is gone, and the phone that is in one of two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Page, Playwright, expect

from tests.support.audio import CallerAudio
from tests.support.browser import ListenerBrowser, listener_browser
from tests.support.line import LineUnderTest, start_line
from tests.support.sipp import Caller, number
from tests.support.wait import until

pytestmark = pytest.mark.pair

SAVED = "Sa voisine ne sort plus."
TONE = 440.0
MARKED = "zibeline-7714-amarante"
TYPED = f"{SAVED} Elle s'appelle {MARKED}, rappeler le matin."

_KEPT = """
() => new Promise((resolve, reject) => {
  const opening = indexedDB.open('ecoute-drafts');
  opening.onerror = () => reject(opening.error);
  opening.onsuccess = () => {
    const all = opening.result.transaction('entries').objectStore('entries').getAll();
    all.onsuccess = () => { opening.result.close(); resolve(all.result.length); };
  };
})
"""
_STORED = "async (id) => (await (await fetch(`/api/v1/calls/${id}/contact`)).json()).notes"


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LineUnderTest]:
    """One line for the tests of this file; each leaves it without calls."""
    with start_line(tmp_path_factory.mktemp("line"), recovery={"settle_seconds": 1}) as started:
        yield started


@pytest.fixture
def desks(playwright: Playwright, line: LineUnderTest, tmp_path: Path) -> Iterator[Iterator[Desk]]:
    """As many places as a test wants."""
    with ExitStack() as stack:
        yield (Desk(playwright, line, tmp_path / f"desk{number}", stack) for number in count(1))


@pytest.fixture
def caller(line: LineUnderTest, tmp_path: Path) -> Iterator[Caller]:
    """Somebody rings, and stays."""
    with (
        CallerAudio(TONE) as audio,
        Caller(line.ports.sip, tmp_path, identity=number("+33639980071"), stay=600, audio=audio) as ringing,
    ):
        yield ringing


class Desk:
    """One listener's place: browsers come and go, the profile on the disk stays."""

    def __init__(self, playwright: Playwright, line: LineUnderTest, folder: Path, stack: ExitStack) -> None:
        self._playwright, self._line, self._folder, self._stack = playwright, line, folder, stack

    def open(self) -> ListenerBrowser:
        """A new browser process on the same profile, nobody signed in."""
        opened = self._stack.enter_context(listener_browser(self._playwright, self._folder, 1000.0))
        opened.page.context.clear_cookies()
        return opened

    def sign_in(self, opened: ListenerBrowser, username: str) -> Page:
        opened.page.context.clear_cookies()
        opened.sign_in(self._line.url, username, self._line.password(username))
        expect(opened.page.get_by_test_id("line-state")).to_have_attribute("data-state", "up", timeout=20_000)
        return opened.page

    def holds(self, text: str) -> bool:
        """Whether any file of the profile has the text in clear, as browsers write text."""
        forms = [text.encode(), text.encode("utf-16-le")]
        files = [file for file in (self._folder / "profile").rglob("*") if file.is_file() and not file.is_symlink()]
        return any(form in content for content in map(Path.read_bytes, files) for form in forms)


def kept(page: Page) -> int:
    """Drafts that lie in this browser, whoever's."""
    found: int = page.evaluate(_KEPT)
    return found


def test_notes_typed_without_the_service_outlive_a_killed_browser_sealed_and_go_once_they_are_saved(
    line: LineUnderTest, desks: Iterator[Desk], request: pytest.FixtureRequest
) -> None:
    desk = next(desks)
    camille = desk.open()
    page = desk.sign_in(camille, "camille")
    camille.sign_in_to_queue()
    caller: Caller = request.getfixturevalue("caller")
    camille.expect_ringing()
    camille.answer()
    notes, state = page.get_by_test_id("notes"), page.get_by_test_id("notes-state")
    notes.fill(SAVED)
    expect(state).to_have_attribute("data-state", "saved", timeout=10_000)
    until(lambda: kept(page) == 0, "what the service acknowledged is gone from the browser")
    call_id = page.get_by_test_id("in-call").get_attribute("data-call-id")
    caller.leave()
    camille.expect_state("wrap-up")

    line.kill_service()
    notes.fill(TYPED)
    expect(state).to_have_attribute("data-state", "waiting", timeout=20_000)
    until(lambda: kept(page) == 1, "it lies in the browser")
    camille.kill()
    assert desk.holds("ecoute-drafts"), "the files of the profile were searched"
    assert not desk.holds(MARKED), "what was typed lies there sealed alone"

    line.start_service()
    again = desk.open()
    page = desk.sign_in(again, "dominique")
    expect(page.get_by_test_id("queue-sign-in")).to_be_enabled()
    assert MARKED not in page.content(), "nobody else sees it"
    assert kept(page) == 1, "and it waits for its owner"

    page.route("**/notes", lambda route: route.abort())
    page = desk.sign_in(again, "camille")
    notes, state = page.get_by_test_id("notes"), page.get_by_test_id("notes-state")
    expect(notes).to_have_value(TYPED, timeout=20_000)
    expect(state).to_have_attribute("data-state", "waiting", timeout=20_000)
    assert page.evaluate(_STORED, call_id) == SAVED, "it came from the browser"
    page.unroute("**/notes")
    expect(state).to_have_attribute("data-state", "saved", timeout=20_000)
    assert page.evaluate(_STORED, call_id) == TYPED
    until(lambda: kept(page) == 0, "what the service acknowledged is gone from the browser")
    page.get_by_test_id("end-wrapup").click()
    again.expect_state("free")
    again.leave_queue()
    again.kill()
    assert not desk.holds(MARKED)


def test_a_browser_that_keeps_nothing_is_said_to_before_anything_is_typed(desks: Iterator[Desk]) -> None:
    desk = next(desks)
    private = desk.open()
    private.page.add_init_script("IDBFactory.prototype.open = () => { throw new DOMException('no', 'SecurityError'); }")
    desk.sign_in(private, "camille")
    expect(private.page.get_by_test_id("notes-page-only")).to_be_visible()


def test_a_phone_is_in_one_of_two_browsers_both_say_where_and_it_is_taken_back_by_a_click(
    desks: Iterator[Desk], request: pytest.FixtureRequest
) -> None:
    def expect_phone(browser: ListenerBrowser, state: str) -> None:
        expect(browser.page.get_by_test_id("phone-state")).to_have_attribute("data-state", state, timeout=20_000)
        elsewhere = browser.page.get_by_test_id("phone-elsewhere")
        expect(elsewhere).to_be_visible() if state == "elsewhere" else expect(elsewhere).to_be_hidden()

    office, home = next(desks), next(desks)
    first, second = office.open(), home.open()
    office.sign_in(first, "camille")
    expect_phone(first, "registered")
    home.sign_in(second, "camille")
    expect_phone(second, "registered")
    expect_phone(first, "elsewhere")

    first.page.get_by_test_id("take-phone-here").click()
    expect_phone(first, "registered")
    expect_phone(second, "elsewhere")
    first.use_raw_audio()
    first.sign_in_to_queue()
    caller: Caller = request.getfixturevalue("caller")
    first.expect_ringing()
    expect(second.page.get_by_test_id("answer")).to_be_hidden()
    first.answer()
    first.expect_hears(TONE)

    second.page.get_by_test_id("take-phone-here").click()
    expect_phone(second, "registered")
    expect_phone(first, "elsewhere")
    first.expect_hears(TONE)
    first.page.get_by_test_id("end").click()
    until(lambda: caller.was_hung_up_on, "a conversation goes on where it was, and is ended there")
    second.expect_state("wrap-up")
    second.page.get_by_test_id("end-wrapup").click()
    second.expect_state("free")
    second.leave_queue()
