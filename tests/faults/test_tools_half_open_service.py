"""The service believes in a connection that carries nothing any more: what the people at their pages see of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.calls.model import Result
from tests.faults.tools.ami_path import AmiPath
from tests.faults.tools.namespaces import own_namespaces
from tests.integration.live.line import LiveLine
from tests.integration.live.test_after_a_gap import contacts, ended
from tests.support.sipp import number
from tests.support.wait import until

#: A dead connection is noticed within 3 s, as tests/asterisk/test_session.py shows with the machine to itself; the rest
#: is for a machine that is busy with other tests.
NOTICED_SECONDS = 3.0 + 3.0
RESYNCHRONISED_SECONDS = 5.0 + 3.0


class LineByPath(LiveLine):
    """The service reaches Asterisk by `path`."""

    def _toml(self, sections: dict[str, dict[str, Any]]) -> str:
        port = self.pbx.ports.ami
        self.path = self._stack.enter_context(AmiPath(port))
        return super()._toml(sections).replace(f"ami_port = {port}\n", f"ami_port = {self.path.port}\n")


@pytest.fixture
def line(tmp_path: Path) -> Iterator[LineByPath]:
    with own_namespaces(network=True), LineByPath(tmp_path) as line:
        yield line


def test_half_open_the_board_says_so_in_three_seconds_calls_go_on_and_the_books_are_right(line: LineByPath) -> None:
    page, phone = line.listener("listener1")
    supervisor = line.page("supervisor")
    talking = line.caller(number("+33639980001"))
    until(lambda: page.one("contact"), "a listener talks, with a contact")
    with line.path.half_open() as lost:
        began = time.monotonic()
        until(lambda: supervisor.one("line")["state"] == "lost", "the board says that the PBX is lost", 10)
        noticed = time.monotonic() - began
        assert not line.ready(), "and /readyz says so"
        waiting = line.caller(number("+33639980002"))
        until(lambda: waiting.answered, "a caller who comes now is taken")
        phone.hang_up(reason="Q.850;cause=31")
        until(lambda: talking.was_hung_up_on, "the conversation ends as its people wish")
        assert waiting.lives
    healed = time.monotonic()
    assert lost.packets > 0
    assert noticed < NOTICED_SECONDS
    until(lambda: supervisor.one("line")["state"] == "up", "the board says that it is back", 15)
    call_ids = [call["call_id"] for call in supervisor.all("call")]
    assert len(call_ids) == 1, "the one that is over is gone, the one that came meanwhile is there"
    assert time.monotonic() - healed < RESYNCHRONISED_SECONDS
    until(lambda: page.one("me")["state"] == "wrap-up", "the listener's own page says so, over its own socket")
    page.must("POST", "/listener/resume", {})
    until(lambda: phone.talks, "the caller who came meanwhile is answered")
    waiting.leave()
    calls = ended(line, 2)
    assert [call.result for call in calls] == [Result.ANSWERED] * 2
    assert [call.ended_by for call in calls] == ["listener", "caller"]
    assert contacts(line) == 2
