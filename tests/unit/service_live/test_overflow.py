"""Overflow: offered when nobody is free for too long or nobody is signed in; never twice, never against the caller."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pbx.calls import LiveCall
from pbx.facts import CallEnded, CallQueued, DeviceState, EndedBy, ListenerRangOut, Stage
from service.calls.known import KnownCaller
from service.cases.model import CaseStatus
from service.cases.schemas import Known, KnownCase
from service.centres.model import Routes
from service.decisions.overflow import Decision, Offer, Stay, decide
from service.world import WITHDRAWAL_SECONDS, LinkState, World
from tests.unit.service_live.worlds import PBX, RULES, member, waiting, world

NOW = 1200.0
BUSY = member(device=DeviceState.TALKING)


def decision(made: World, call: LiveCall, now: float = NOW) -> Decision:
    return decide(made, call, PBX, now)


def known(*departments: str, shielded: bool = False) -> KnownCaller:
    at = "2026-03-01T08:00:00Z"
    cases = [
        KnownCase.model_validate(
            {
                "case_id": number,
                "reference": None,
                "status": CaseStatus.OPEN,
                "department": department,
                "opened_at": at,
                "last_contact_at": at,
            }
        )
        for number, department in enumerate(departments)
    ]
    return KnownCaller(Known(number="known", shielded=shielded, contacts=1, last_contact_at=None, cases=cases))


def test_with_nobody_signed_in_a_centre_is_offered_at_once() -> None:
    call = waiting(since=NOW)
    assert decision(world(call), call) == Offer("ask")


def test_with_everybody_busy_a_centre_is_offered_after_the_set_time_only() -> None:
    call = waiting(since=NOW - RULES.after_seconds)
    assert decision(world(call, members=(BUSY,)), call) == Offer("ask")
    assert decision(world(call, members=(BUSY,)), call, NOW - 1) == Stay("not-yet")


def test_while_somebody_is_free_the_caller_stays() -> None:
    call = waiting(since=0)
    assert decision(world(call, members=(BUSY, member("PJSIP/l13"))), call) == Stay("somebody-is-free")


def test_somebody_paused_is_not_free() -> None:
    call = waiting(since=0)
    assert decision(world(call, members=(member(paused="wrap-up"),)), call) == Offer("ask")


def test_while_a_phone_rings_for_the_caller_they_stay() -> None:
    call = waiting(since=0)
    call.ringing["PJSIP/l12"] = "PJSIP/l12-0001"
    assert decision(world(call, members=(BUSY,)), call) == Stay("a-listener-is-ringing")


def test_a_phone_that_rings_for_nobody_has_just_stopped_and_is_free() -> None:
    call, other = waiting(since=0), waiting("c2", since=0)
    made = world(call, other, members=(member(device=DeviceState.RINGING),))
    assert decision(made, call) == Stay("somebody-is-free")
    other.ringing["PJSIP/l12"] = "PJSIP/l12-0001"
    made.lines[PBX].begin_round()
    assert decision(made, call) == Offer("ask")


def rang_out() -> ListenerRangOut:
    return ListenerRangOut(pbx=PBX, at=NOW, call_id="c1", ordinal=7, interface="PJSIP/l12", queue="national")


def test_a_listener_said_to_be_free_who_let_the_phone_ring_twice_keeps_nobody_from_a_centre() -> None:
    call = waiting(since=0)
    made = world(call, members=(member(),))
    made.apply(PBX, [rang_out()], 0.0)
    assert decision(made, call) == Stay("somebody-is-free")
    made.apply(PBX, [rang_out()], 0.0)
    assert decision(made, call) == Offer("ask")
    made.apply(PBX, [CallQueued(pbx=PBX, at=NOW, call_id="c1", ordinal=9, queue="national")], 0.0)
    assert decision(made, call) == Stay("somebody-is-free")


def test_rings_in_vain_of_a_call_that_is_over_are_forgotten() -> None:
    made = world(waiting(since=0))
    ended = CallEnded(pbx=PBX, at=NOW, call_id="c1", ordinal=9, by=EndedBy.CALLER, stage=Stage.WAITING)
    made.apply(PBX, [rang_out(), ended], 0.0)
    del made.lines[PBX].state.calls["c1"]
    made.apply(PBX, [rang_out()], 0.0)
    assert made.rang_out == {}


def test_it_is_not_offered_again_too_soon() -> None:
    call = replace(waiting(since=0), last_overflow_at=NOW - RULES.again_after_seconds + 1)
    assert decision(world(call), call) == Stay("offered-lately")
    assert decision(world(call), call, NOW + 1) == Offer("ask")


def test_the_centre_of_the_known_cases_department_is_offered() -> None:
    call = waiting(since=0)
    made = world(call)
    made.known[call.call_id] = known("38")
    assert decision(made, call) == Offer("centre:centre-38")


def test_unclear_departments_a_shielded_number_and_a_department_without_centre_are_asked_for() -> None:
    call = waiting(since=0)
    for found in (known("38", "05"), known("38", shielded=True), known("75"), known()):
        made = world(call)
        made.known[call.call_id] = found
        assert decision(made, call) == Offer("ask")


def test_who_waits_for_a_centre_is_left_to_the_dialplan() -> None:
    call = waiting(since=0, queue="centre-38")
    assert decision(world(call), call) == Stay("not-waiting")


def test_nothing_is_decided_blindly() -> None:
    call = waiting(since=0)
    for link in (LinkState.LOST, LinkState.STARTING, LinkState.REFUSED):
        assert decision(world(call, link=link), call) == Stay("pbx-not-connected")


def test_without_any_centre_nothing_is_offered() -> None:
    call = waiting(since=0)
    made = world(call)
    made.routes = Routes()
    assert decision(made, call) == Stay("no-routes")


instants = st.floats(0, 5000, allow_nan=False)


@given(instants, instants)
def test_a_command_in_flight_is_never_repeated(sent: float, later: float) -> None:
    call = waiting(since=0)
    made = world(call)
    made.withdrawal_sent(call.call_id, sent)
    repeated = isinstance(decision(made, call, sent + later), Offer)
    assert repeated == (later >= WITHDRAWAL_SECONDS)


@given(st.sampled_from(Stage), instants, st.booleans(), st.sampled_from(DeviceState), st.booleans())
def test_only_a_caller_who_waits_and_whom_nobody_can_take_is_ever_offered_a_centre(
    stage: Stage, now: float, signed_in: bool, device: DeviceState, paused: bool
) -> None:
    call = replace(waiting(since=1000.0), stage=stage)
    members = (member(device=device, paused="break" if paused else ""),) if signed_in else ()
    if isinstance(decision(world(call, members=members), call, now), Offer):
        assert stage is Stage.WAITING
        free = signed_in and not paused and device in (DeviceState.FREE, DeviceState.UNKNOWN)
        assert not free
        assert not signed_in or now - 1000.0 >= RULES.after_seconds


@given(instants, instants)
def test_waiting_longer_never_takes_an_offer_back(now: float, more: float) -> None:
    call = waiting(since=100.0)
    made = world(call, members=(BUSY,))
    if isinstance(decision(made, call, now), Offer):
        assert isinstance(decision(made, call, now + more), Offer)
