"""Which leg belongs to which call, and who is with the caller."""

from __future__ import annotations

import random

import pytest

from pbx import identity
from pbx.calls import ENDED_KEPT_SECONDS
from pbx.events import (
    BridgeEntered,
    BridgeLeft,
    Event,
    LegGone,
    LegListed,
    LegsListed,
    RingBegan,
    SessionBegan,
    SnapshotTaken,
)
from pbx.facts import CallAnswered, CallEnded, CallFact, PbxConnected, Stage
from pbx.identity import KEPT_SECONDS, Identity
from tests.unit.pbx.numbered_channels import NAMES, A, B, Pbx, name, uid

# --- aliases --------------------------------------------------------------------------------------------------------


def test_the_listener_is_with_the_caller_while_they_share_a_bridge() -> None:
    pbx = Pbx()
    pbx.conversation(A, 10, "b1")
    assert pbx.with_caller(A) == {name(11)}
    leg = pbx.state.calls[A].legs[uid(11)]
    assert (leg.channel, leg.interface, leg.bridge) == (name(11), "PJSIP/l1", "b1")
    pbx.leave(11, "b1")
    assert pbx.with_caller(A) == set()
    assert pbx.legs(A) == {uid(10), uid(11)}
    pbx.gone(11, linked=10, call=A)
    assert pbx.legs(A) == {uid(10)}


def test_a_colleague_who_was_consulted_belongs_to_the_call_from_the_transfer_on() -> None:
    pbx = Pbx()
    pbx.conversation(A, 10, "b1")
    pbx.enter(31, "b2", linked=30)
    pbx.enter(30, "b2")
    assert (pbx.state.call_of(uid(30)), pbx.state.call_of(uid(31))) == ("", "")
    pbx.leave(31, "b2")
    pbx.leave(11, "b1")
    pbx.enter(31, "b1", linked=10)
    assert (pbx.state.call_of(uid(30)), pbx.state.call_of(uid(31))) == (A, A)
    assert pbx.with_caller(A) == {name(31)}
    assert pbx.gone(11, linked=10, call=A) == []
    assert pbx.gone(30) == []
    assert pbx.legs(A) == {uid(10), uid(31)}
    assert pbx.state.calls[A].stage is Stage.TALKING
    pbx.enter(32, "b3", linked=30)  # of the consultation, known by its linkedid alone
    assert pbx.state.call_of(uid(32)) == A


def test_a_stranger_who_joins_the_bridge_of_one_call_belongs_to_it_whoever_enters_first() -> None:
    first, second = Pbx(), Pbx()
    first.conversation(A, 10, "b1")
    first.enter(31, "b1")
    second.enter(31, "b1")
    second.conversation(A, 10, "b1")
    for pbx in (first, second):
        assert pbx.state.call_of(uid(31)) == A
        assert pbx.with_caller(A) == {name(11), name(31)}


def test_an_older_stranger_changes_neither_the_call_nor_its_end() -> None:
    pbx = Pbx()
    pbx.enter(5, "b9")
    pbx.conversation(A, 10, "b1")
    pbx.leave(10, "b1")
    pbx.enter(10, "b9", linked=5, call=A)
    assert pbx.state.call_of(uid(5)) == A
    assert pbx.gone(5) == []
    assert A in pbx.state.calls
    pbx.end(A, 10)
    assert sum(isinstance(fact, CallEnded) for fact in pbx.facts) == 1
    assert pbx.state.calls == {}


def test_a_stranger_is_never_taken_for_a_caller_who_is_not_known_yet() -> None:
    pbx = Pbx()
    pbx.say(
        RingBegan(at=pbx.tick(), call_id=A, queue="national", interface="PJSIP/l1", channel=name(11), uniqueid=uid(11))
    )
    pbx.enter(5, "b9")
    pbx.enter(11, "b9", linked=5, call=A)
    assert pbx.state.call_of(uid(5)) == A
    assert pbx.gone(5) == []
    assert A in pbx.state.calls


def test_two_calls_in_one_conference_stay_two_and_that_is_counted() -> None:
    pbx = Pbx()
    pbx.conversation(A, 10, "b1")
    pbx.conversation(B, 20, "b2")
    for number, call in ((10, A), (11, A), (20, B), (21, B)):
        pbx.leave(number, "b1" if call == A else "b2")
        pbx.enter(number, "room", linked=10, call=call)
    assert {number: pbx.state.call_of(uid(number)) for number in (10, 11, 20, 21)} == {10: A, 11: A, 20: B, 21: B}
    assert (pbx.legs(A), pbx.legs(B)) == ({uid(10), uid(11)}, {uid(20), uid(21)})
    assert pbx.with_caller(B) == {name(10), name(11), name(21)}
    pbx.enter(31, "room")
    assert pbx.state.call_of(uid(31)) == ""  # nobody can say of which of the two
    pbx.end(A, 10)
    assert set(pbx.state.calls) == {B}
    pbx.end(B, 20)
    assert [fact.call_id for fact in pbx.facts if isinstance(fact, CallEnded)] == [A, B]


