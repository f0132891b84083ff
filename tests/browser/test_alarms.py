"""What people see when something breaks: the database is locked in the middle of a call, the PBX dies."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, expect
from sqlalchemy import select

from service.cases.model import Contact
from tests.support.browser import ListenerBrowser, listener_browser
from tests.support.line import LineUnderTest, start_line
from tests.support.sipp import Caller, number
from tests.support.wait import until

pytestmark = pytest.mark.alone  # two browsers, and seconds that are measured

AXE = Path(__file__).parents[2] / "service" / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
WITHIN = 10.0  #: seconds, from a cause to what is said of it, and back
NOTES = "Sa voisine ne sort plus depuis mars."


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LineUnderTest]:
    room = {"disk_low_mb": 1, "disk_full_mb": 0}
    with start_line(tmp_path_factory.mktemp("line"), recovery={"settle_seconds": 1}, health=room) as started:
        yield started


@contextlib.contextmanager
def at_the_page(line: LineUnderTest, playwright: Playwright, folder: Path, who: str) -> Iterator[ListenerBrowser]:
    with listener_browser(playwright, folder / who, 1000.0) as browser:
        browser.sign_in(line.url, who, line.password(who))
        yield browser


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another program has the database, and lets nobody write."""
    other = sqlite3.connect(file, isolation_level=None, timeout=5)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.rollback()
        other.close()


def metrics(line: LineUnderTest) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", line.http_port, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()


def saved(line: LineUnderTest) -> list[int]:
    """Of each contact in the store, how often its notes were saved."""
    return [contact.notes_version for contact in line._read(lambda session: session.scalars(select(Contact)))]


def barriers(browser: ListenerBrowser) -> list[str]:
    """What keeps some people from using the page (axe-core, WCAG 2.2 AA)."""
    browser.page.evaluate(AXE.read_text())
    found: list[str] = browser.page.evaluate("axe.run().then((result) => result.violations.map((one) => one.id))")
    return found


def picture(browser: ListenerBrowser, name: str) -> None:
    """For whoever asks for pictures (`PICTURES`: a directory)."""
    if folder := os.environ.get("PICTURES"):
        browser.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def left(deadline: float) -> float:
    """Milliseconds until then."""
    return max(1.0, (deadline - time.monotonic()) * 1000)


def test_with_the_database_locked_in_a_call_everybody_is_told_and_every_word_is_saved_afterwards(
    line: LineUnderTest, playwright: Playwright, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        board = stack.enter_context(at_the_page(line, playwright, tmp_path, "superviseur"))
        camille = stack.enter_context(at_the_page(line, playwright, tmp_path, "camille"))
        camille.sign_in_to_queue()
        expect(board.page.get_by_test_id("board-alarms")).to_have_attribute("data-count", "0")
        expect(board.page.get_by_test_id("board-alarms")).to_contain_text("Aucune alarme.")
        for tile in ("board-alarms", "board-waiting", "board-calls", "board-listeners"):
            expect(board.page.get_by_test_id(tile).get_by_test_id("tile-age")).to_contain_text("À jour")
        picture(board, "board-calm")

        caller = stack.enter_context(Caller(line.ports.sip, tmp_path, identity=number("+33639980051"), stay=600))
        camille.expect_ringing()
        camille.answer()
        notes, state = camille.page.get_by_test_id("notes"), camille.page.get_by_test_id("notes-state")
        notes.fill(NOTES)
        expect(state).to_have_attribute("data-state", "saved", timeout=10_000)

        with locked(line.directory / "var" / "ecoute.db"):
            by = time.monotonic() + WITHIN
            notes.fill(f"{NOTES} Elle rappelle.")
            said = camille.page.get_by_test_id("not-saving")
            expect(said).to_contain_text("Rien ne s'enregistre pour l'instant", timeout=left(by))
            expect(said).to_have_attribute("role", "alert")
            expect(state).to_contain_text("Pas encore enregistré", timeout=left(by))
            shown = board.page.locator('[data-alarm="database-not-storing"]')
            expect(shown).to_contain_text("La base de données n'enregistre plus", timeout=left(by))
            expect(shown).to_contain_text("verrouillée")
            assert time.monotonic() < by
            live = board.page.get_by_test_id("board-alarms").locator('[aria-live="assertive"]')
            expect(live).to_contain_text("À faire")
            ready = line.readiness()
            assert (ready["ready"], ready["reasons"]) == (False, ["database-not-storing"])
            assert set(ready["alarms"]) == {"database-not-storing", "notes-not-saving"}
            assert 'ecoute_alarms_active{id="database-not-storing",severity="critical"} 1.0' in metrics(line)
            for page in (board, camille):
                assert barriers(page) == []
            picture(camille, "listener-not-saving")
            picture(board, "board-locked")
            camille.page.get_by_test_id("end").click()
            until(lambda: caller.was_hung_up_on, "the call ends as ever")
            camille.expect_state("wrap-up")
            assert saved(line) == [1], "what was acknowledged is there, and nothing else"

        by = time.monotonic() + WITHIN
        expect(said).to_have_count(0, timeout=left(by))
        expect(shown).to_have_count(0, timeout=left(by))
        expect(state).to_have_attribute("data-state", "saved", timeout=left(by))
        until(lambda: line.readiness()["ready"], "the service is ready again", WITHIN)
        assert saved(line) == [2]
        assert 'ecoute_alarms_active{id="database-not-storing",severity="critical"} 0.0' in metrics(line)
        camille.page.get_by_test_id("end-wrapup").click()
        camille.expect_state("free")
        camille.leave_queue()


def test_a_dead_pbx_is_a_red_banner_and_an_alarm_never_an_empty_board(
    line: LineUnderTest, playwright: Playwright, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        board = stack.enter_context(at_the_page(line, playwright, tmp_path, "superviseur"))
        camille = stack.enter_context(at_the_page(line, playwright, tmp_path, "camille"))
        camille.sign_in_to_queue()
        tile = board.page.get_by_test_id("board-listeners")
        expect(tile).to_contain_text("Camille Exemple")
        asterisk = line.pbx().pid
        os.kill(asterisk, signal.SIGSTOP)
        stack.callback(os.kill, asterisk, signal.SIGCONT)
        expect(board.page.get_by_test_id("pbx-banner")).to_contain_text("plus de nouvelles du central", timeout=10_000)
        expect(board.page.locator('[data-alarm="pbx-lost"]')).to_contain_text("Central téléphonique injoignable")
        expect(tile).to_contain_text("Camille Exemple")
        expect(tile.get_by_test_id("tile-age")).to_contain_text("Dernières données")
        waiting = board.page.get_by_test_id("board-waiting")
        expect(waiting).not_to_contain_text("Personne n'attend.")
        expect(waiting).to_contain_text("Pas de données pour l'instant")
        picture(board, "board-pbx-lost")
        os.kill(asterisk, signal.SIGCONT)
        expect(board.page.locator('[data-alarm="pbx-lost"]')).to_have_count(0, timeout=20_000)
        expect(tile.get_by_test_id("tile-age")).to_contain_text("À jour", timeout=10_000)
        camille.leave_queue()
