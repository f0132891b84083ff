"""Calls that lie wholly within a gap are in the books, whatever the PBX tells before the journal was read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.tools.tcp_path import TcpPath
from tests.integration.live.line import LiveLine
from tests.integration.live.test_after_a_gap import ended
from tests.support.sipp import Caller, number
from tests.support.wait import until

#: of each byte on the way to the PBX and back: a login with its snapshot takes some ten seconds, half of it spent
#: hearing calls that are not compared with a snapshot yet
SLOW_SECONDS = 0.5


@pytest.fixture
def line(tmp_path: Path) -> Iterator[LiveLine]:
    with LiveLine(tmp_path) as line:
        yield line


@pytest.fixture
def path(line: LiveLine) -> Iterator[TcpPath]:
    """The way that the service takes to the PBX once it is started again."""
    with TcpPath(line.pbx.ports.ami) as path:
        settings = line.settings.read_text()
        line.settings.write_text(re.sub(r"ami_port = \d+", f"ami_port = {path.port}", settings))
        yield path


def came_and_went(line: LiveLine, caller: Caller) -> None:
    until(lambda: caller.answered, "the line takes the call")
    caller.leave()
    until(lambda: caller.process.poll() is not None, "the caller has left")
    until(lambda: not line.pbx.console("core show channels concise").strip(), "the PBX has no call any more")


def test_a_service_that_was_away_and_connects_slowly_amid_calls_has_all_of_its_absence(
    line: LiveLine, path: TcpPath
) -> None:
    line.kill_service()
    came_and_went(line, line.caller(number("+33639980021")))
    with path.slower(delay=SLOW_SECONDS):
        line.start_service(wait=False)
        until(lambda: line.answers("/healthz"), "the service is up", 30)
        callers = line.caller(calls=20, rate=1, stay=1)
        until(line.ready, "the PBX is reached", 60)
    until(lambda: callers.process.poll() is not None, "every caller has gone", 60)
    calls = ended(line, 21)
    assert {call.ended_by for call in calls} == {"caller"}
    assert calls[0].number_index is not None, "who called while nobody listened is known"


def test_a_pbx_that_began_anew_while_it_was_not_reached_hides_neither_ends_nor_calls_before_that(
    line: LiveLine, path: TcpPath
) -> None:
    line.kill_service()
    line.start_service()
    first = line.caller()
    supervisor = line.page("supervisor")
    until(lambda: supervisor.one("call") and supervisor.one("call")["stage"] == "waiting", "the caller waits")
    with path.refusing():
        until(lambda: supervisor.one("line")["state"] == "lost", "the board says that the PBX is lost")
        came_and_went(line, first)
        came_and_went(line, line.caller(number("+33639980022")))
        line.pbx.kill()
        line.pbx.start_again()
    until(lambda: supervisor.one("line")["state"] == "up", "the PBX is back", 30)
    calls = ended(line, 2)
    assert [call.ended_by for call in calls] == ["caller", "caller"]
    assert calls[1].number_index is not None
