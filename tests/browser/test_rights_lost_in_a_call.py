"""Somebody loses their rights in mid-call, in a real browser: the call and its notes are finished in peace."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, expect

from tests.support.audio import CallerAudio
from tests.support.browser import ListenerBrowser, listener_browser
from tests.support.line import LineUnderTest, start_line
from tests.support.sipp import Caller, number
from tests.support.wait import until

pytestmark = pytest.mark.pair

TONE = 440.0


@pytest.fixture
def line(tmp_path: Path) -> Iterator[LineUnderTest]:
    with start_line(tmp_path / "line", recovery={"settle_seconds": 1}, accounts={"totp_roles": []}) as started:
        yield started


@contextmanager
def _talking(playwright: Playwright, line: LineUnderTest, folder: Path) -> Iterator[tuple[ListenerBrowser, Caller]]:
    """Camille talks; what the caller says is a tone."""
    with listener_browser(playwright, folder / "camille", 1000.0) as camille, CallerAudio(TONE) as audio:
        camille.sign_in(line.url, "camille", line.password("camille"))
        expect(camille.page.get_by_test_id("line-state")).to_have_attribute("data-state", "up", timeout=20_000)
        camille.use_raw_audio()
        camille.sign_in_to_queue()
        with Caller(line.ports.sip, folder, identity=number("+33639980071"), stay=600, audio=audio) as caller:
            camille.expect_ringing()
            camille.answer()
            _writes(camille, "Elle hésite.")
            yield camille, caller


def _writes(camille: ListenerBrowser, text: str) -> None:
    camille.page.get_by_test_id("notes").fill(text)
    expect(camille.page.get_by_test_id("notes-state")).to_have_attribute("data-state", "saved", timeout=20_000)


def _ecoute(line: LineUnderTest, *arguments: str) -> str:
    """The command, beside the service that runs."""
    command = [sys.executable, "-m", "service.cli.main", *arguments, "--config", str(line.directory / "ecoute.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=line.directory)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _ask(camille: ListenerBrowser, method: str, path: str, body: str = "{}") -> tuple[int, str]:
    """What the page's own session is answered: status, and the error's id."""
    asked = f"""async () => {{
        const more = {{ method: "{method}", headers: {{ "Content-Type": "application/json" }} }};
        if ("{method}" !== "GET") more.body = '{body}';
        const answer = await fetch("/api/v1{path}", more);
        const told = await answer.json().catch(() => ({{}}));
        return [answer.status, told.error ? told.error.id : ""];
    }}"""
    status, error = camille.page.evaluate(asked)
    return status, error


def _nothing_else(camille: ListenerBrowser) -> set[tuple[int, str]]:
    asked = (
        ("POST", "/cases/search"),
        ("POST", "/listener/sign-in"),
        ("GET", "/cases/1"),
        ("POST", "/cases/1/discard"),
    )
    body = '{"reason": "hoax"}'
    return {_ask(camille, *one, body if one[1].endswith("discard") else "{}") for one in asked}


def test_who_is_deactivated_in_mid_call_keeps_the_call_and_its_notes_until_they_are_written_up(
    playwright: Playwright, line: LineUnderTest, tmp_path: Path
) -> None:
    with _talking(playwright, line, tmp_path) as (camille, caller):
        page = camille.page
        said = _ecoute(line, "listeners", "deactivate", "camille")
        assert "camille is in a conversation: they keep it and its notes" in said
        expect(page.get_by_test_id("only-this-contact")).to_be_visible(timeout=15_000)
        assert _nothing_else(camille) == {(403, "account-ended")}
        _writes(camille, "Elle hésite. Sa voisine aussi.")
        camille.expect_hears(TONE)

        page.reload()
        camille.expect_ringing()  # the caller waited for them, and comes back
        camille.answer()
        camille.expect_hears(TONE)
        expect(page.get_by_test_id("notes")).to_have_value("Elle hésite. Sa voisine aussi.", timeout=20_000)
        assert not caller.was_hung_up_on

        page.get_by_test_id("end").click()
        until(lambda: caller.was_hung_up_on, "the listener ends it themselves")
        camille.expect_state("wrap-up")
        _writes(camille, "Elle hésite. Sa voisine aussi. Rappeler.")
        assert _ask(camille, "POST", "/phone") == (403, "call-over")
        page.get_by_test_id("end-wrapup").click()
        expect(page.get_by_test_id("account-gone")).to_be_visible(timeout=15_000)
        until(lambda: _ask(camille, "GET", "/session")[0] == 401, "that was all they had left")


def test_the_emergency_door_closes_the_page_at_once_and_the_voices_go_on(
    playwright: Playwright, line: LineUnderTest, tmp_path: Path
) -> None:
    with _talking(playwright, line, tmp_path) as (camille, caller):
        _ecoute(line, "listeners", "deactivate", "camille")
        expect(camille.page.get_by_test_id("only-this-contact")).to_be_visible(timeout=15_000)
        _ecoute(line, "listeners", "sign-out", "camille")
        assert _ask(camille, "GET", "/session")[0] == 401
        camille.expect_hears(TONE)
        assert not caller.was_hung_up_on


def test_a_second_step_that_is_asked_for_from_now_on_comes_after_the_call(
    playwright: Playwright, line: LineUnderTest, tmp_path: Path
) -> None:
    with _talking(playwright, line, tmp_path) as (camille, caller):
        page = camille.page
        line.kill_service()
        settings = line.directory / "ecoute.toml"
        settings.write_text(settings.read_text().replace("totp_roles = []", 'totp_roles = ["listener"]'))
        line.start_service()
        expect(page.get_by_test_id("only-this-contact")).to_be_visible(timeout=20_000)
        assert _nothing_else(camille) == {(403, "second-step-missing")}
        _writes(camille, "Elle hésite. Sa voisine aussi.")
        camille.expect_hears(TONE)
        assert not caller.was_hung_up_on
        page.get_by_test_id("end").click()
        camille.expect_state("wrap-up")
        page.get_by_test_id("end-wrapup").click()
        expect(page.get_by_test_id("second-step")).to_have_attribute("data-on", "false", timeout=15_000)
        expect(page.get_by_test_id("own-password")).to_be_visible()
