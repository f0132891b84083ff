"""What is kept of calls and legs that are over, for words that come late; and how much of it."""

from __future__ import annotations

from typing import Any

import pytest

from pbx import calls
from pbx.events import LegGone, RingBegan
from pbx.facts import CallEnded, ListenerRangOut, ListenerRung
from pbx.state import PbxState
from tests.unit.pbx.ami_frames import CALL, Wire, leg
from tests.unit.pbx.call_facts import follow, waiting
from tests.unit.pbx.numbered_channels import Pbx, uid

CALLS = {f"call-{number}": number for number in range(40, 45)}


def all_end_at_once(pbx: Pbx) -> None:
    for call, number in CALLS.items():
        pbx.step(call, number, "entered", "none +33199003133 999")
    for call, number in CALLS.items():
        pbx.step(call, number, "ended", "caller waiting")


def test_of_calls_that_ended_a_moment_ago_no_more_are_kept_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "ENDED_KEPT_CALLS", 3)
    pbx = Pbx()
    all_end_at_once(pbx)
    assert [pbx.state.call_of(uid(number)) for number in CALLS.values()] == ["", "", "call-42", "call-43", "call-44"]


def test_a_late_hangup_of_a_call_that_is_kept_is_no_second_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "ENDED_KEPT_CALLS", len(CALLS))
    pbx = Pbx()
    all_end_at_once(pbx)
    for call, number in CALLS.items():
        pbx.gone(number, call=call)
    assert [fact.call_id for fact in pbx.facts if isinstance(fact, CallEnded)] == list(CALLS)
    assert pbx.state.calls == {}


def test_a_ring_whose_end_was_told_first_is_told_with_its_end_and_no_phone_rings() -> None:
    """The queue tells the ring on the caller's channel, the end comes on the leg's own."""
    state = PbxState("pbx1")
    follow(waiting(Wire()), state)
    channel, uniqueid = leg(1)
    gone = LegGone(at=1010.5, call_id=CALL, channel=channel, uniqueid=uniqueid, linkedid="pbx1-100.0", cause=19)
    ring = RingBegan(
        at=1009.0, call_id=CALL, queue="national", interface="PJSIP/l1", channel=channel, uniqueid=uniqueid
    )
    assert list(state.apply(gone)) == []
    common: dict[str, Any] = {
        "pbx": "pbx1",
        "call_id": CALL,
        "ordinal": 1,
        "interface": "PJSIP/l1",
        "queue": "national",
    }
    assert list(state.apply(ring)) == [ListenerRung(at=1009.0, **common), ListenerRangOut(at=1010.5, **common)]
    assert state.calls[CALL].ringing == {}
    assert list(state.apply(ring)) == []