def test_a_channels_own_word_outranks_the_company_it_keeps() -> None:
    aliases = Identity()
    aliases.seen("caller-a", A)
    aliases.seen("x", linkedid="caller-a")
    assert aliases.of("x") == A
    assert aliases.seen("x", B) == B
    assert (aliases.of("x"), aliases.of("caller-a")) == (B, A)
    assert aliases.seen("x", B, linkedid="caller-a") == B


def test_whatever_the_order_of_what_is_told_the_same_channels_belong_together() -> None:
    links = [("a1", A, ""), ("a2", "", "a1"), ("s2", "", "s1"), ("s3", "", "s1"), ("s1", "", "a2"), ("b1", B, "")]
    outcomes = set()
    for seed in range(200):
        told = links[:]
        random.Random(seed).shuffle(told)  # noqa: S311
        aliases = Identity()
        for uniqueid, own, linkedid in told:
            aliases.seen(uniqueid, own, linkedid)
        outcomes.add(tuple(aliases.of(uniqueid) for uniqueid, _, _ in links))
    assert outcomes == {(A, A, A, A, A, B)}


# --- what is forgotten ----------------------------------------------------------------------------------------------


def test_a_leg_that_is_gone_does_not_come_back_by_a_late_word() -> None:
    pbx = Pbx()
    pbx.conversation(A, 10, "b1")
    pbx.gone(11, linked=10, call=A)
    pbx.enter(11, "b1", linked=10, call=A)
    pbx.step(A, 11, "connecting", f"national PJSIP/l1 {name(11)}")
    assert pbx.legs(A) == {uid(10)}
    assert pbx.state.call_of(uid(11)) == A


def test_late_words_of_an_ended_call_find_it_for_a_while_and_then_it_is_forgotten() -> None:
    pbx = Pbx()
    pbx.conversation(A, 10, "b1")
    pbx.enter(31, "b1", linked=10)
    pbx.end(A, 10)
    assert pbx.state.call_of(uid(31)) == A
    pbx.at += ENDED_KEPT_SECONDS + 1
    pbx.conversation(B, 20, "b2")
    pbx.end(B, 20)
    assert pbx.state.call_of(uid(31)) == ""
    pbx.enter(31, "b3")
    NAMES[41] = "PJSIP/l3"
    pbx.conversation("another", 40, "b3")
    assert pbx.state.call_of(uid(31)) == "another"


def test_aliases_of_calls_that_ended_do_not_pile_up() -> None:
    aliases = Identity()
    most = 0
    for number in range(20_000):
        at = number * 1.0
        aliases.seen(f"caller-{number}", f"call-{number}")
        aliases.lives(f"caller-{number}")
        aliases.seen(f"leg-{number}", linkedid=f"caller-{number}")
        aliases.lives(f"leg-{number}")
        aliases.gone(f"leg-{number}", at)
        aliases.gone(f"caller-{number}", at)
        most = max(most, len(aliases))
    assert most <= 2 * (KEPT_SECONDS + 2)


def test_even_channels_whose_end_is_never_told_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "KEPT_ALIASES", 100)
    aliases = Identity()
    for number in range(1000):
        aliases.seen(f"leg-{number}", f"call-{number}")
        aliases.lives(f"leg-{number}")
    assert len(aliases) == 100
    assert (aliases.of("leg-0"), aliases.of("leg-999")) == ("", "call-999")


# --- other bridges --------------------------------------------------------------------------------------------------


def test_a_caller_who_is_led_into_a_conference_is_not_answered_twice() -> None:
    pbx = Pbx()
    pbx.conversation(A, 10, "b1")
    pbx.leave(10, "b1")
    pbx.enter(10, "room", call=A)
    pbx.enter(11, "room", linked=10, call=A)
    assert sum(isinstance(fact, CallAnswered) for fact in pbx.facts) == 1
    # back in the queue, and connected again: answered when they were bridged, not when the conference began
    pbx.leave(10, "room")
    pbx.step(A, 10, "queued", "national")
    pbx.step(A, 21, "connecting", f"national PJSIP/l2 {name(21)}")
    answers = [fact for fact in pbx.facts if isinstance(fact, CallAnswered)]
    assert len(answers) == 1
    (answer,) = [fact for fact in pbx.enter(10, "b2", call=A) if isinstance(fact, CallAnswered)]
    assert (answer.at, answer.interface) == (pbx.at, "PJSIP/l2")


def test_a_listener_whose_leg_goes_by_a_transfer_is_not_lost_before_the_dialplan_says_so() -> None:
    pbx = Pbx()
    pbx.conversation(A, 10, "b1")
    assert pbx.gone(11, linked=10, call=A) == []
    assert pbx.state.calls[A].stage is Stage.TALKING
    (lost,) = pbx.step(A, 10, "listener-lost", "PJSIP/l1 16")
    assert type(lost).__name__ == "ListenerLost"


