"""The whole of a call as people meet it: callers with telephones, two listeners with browsers, a board."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, expect

from pbx.facts import EndedBy
from service.calls.model import Call, Result
from tests.support.audio import CallerAudio
from tests.support.browser import ListenerBrowser, listener_browser
from tests.support.line import LineUnderTest, start_line
from tests.support.sipp import Caller, number
from tests.support.wait import until

pytestmark = pytest.mark.alone  # four browsers at once, and seconds that are measured

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
CALLER, LATER = "+33639980011", "+33639980012"
CALLER_TONE, CAMILLE_TONE, DOMINIQUE_TONE = 440.0, 1000.0, 1300.0
SPOKEN_TO_WITHIN = 3.0  #: seconds, law 2


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LineUnderTest]:
    """One line for the tests of this file; each leaves it without calls."""
    with start_line(tmp_path_factory.mktemp("line"), recovery={"settle_seconds": 1}) as started:
        yield started


@pytest.fixture
def cast(line: LineUnderTest, playwright: Playwright, tmp_path: Path) -> Iterator[Cast]:
    with ExitStack() as stack:
        yield Cast(line, playwright, tmp_path, stack)


class Cast:
    """Who takes part in a test; everybody leaves at its end."""

    def __init__(self, line: LineUnderTest, playwright: Playwright, folder: Path, stack: ExitStack) -> None:
        self.line, self.folder = line, folder
        self._playwright, self._stack, self._numbers = playwright, stack, count(1)

    def browser(self, username: str, tone: float) -> ListenerBrowser:
        """Somebody signed in to the application."""
        folder = self.folder / f"{username}-{next(self._numbers)}"
        opened = self._stack.enter_context(listener_browser(self._playwright, folder, tone))
        opened.sign_in(self.line.url, username, self.line.password(username))
        return opened

    def listener(self, username: str, tone: float) -> ListenerBrowser:
        """A listener who takes calls, with the audio processing off that would take a tone for noise."""
        opened = self.browser(username, tone)
        opened.use_raw_audio()
        opened.sign_in_to_queue()
        self._stack.callback(opened.leave_queue)
        return opened

    def caller(self, digits: str, tone: float = CALLER_TONE) -> tuple[Caller, CallerAudio]:
        """Somebody who rings and stays until they are hung up on, or leave."""
        audio = self._stack.enter_context(CallerAudio(tone))
        caller = Caller(self.line.ports.sip, self.folder, identity=number(digits), stay=600, audio=audio)
        return self._stack.enter_context(caller), audio

    def prompt(self, name: str) -> Path:
        return self.line.layout.sounds / "fr" / f"{name}.alaw"


def test_a_caller_is_heard_noted_and_known_when_they_ring_again(cast: Cast) -> None:
    camille = cast.listener("camille", CAMILLE_TONE)
    board = cast.browser("superviseur", CAMILLE_TONE)

    caller, audio = cast.caller(CALLER)
    camille.expect_ringing()
    expect(camille.page.get_by_test_id("offer-number")).to_have_attribute("data-number", "unknown")
    camille.answer()
    camille.expect_hears(CALLER_TONE)
    until(lambda: audio.loudness(CAMILLE_TONE) > 0.05, "the caller hears the listener")
    assert audio.loudness(DOMINIQUE_TONE) < 0.01, "and nobody else"

    notes = camille.page.get_by_test_id("notes")
    notes.fill("Sa voisine ne sort plus depuis mars. Rappeler ? Non.")
    expect(camille.page.get_by_test_id("notes-state")).to_have_attribute("data-state", "saved", timeout=10_000)
    expect(board.page.get_by_test_id("board-calls")).to_contain_text("Camille Exemple", timeout=10_000)

    camille.page.get_by_test_id("end").click()
    until(lambda: caller.was_hung_up_on, "the listener's end reaches the caller")
    camille.expect_state("wrap-up")
    expect(notes).to_have_value("Sa voisine ne sort plus depuis mars. Rappeler ? Non.")
    camille.page.get_by_test_id("end-wrapup").click()
    camille.expect_state("free")

    again, _ = cast.caller(CALLER)
    camille.expect_ringing()
    expect(camille.page.get_by_test_id("offer-number")).to_have_attribute("data-number", "known")
    camille.answer()
    notes.fill("Elle rappelle. Sa voisine a ouvert ce matin ; l'aide à domicile est revenue.")
    expect(camille.page.get_by_test_id("notes-state")).to_have_attribute("data-state", "saved", timeout=10_000)
    waiting, _ = cast.caller(LATER)
    expect(board.page.get_by_test_id("board-waiting")).to_have_attribute("data-count", "1", timeout=15_000)
    show(camille, "listener")
    show(board, "board")
    waiting.leave()
    again.leave()
    camille.expect_state("wrap-up")
    camille.page.get_by_test_id("end-wrapup").click()
    camille.expect_state("free")


def show(browser: ListenerBrowser, name: str) -> None:
    """A picture for README."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    browser.page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


