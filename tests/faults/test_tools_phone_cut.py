"""The signalling of a phone in the page is cut in mid-call: two people talk on, and the phone is there again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Playwright, sync_playwright

from tests.faults.tools.tcp_path import TcpPath
from tests.support.audio import CallerAudio
from tests.support.browser import listener_browser
from tests.support.line import LineUnderTest
from tests.support.pbx import Ports, reserve_ports
from tests.support.sipp import Caller, number
from tests.support.wait import stays, until

CALLER_TONE, CAMILLE_TONE = 440.0, 1000.0
REGISTERED_SECONDS = 30.0


class LineByPath(LineUnderTest):
    """The pages' phones reach Asterisk by `path`."""

    def __init__(self, directory: Path, block: Ports, path: TcpPath) -> None:
        self.path = path
        super().__init__(directory, block, {})

    def _settings(self, sections: Mapping[str, Mapping[str, Any]]) -> str:
        url = f"websocket_url = 'ws://localhost:{self.path.port}/ws'\n"
        return super()._settings(sections).replace("queue_round_seconds", f"{url}queue_round_seconds")

    def registered(self) -> bool:
        """Asterisk knows a phone by a connection that there is."""
        known = self.pbx().console("pjsip show contacts")
        return any(f":{port};" in known or f":{port} " in known for port in self.path.source_ports())


@pytest.fixture
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as driver:
        yield driver


@pytest.fixture
def line(tmp_path: Path) -> Iterator[LineByPath]:
    block = reserve_ports()
    with ExitStack() as stack:
        stack.callback(block.release)
        path = stack.enter_context(TcpPath(block.http))
        yield stack.enter_context(LineByPath(tmp_path, block, path))


@pytest.mark.pair
def test_a_phone_whose_websocket_is_killed_in_mid_call_talks_on_and_registers_again(
    line: LineByPath, playwright: Playwright, tmp_path: Path
) -> None:
    with listener_browser(playwright, tmp_path / "camille", CAMILLE_TONE) as camille, CallerAudio(CALLER_TONE) as audio:
        camille.sign_in(line.url, "camille", line.password("camille"))
        camille.use_raw_audio()
        camille.sign_in_to_queue()
        with Caller(line.ports.sip, tmp_path, identity=number("+33639980001"), stay=600, audio=audio) as caller:
            camille.expect_ringing()
            camille.answer()
            camille.expect_hears(CALLER_TONE)
            until(lambda: audio.loudness(CAMILLE_TONE, 2.0) > 0.05, "the caller hears the listener")
            before = line.path.counts.connections
            assert line.path.reset() >= 1
            cut = time.monotonic()
            stays(lambda: audio.loudness(CAMILLE_TONE, 2.0) > 0.05, "the caller hears the listener", 3.0)
            camille.expect_hears(CALLER_TONE)
            until(lambda: line.path.counts.connections > before, "the phone comes back", REGISTERED_SECONDS)
            until(line.registered, "and is known", REGISTERED_SECONDS)
            print(f"registered again {time.monotonic() - cut:.1f} s after the cut at the latest")
            stays(lambda: audio.loudness(CAMILLE_TONE, 2.0) > 0.05, "the caller hears the listener", 2.0)
            assert caller.lives
            camille.page.get_by_test_id("end").click()
            until(lambda: caller.was_hung_up_on, "the listener's end reaches the caller")