def test_whoever_is_behind_a_local_channel_is_with_the_caller() -> None:
    pbx = Pbx()
    NAMES.update({51: "Local/l2@centre", 52: "Local/l2@centre"})
    first, second = "Local/l2@centre-00000003;1", "Local/l2@centre-00000003;2"
    pbx.conversation(A, 10, "b1")
    pbx.leave(11, "b1")
    for number, channel, bridge in ((51, first, "b1"), (52, second, "b2"), (53, "PJSIP/l2-00000035", "b2")):
        pbx.say(
            BridgeEntered(
                at=pbx.tick(), call_id="", channel=channel, uniqueid=uid(number), linkedid=uid(10), bridge=bridge
            )
        )
    assert pbx.with_caller(A) == {"PJSIP/l2-00000035"}


# --- the snapshot ---------------------------------------------------------------------------------------------------


def listed(number: int, *, call: str = "", bridge: str = "", linked: int = 0, step: int = 0) -> LegListed:
    return LegListed(
        call_id=call,
        channel=name(number),
        uniqueid=uid(number),
        bridge=bridge,
        up=True,
        step=step,
        stage="talking" if step else "",
        arrived=999,
        line="+33199003133",
        queue_now="national" if step else "",
        centre="",
        listener="PJSIP/l1" if step else "",
        listener_channel=name(11) if step else "",
        connected_at=1000.0 if step else None,
        step_what="connecting" if step else "",
        step_detail="",
        waiting_since=None,
        overflow_at=None,
        linkedid=uid(linked or number),
    )


def reconnect(pbx: Pbx, *legs: LegListed, live: tuple[Event, ...] = ()) -> frozenset[str]:
    pbx.say(SessionBegan(at=pbx.tick(), started="one", version=""))
    for event in live:
        pbx.say(event)
    pbx.say(LegsListed(at=pbx.tick(), legs=legs))
    (connected,) = [fact for fact in pbx.say(SnapshotTaken(at=pbx.at)) if isinstance(fact, PbxConnected)]
    return connected.gone


def test_the_snapshot_knows_legs_without_an_id_by_whom_they_are_linked_and_bridged_with() -> None:
    pbx = Pbx()
    reconnect(
        pbx,
        listed(10, call=A, bridge="b1", step=3),
        listed(31, bridge="b1"),
        listed(30, linked=31),
        listed(40, bridge="b7"),
    )
    assert [pbx.state.call_of(uid(number)) for number in (10, 31, 30, 40)] == [A, A, A, ""]
    assert pbx.legs(A) == {uid(10), uid(31), uid(30)}
    assert pbx.with_caller(A) == {name(31)}


def test_a_leg_that_went_in_the_gap_is_with_nobody_afterwards() -> None:
    pbx = Pbx()
    pbx.conversation(A, 10, "b1")
    assert reconnect(pbx, listed(10, call=A, bridge="", step=3)) == frozenset()
    assert pbx.legs(A) == {uid(10)}
    assert pbx.with_caller(A) == set()


def test_where_a_leg_was_seen_to_go_outranks_where_the_snapshot_has_it() -> None:
    pbx = Pbx()
    pbx.conversation(A, 10, "b1")
    moved = BridgeEntered(at=pbx.tick(), call_id=A, channel=name(11), uniqueid=uid(11), linkedid=uid(10), bridge="room")
    ended = LegGone(at=pbx.at, call_id=A, channel=name(31), uniqueid=uid(31), linkedid=uid(10), cause=16)
    reconnect(
        pbx,
        listed(10, call=A, bridge="b1", step=3),
        listed(11, call=A, bridge="b1", linked=10),
        listed(31, bridge="b1", linked=10),
        live=(moved, ended),
    )
    assert pbx.with_caller(A) == set()
    assert pbx.state.calls[A].legs[uid(11)].bridge == "room"
    assert uid(31) not in pbx.legs(A)


def test_a_leg_that_outlives_its_caller_in_the_gap_keeps_no_call_alive() -> None:
    pbx = Pbx()
    pbx.conversation(A, 10, "b1")
    led_away = BridgeEntered(
        at=pbx.tick(), call_id=A, channel=name(11), uniqueid=uid(11), linkedid=uid(10), bridge="room"
    )
    assert reconnect(pbx, listed(11, call=A, bridge="room", linked=10), live=(led_away,)) == frozenset({A})
    assert pbx.state.calls == {}
    assert pbx.gone(11, linked=10, call=A) == []
    assert not any(isinstance(fact, CallEnded) for fact in pbx.facts)  # how it ended is in the journal


def test_a_call_that_began_and_ended_in_the_gap_leaves_nothing_behind() -> None:
    pbx = Pbx()
    assert reconnect(pbx) == frozenset()
    late = [
        BridgeLeft(at=pbx.tick(), call_id=B, channel=name(21), uniqueid=uid(21), linkedid=uid(20), bridge="b2"),
        LegGone(at=pbx.tick(), call_id=B, channel=name(21), uniqueid=uid(21), linkedid=uid(20), cause=16),
    ]
    assert [fact for event in late for fact in pbx.say(event) if isinstance(fact, CallFact)] == []
    assert pbx.state.calls == {}
