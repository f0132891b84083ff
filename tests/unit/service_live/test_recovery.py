"""Quick recovery: one listener whose page and phone are gone, alone, and never a later call of theirs."""

from __future__ import annotations

from pbx.contacts import ContactTracker
from pbx.events import ContactSeen
from pbx.facts import PhoneChanged, Stage
from service.decisions.recovery import (
    HESITATION_SECONDS,
    STRANDED_SETTLE_SECONDS,
    LostLeg,
    PageSocket,
    find_lost_leg,
    find_stranded,
)
from service.world import LinkState, World
from tests.unit.service_live.worlds import PBX, member, talking, world

LOST_AT = 100.0
NOW = LOST_AT + HESITATION_SECONDS
GONE = {12: PageSocket(open=False, gone_at=LOST_AT)}


def lose_phone(made: World, endpoint: str, at: float = LOST_AT, *, removed: bool = True) -> None:
    made.apply(PBX, [PhoneChanged(pbx=PBX, at=0.0, endpoint=endpoint, reachable=False, removed=removed)], at)
    made.lines[PBX].state.phones[endpoint] = False


def crashed() -> World:
    """Listener 12 talks, and their phone's contact goes. Two more phones are there."""
    made = world(talking("c1", "PJSIP/l12"), members=(member(), member("PJSIP/l13"), member("PJSIP/l14")))
    lose_phone(made, "l12")
    return made


def test_page_and_phone_gone_under_a_call_frees_the_caller() -> None:
    assert find_lost_leg(crashed(), PBX, GONE, NOW) == LostLeg(12, "c1", "PJSIP/l12-0001")


def test_the_phone_gone_alone_does_not() -> None:
    assert find_lost_leg(crashed(), PBX, {12: PageSocket(open=True, gone_at=0.0)}, NOW) is None
    assert find_lost_leg(crashed(), PBX, {}, NOW) is None


def test_a_page_that_reloaded_and_is_back_already_has_lost_its_leg_all_the_same() -> None:
    back = {12: PageSocket(open=True, gone_at=LOST_AT - 0.2)}
    assert find_lost_leg(crashed(), PBX, back, NOW) is not None


def test_two_listeners_lost_together_are_left_alone() -> None:
    made = crashed()
    lose_phone(made, "l13", LOST_AT + 0.3)
    assert find_lost_leg(made, PBX, GONE, NOW) is None


def test_a_companion_in_misfortune_is_waited_for() -> None:
    assert find_lost_leg(crashed(), PBX, GONE, NOW - 0.1) is None


def test_a_service_that_is_in_sync_only_lately_does_nothing() -> None:
    made = crashed()
    made.lines[PBX].in_sync_since = LOST_AT - 20
    assert find_lost_leg(made, PBX, GONE, NOW) is None
    made.lines[PBX].link = LinkState.LOST
    assert find_lost_leg(made, PBX, GONE, NOW + 60) is None


def test_a_leg_is_dropped_once() -> None:
    made = crashed()
    made.leg_dropped("c1", "PJSIP/l12-0001")
    assert find_lost_leg(made, PBX, GONE, NOW) is None


def test_a_later_call_of_the_same_listener_is_never_touched() -> None:
    made = crashed()
    made.lines[PBX].state.calls["c1"] = talking("c1", "PJSIP/l12", "PJSIP/l12-0002")
    assert find_lost_leg(made, PBX, GONE, NOW) is None


def test_a_phone_lost_while_it_rings_is_freed_too() -> None:
    call = talking("c1", "")
    call.ringing["PJSIP/l12"] = "PJSIP/l12-0007"
    made = world(call, members=(member(), member("PJSIP/l13")))
    lose_phone(made, "l12")
    assert find_lost_leg(made, PBX, GONE, NOW) == LostLeg(12, "c1", "PJSIP/l12-0007")


def test_the_only_listener_on_the_line_is_left_alone_a_blink_of_the_network_looks_the_same() -> None:
    made = crashed()
    phones = made.lines[PBX].state.phones
    phones["l13"] = phones["l14"] = False
    phones["trunk"] = True  # no listener: no witness
    phones["l12"] = True  # registered anew at once
    back = {12: PageSocket(open=True, gone_at=LOST_AT - 0.2)}
    assert find_lost_leg(made, PBX, back, NOW) is None


def test_a_paused_listener_with_their_page_open_is_witness_enough() -> None:
    made = world(talking("c1", "PJSIP/l12"), members=(member(), member("PJSIP/l13", paused="breathing-space")))
    lose_phone(made, "l12")
    assert find_lost_leg(made, PBX, GONE, NOW) == LostLeg(12, "c1", "PJSIP/l12-0001")


def test_a_qualification_that_failed_tears_nothing_apart() -> None:
    made = world(talking("c1", "PJSIP/l12"), members=(member(), member("PJSIP/l13")))
    lose_phone(made, "l12", removed=False)
    assert find_lost_leg(made, PBX, GONE, NOW) is None


def test_a_contact_that_was_removed_is_told_apart_from_one_that_does_not_answer() -> None:
    tracker = ContactTracker(PBX)

    def seen(uri: str, *, reachable: bool | None, removed: bool = False) -> list[bool]:
        event = ContactSeen(at=1.0, endpoint="l12", uri=uri, reachable=reachable, removed=removed)
        return [fact.removed for fact in tracker.seen(event) if isinstance(fact, PhoneChanged)]

    assert seen("a", reachable=True) == [False]
    assert seen("a", reachable=False) == [False]
    assert seen("a", reachable=True) == [False]
    assert seen("b", reachable=True) == []
    assert seen("b", reachable=None, removed=True) == []
    assert seen("a", reachable=None, removed=True) == [True]


def test_a_listener_held_for_a_caller_who_is_gone_is_found_once_the_line_is_known() -> None:
    made = world(members=(member(paused="reconnecting"), member("PJSIP/l13", paused="wrap-up")))
    assert find_stranded(made.lines[PBX], STRANDED_SETTLE_SECONDS) == {"PJSIP/l12"}
    assert find_stranded(made.lines[PBX], STRANDED_SETTLE_SECONDS - 0.1) == frozenset()
    made.lines[PBX].link = LinkState.LOST
    assert find_stranded(made.lines[PBX], STRANDED_SETTLE_SECONDS) == frozenset()


def test_a_listener_whose_caller_is_kept_on_the_line_goes_on_being_held() -> None:
    call = talking("c1", "PJSIP/l12")
    call.stage = Stage.LOST
    made = world(call, members=(member(paused="reconnecting"),))
    assert find_stranded(made.lines[PBX], STRANDED_SETTLE_SECONDS) == frozenset()