def test_after_a_reload_the_caller_is_spoken_to_and_gets_the_same_listener_back(cast: Cast) -> None:
    camille = cast.listener("camille", CAMILLE_TONE)
    cast.listener("dominique", DOMINIQUE_TONE).pause()
    caller, audio = cast.caller(CALLER)
    camille.expect_ringing()
    camille.answer()
    until(lambda: audio.loudness(CAMILLE_TONE) > 0.05, "the caller hears the listener")

    lost_at = time.monotonic()
    camille.page.reload()
    spoken = until(lambda: audio.heard_at(cast.prompt("reassurance"), lost_at), "the caller is spoken to", 10)
    assert spoken - lost_at <= SPOKEN_TO_WITHIN

    camille.expect_ringing()
    camille.answer()
    until(lambda: audio.loudness(CAMILLE_TONE) > 0.05, "the caller hears the same listener again")
    assert caller.lives
    caller.leave()
    camille.expect_state("wrap-up")
    camille.page.get_by_test_id("end-wrapup").click()
    camille.expect_state("free")


def test_after_a_killed_browser_the_caller_is_answered_before_somebody_who_came_later(
    cast: Cast, line: LineUnderTest
) -> None:
    camille = cast.listener("camille", CAMILLE_TONE)
    dominique = cast.listener("dominique", DOMINIQUE_TONE)
    dominique.pause()
    caller, audio = cast.caller(CALLER)
    camille.expect_ringing()
    camille.answer()
    until(lambda: audio.loudness(CAMILLE_TONE) > 0.05, "the caller hears the listener")
    later, later_audio = cast.caller(LATER, tone=600.0)
    until(lambda: later_audio.heard_at(cast.prompt("welcome"), 0), "the later caller was welcomed", 15)

    lost_at = time.monotonic()
    camille.kill()
    spoken = until(lambda: audio.heard_at(cast.prompt("reassurance"), lost_at), "the caller is spoken to", 10)
    assert spoken - lost_at <= SPOKEN_TO_WITHIN

    until(lambda: line.waiting() == 2, "the grace is over, and both wait", 40)
    dominique.resume()
    dominique.expect_ringing()
    dominique.answer()
    dominique.expect_hears(CALLER_TONE)
    until(lambda: audio.loudness(DOMINIQUE_TONE) > 0.05, "the first caller hears the other listener")
    assert later.lives, "and the later one still waits"
    caller.leave()
    dominique.expect_state("wrap-up")
    dominique.page.get_by_test_id("end-wrapup").click()
    dominique.expect_ringing()
    dominique.answer()
    dominique.expect_hears(600.0)
    later.leave()
    dominique.expect_state("wrap-up")
    dominique.page.get_by_test_id("end-wrapup").click()
    dominique.expect_state("free")

    again = cast.browser("camille", CAMILLE_TONE)
    again.expect_state("wrap-up")
    again.page.get_by_test_id("end-wrapup").click()
    again.expect_state("free")
    again.leave_queue()


def test_with_the_service_killed_calls_go_on_are_answered_and_are_on_record_afterwards(
    cast: Cast, line: LineUnderTest
) -> None:
    camille = cast.listener("camille", CAMILLE_TONE)
    dominique = cast.listener("dominique", DOMINIQUE_TONE)
    dominique.pause()
    known = {call.call_id for call in line.records()}
    first, first_audio = cast.caller(CALLER)
    camille.expect_ringing()
    camille.answer()
    until(lambda: first_audio.loudness(CAMILLE_TONE) > 0.05, "the first caller hears the listener")
    dominique.resume()

    line.kill_service()
    second, second_audio = cast.caller(LATER, tone=600.0)
    dominique.expect_ringing()
    dominique.answer()
    dominique.expect_hears(600.0)
    until(lambda: second_audio.loudness(DOMINIQUE_TONE) > 0.05, "the second caller hears the other listener")
    assert first_audio.loudness(CAMILLE_TONE) > 0.05, "the first conversation goes on"
    camille.expect_hears(CALLER_TONE)
    camille.page.get_by_test_id("end").click()
    until(lambda: first.was_hung_up_on, "the listener's end works without the service")

    line.start_service()
    second.leave()

    def both_recorded() -> list[Call] | None:
        new = [call for call in line.records() if call.call_id not in known]
        return new if len(new) == 2 and all(call.ended_at for call in new) else None

    one, two = sorted(until(both_recorded, "both records are complete", 30), key=lambda call: call.arrived_at)
    assert (one.result, one.ended_by) == (Result.ANSWERED, EndedBy.LISTENER)
    assert (two.result, two.ended_by) == (Result.ANSWERED, EndedBy.CALLER)
    assert one.listener_id != two.listener_id
    until(lambda: line.contacts_of({one.call_id, two.call_id}) == 2, "each has one contact")
    for listener in (camille, dominique):
        listener.expect_state("wrap-up", 30)
        listener.page.get_by_test_id("end-wrapup").click()
        listener.expect_state("free")
