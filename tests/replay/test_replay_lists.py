"""A recording whose list was broken off: nobody who is missing from it has gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbx.facts import PbxConnected
from pbx.replay import RecordedSessions
from tests.unit.pbx.ami_frames import CALL, Wire, frame
from tests.unit.pbx.call_facts import waiting

BANNER = b"Asterisk Call Manager/11.0.0\r\n"


def listing(action: str, end: str) -> bytes:
    own = f"ActionID: {action}/1"
    begins = frame("Response: Success", own, "EventList: start")
    return begins + frame(f"Event: {action}Complete", own, f"EventList: {end}", "ListItems: 0")


def session(status_ends: str) -> bytes:
    began = frame("Response: Success", "ActionID: CoreStatus/1", "CoreStartupDate: 2026-01-01")
    return BANNER + began + listing("Status", status_ends) + listing("QueueStatus", "Complete")


@pytest.mark.parametrize(("end", "live"), [("Cancelled", [CALL]), ("Complete", [])])
async def test_a_list_that_was_broken_off_ends_no_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, end: str, live: list[str]
) -> None:
    path = tmp_path / "line.ami"
    path.write_bytes(session("Complete") + waiting(Wire()).bytes() + session(end))
    sessions = RecordedSessions(path, "pbx1")
    facts = [fact async for batch in sessions.batches() for fact in batch]
    assert list(sessions.state.calls) == live
    gone = [fact.gone for fact in facts if isinstance(fact, PbxConnected)]
    assert gone == [frozenset(), frozenset({CALL} - set(live))]
    assert caplog.records == []
