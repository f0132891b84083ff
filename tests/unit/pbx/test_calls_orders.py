"""Which of two words counts: the later step, the nearer connection, what was seen live, and what was said once."""

from __future__ import annotations

from pbx.events import BridgeEntered, CallStep, LegsListed, SessionBegan, SnapshotTaken
from pbx.facts import CallAnswered, CallEnded, CallEntered, CallQueued, EndedBy, Fact, ListenerLost, PbxConnected, Stage
from pbx.state import PbxState
from tests.unit.pbx.ami_frames import CALL, CALLER, Wire, leg
from tests.unit.pbx.call_facts import follow, waiting
from tests.unit.pbx.test_calls_snapshot import listed, member_leg, snapshot

SESSION = SessionBegan(at=1.0, started="one", version="")
FIRST, SECOND = leg(1), leg(2, "l2")


class Caller:
    """One call, told word by word, each at its own instant and in any order."""

    def __init__(self) -> None:
        self.state = PbxState("pbx1")
        self.facts: list[Fact] = list(snapshot(self.state, at=0.0))

    def step(self, n: int, at: float, words: str, on: tuple[str, str] = CALLER) -> list[Fact]:
        what, _, detail = words.partition(" ")
        return self._tell(CallStep(at=at, call_id=CALL, n=n, what=what, detail=detail, channel=on[0], uniqueid=on[1]))

    def connecting(self, n: int, at: float, on: tuple[str, str]) -> list[Fact]:
        interface = on[0].rpartition("-")[0]
        return self.step(n, at, f"connecting national {interface} {on[0]}", on)

    def enters(self, at: float, bridge: str) -> list[Fact]:
        channel, uniqueid = CALLER
        return self._tell(
            BridgeEntered(at=at, call_id=CALL, channel=channel, uniqueid=uniqueid, linkedid=uniqueid, bridge=bridge)
        )

    def _tell(self, event: CallStep | BridgeEntered) -> list[Fact]:
        told = list(self.state.apply(event))
        self.facts += told
        return told

    def waits(self, at: float) -> None:
        self.step(1, at, "entered none +33199003133 999")
        self.step(2, at, "queued national")

    @property
    def answers(self) -> list[tuple[int, str, float]]:
        return [(fact.ordinal, fact.interface, fact.at) for fact in self.facts if isinstance(fact, CallAnswered)]


# --- a list that lacks what began while it was made ---------------------------------------------------------------


def test_a_call_that_entered_while_the_list_was_made_stays_on_the_board() -> None:
    state = PbxState("pbx1")
    state.apply(SESSION)
    follow(waiting(Wire()), state)
    assert list(state.apply(LegsListed(at=2.0, legs=()))) == []
    (connected,) = state.apply(SnapshotTaken(at=2.0))
    assert isinstance(connected, PbxConnected)
    assert connected.gone == frozenset(), "nobody needs to look for its end"
    assert state.calls[CALL].stage is Stage.WAITING


def test_a_call_of_an_earlier_session_that_was_heard_again_while_the_list_was_made_stays_on_the_board() -> None:
    state, wire = PbxState("pbx1"), Wire()
    snapshot(state, listed())
    state.apply(SESSION)
    wire.step(3, "overflow centre:centre-38 service")
    follow(wire, state)
    state.apply(LegsListed(at=2.0, legs=()))
    assert state.calls[CALL].stage is Stage.OVERFLOW


def test_a_leg_that_began_while_the_list_was_made_is_one_of_its_call_and_enters_its_bridge() -> None:
    state, wire = PbxState("pbx1"), Wire()
    state.apply(SESSION)
    wire.ring(FIRST)
    follow(wire, state)
    state.apply(LegsListed(at=2.0, legs=(listed(),)))
    assert set(state.calls[CALL].legs) == {CALLER[1], FIRST[1]}
    wire = Wire()
    wire.step(3, f"connecting national PJSIP/l1 {FIRST[0]}", FIRST)
    wire.bridge(FIRST)
    wire.bridge(CALLER)
    follow(wire, state)
    assert {each.bridge for each in state.calls[CALL].legs.values()} == {"b-1"}


