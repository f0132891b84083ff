"""What a listener is shown to be doing, derived from what Asterisk says."""

from __future__ import annotations

import pytest

from pbx.calls import LiveCall
from pbx.facts import DeviceState, Stage
from pbx.queues import Member
from service.listeners.model import Doing, ListenerState, account_of, doing, doing_by_interface, interface_of
from service.queues.model import positions
from tests.unit.service_live.worlds import member, talking, waiting

ME = "PJSIP/l12"


def ringing_for_me() -> LiveCall:
    call = waiting()
    call.ringing[ME] = "PJSIP/l12-0001"
    return call


@pytest.mark.parametrize(
    ("me", "call", "reachable", "state"),
    [
        (None, None, True, ListenerState.ABSENT),
        (member(), None, True, ListenerState.FREE),
        (member(), None, False, ListenerState.UNREACHABLE),
        (member(device=DeviceState.UNREACHABLE), None, True, ListenerState.UNREACHABLE),
        (member(), ringing_for_me(), True, ListenerState.RINGING),
        (member(device=DeviceState.RINGING), None, True, ListenerState.RINGING),
        (member(paused="wrap-up", device=DeviceState.TALKING), talking("c1", ME), True, ListenerState.TALKING),
        (member(paused="wrap-up", device=DeviceState.TALKING), None, True, ListenerState.TALKING),
        (member(paused="wrap-up"), None, True, ListenerState.WRAP_UP),
        (member(paused="wrap-up"), None, False, ListenerState.WRAP_UP),
        (member(paused="breathing-space"), None, True, ListenerState.PAUSED),
        (member(paused="reconnecting"), None, False, ListenerState.PAUSED),
        (None, talking("c1", ME), True, ListenerState.TALKING),
        (member(), talking("c1", "PJSIP/l13"), True, ListenerState.FREE),
    ],
)
def test_the_state_that_is_shown(
    me: Member | None, call: LiveCall | None, reachable: bool, state: ListenerState
) -> None:
    assert doing(ME, me, call, reachable).state is state


def test_a_pause_shows_its_reason() -> None:
    for reason in ("breathing-space", "reconnecting"):
        assert doing(ME, member(paused=reason), None, True) == Doing(ListenerState.PAUSED, reason)


def test_talking_outranks_ringing() -> None:
    found = doing_by_interface([talking("c1", ME), ringing_for_me()])
    assert found[ME].call_id == "c1"


def test_a_phone_belongs_to_its_account_and_a_centre_to_none() -> None:
    assert account_of(interface_of(12)) == account_of("l12") == 12
    assert [account_of(name) for name in ("centre-38", "PJSIP/trunk", "l", "")] == [None] * 4


def test_rank_is_arrival_in_each_queue() -> None:
    late, early = waiting("late", arrived=1005, since=1010), waiting("early", arrived=1001, since=1090)
    other = waiting("other", arrived=1000, queue="centre-38")
    gone = talking("gone", ME)
    assert positions([late, early, other, gone]) == {"early": 1, "late": 2, "other": 1}


def test_who_is_offered_a_centre_has_no_rank_meanwhile() -> None:
    call = waiting()
    call.stage = Stage.OVERFLOW
    assert positions([call]) == {}