def test_a_leg_that_was_heard_in_a_bridge_while_the_list_was_made_is_in_it_though_the_list_lacks_it() -> None:
    """It is known from the session before: only where it is was heard in this one."""
    state, wire = PbxState("pbx1"), waiting(Wire())
    snapshot(state)
    wire.ring(FIRST)
    follow(wire, state)
    state.apply(SESSION)
    wire = Wire()
    wire.bridge(FIRST)
    follow(wire, state)
    state.apply(LegsListed(at=2.0, legs=(listed(),)))
    assert state.calls[CALL].legs[FIRST[1]].bridge == "b-1"


# --- which connection a bridge belongs to -------------------------------------------------------------------------


def test_two_answers_whose_steps_come_last_are_each_told_at_their_own_bridge() -> None:
    """The first conversation lasted a moment: the times alone do not tell whose bridge is whose."""
    caller = Caller()
    caller.waits(1.0)
    caller.enters(10.0, "b1")
    caller.step(4, 10.1, "listener-lost PJSIP/l1 44")
    caller.step(5, 10.2, "queued national")
    caller.enters(10.6, "b2")
    caller.step(7, 30.0, "ended caller talking")
    caller.connecting(6, 10.5, SECOND)
    caller.connecting(3, 9.9, FIRST)
    assert caller.answers == [(6, "PJSIP/l2", 10.6), (3, "PJSIP/l1", 10.0)]


def test_a_person_who_answers_at_once_after_the_caller_was_moved_is_answered_at_the_next_bridge() -> None:
    """The caller's own step in between closes the visit: the bridge of the move has no answer of its own."""
    caller = Caller()
    caller.waits(1.0)
    caller.connecting(3, 9.9, FIRST)
    caller.enters(10.0, "b1")
    caller.enters(20.0, "b2")
    caller.step(4, 20.1, "listener-lost PJSIP/l1 44")
    assert caller.connecting(5, 20.2, SECOND) == []
    caller.enters(20.4, "b3")
    assert caller.answers == [(3, "PJSIP/l1", 10.0), (5, "PJSIP/l2", 20.4)]


def test_an_answer_is_not_told_at_a_bridge_while_a_step_is_missing_that_may_have_come_between() -> None:
    """The caller's own words are behind: they were in a bridge, lost that listener, and the next one is taking them."""
    caller = Caller()
    caller.waits(1.0)
    caller.enters(10.0, "b1")
    assert caller.connecting(5, 10.5, SECOND) == []
    caller.step(4, 10.3, "listener-lost PJSIP/l1 44")
    assert caller.connecting(3, 9.9, FIRST) != []
    caller.enters(10.6, "b2")
    assert caller.answers == [(3, "PJSIP/l1", 10.0), (5, "PJSIP/l2", 10.6)]


def test_of_two_persons_who_took_a_call_the_last_one_is_in_the_bridge() -> None:
    """The first was gone again before the caller could enter, and no step of the caller's lies between the two."""
    caller = Caller()
    caller.waits(1.0)
    caller.connecting(3, 9.0, FIRST)
    caller.connecting(4, 9.5, SECOND)
    caller.enters(9.7, "b1")
    assert caller.answers == [(4, "PJSIP/l2", 9.7)]
    assert caller.state.calls[CALL].listener_channel == SECOND[0]


# --- what was said before -----------------------------------------------------------------------------------------


def test_a_step_that_comes_twice_is_told_once_and_answers_no_second_bridge() -> None:
    caller = Caller()
    caller.waits(1.0)
    caller.connecting(3, 9.9, FIRST)
    caller.enters(10.0, "b1")
    caller.connecting(3, 9.9, FIRST)
    caller.step(2, 1.0, "queued national")
    caller.enters(12.0, "b2")
    assert [type(fact) for fact in caller.facts] == [PbxConnected, CallEntered, CallQueued, CallAnswered]
    assert caller.answers == [(3, "PJSIP/l1", 10.0)]
    assert caller.state.calls[CALL].stage is Stage.TALKING


def test_a_late_word_from_before_the_list_is_told_and_moves_nothing_back() -> None:
    state, wire = PbxState("pbx1"), Wire()
    lost = listed(step=4, stage="lost", step_what="listener-lost", step_detail="PJSIP/l1 44", listener="PJSIP/l1")
    snapshot(state, lost)
    wire.step(2, "queued national")
    (queued,) = follow(wire, state)
    assert isinstance(queued, CallQueued), "the record has it all the same"
    call = state.calls[CALL]
    assert (call.stage, call.waiting_since, call.listener) == (Stage.LOST, None, "PJSIP/l1")
    wire = Wire()
    wire.step(4, "listener-lost PJSIP/l1 44")
    (told,) = follow(wire, state)
    assert isinstance(told, ListenerLost)
    assert call.stage is Stage.LOST


def test_a_list_that_was_made_before_the_call_went_on_moves_nothing_back() -> None:
    state, wire = PbxState("pbx1"), waiting(Wire())
    state.apply(SESSION)
    wire.step(3, "overflow centre:centre-38 service")
    follow(wire, state)
    state.apply(LegsListed(at=2.0, legs=(listed(),)))
    call = state.calls[CALL]
    assert (call.stage, call.centre, call.step) == (Stage.OVERFLOW, "centre-38", 3)
    assert call.caller_token == "none"


def test_a_phone_that_was_listed_as_it_rang_and_answered_before_its_caller_was_listed_does_not_ring() -> None:
    """The list is made leg by leg: the listener's own was written while it still rang."""
    state, wire = PbxState("pbx1"), waiting(Wire())
    snapshot(state)
    wire.ring(FIRST)
    follow(wire, state)
    assert state.calls[CALL].ringing == {"PJSIP/l1": FIRST[0]}
    answered = listed(
        stage="talking", step=3, step_what="connecting", step_detail=f"national PJSIP/l1 {FIRST[0]}",
        listener="PJSIP/l1", listener_channel=FIRST[0], connected_at=1010.0,
    )  # fmt: skip
    facts = snapshot(state, answered, member_leg(1, up=False))
    assert [type(fact) for fact in facts] == [PbxConnected]
    assert state.calls[CALL].ringing == {}


def test_when_the_pbx_died_its_callers_are_gone_by_fault_before_the_list_says_so() -> None:
    caller = Caller()
    caller.waits(1.0)
    (ended,) = caller.state.apply(SessionBegan(at=60.0, started="two", version=""))
    assert isinstance(ended, CallEnded)
    assert (ended.by, ended.stage, ended.call_id) == (EndedBy.FAULT, Stage.WAITING, CALL)
    assert caller.state.calls == {}


def test_the_answer_of_a_caller_first_heard_of_in_a_bridge_is_told_at_that_bridge() -> None:
    """Their call entered in a gap, and who took it is heard after the list."""
    state, wire = PbxState("pbx1"), Wire()
    state.apply(SESSION)
    wire.bridge(CALLER)
    follow(wire, state)
    entered_at = wire.at
    talks = listed(
        stage="talking", step=3, step_what="connecting", step_detail=f"national PJSIP/l1 {FIRST[0]}",
        listener="PJSIP/l1", listener_channel=FIRST[0], connected_at=entered_at, bridge="b-1",
    )  # fmt: skip
    state.apply(LegsListed(at=entered_at, legs=(talks, member_leg(1, up=True, bridge="b-1"))))
    wire = Wire()
    wire.step(3, f"connecting national PJSIP/l1 {FIRST[0]}", FIRST)
    (answer,) = follow(wire, state)
    assert isinstance(answer, CallAnswered)
    assert (answer.ordinal, answer.at) == (3, entered_at)


def test_who_took_a_call_is_heard_after_the_list_and_the_next_bridge_is_not_taken_for_their_answer() -> None:
    """The steps before it were in a gap, so that the open visit cannot be theirs for certain: the journal tells."""
    caller = Caller()
    caller.waits(1.0)
    caller.state.apply(SessionBegan(at=10.0, started="one", version=""))
    caller.enters(20.0, "b1")
    talks = listed(
        stage="talking", step=5, step_what="connecting", step_detail=f"centre-38 PJSIP/l1 {FIRST[0]}",
        listener="PJSIP/l1", listener_channel=FIRST[0], connected_at=19.9, bridge="b1", queue_now="centre-38",
    )  # fmt: skip
    caller.state.apply(LegsListed(at=20.1, legs=(talks, member_leg(1, up=True, bridge="b1"))))
    caller.step(5, 19.9, f"connecting centre-38 PJSIP/l1 {FIRST[0]}", FIRST)
    caller.enters(300.0, "conference")
    assert caller.answers == []
