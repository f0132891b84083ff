"""A centre's person is lost: its listener may be back within the grace, its telephone is not rung again."""

from __future__ import annotations

import pytest

from pbx.events import LegListed, LegsListed, SessionBegan
from pbx.facts import AnsweredVia, CallAnswered, Fact, Stage
from pbx.journal import JournalReplay, parse_line
from pbx.state import PbxState
from pbx.steps import LiveCall
from tests.unit.pbx.ami_frames import CALL, CALLER, Wire, leg
from tests.unit.pbx.call_facts import follow, waiting
from tests.unit.pbx.test_calls_snapshot import listed, member_leg, snapshot

FIRST, BACK = leg(1, "l9"), leg(2, "l9")
TELEPHONE = ("PJSIP/trunk-00000005", "pbx1-100.5")


def offered(wire: Wire) -> None:
    waiting(wire)
    wire.step(3, "overflow centre:centre-38 service")


def talks(wire: Wire) -> None:
    offered(wire)
    wire.step(4, "centre-called centre-38 queue")
    wire.ring(FIRST, "centre-38")
    wire.step(5, f"connecting centre-38 PJSIP/l9 {FIRST[0]}", FIRST)
    wire.bridge(FIRST)
    wire.bridge(CALLER)


def is_lost(wire: Wire) -> None:
    wire.hangup(FIRST, 44)
    wire.step(6, "listener-lost PJSIP/l9 44")


def is_back(wire: Wire, n: int = 7) -> None:
    wire.ring(BACK, "return")
    wire.step(n, f"connecting return PJSIP/l9 {BACK[0]}", BACK)
    wire.bridge(BACK)
    wire.bridge(CALLER)


def the_return(facts: list[Fact]) -> CallAnswered:
    (answer,) = [fact for fact in facts if isinstance(fact, CallAnswered) and fact.via is AnsweredVia.RETURN]
    return answer


def shown(call: LiveCall) -> tuple[Stage, str, str, bool]:
    return call.stage, call.centre, call.queue, call.waiting_since is not None


# --- a listener who comes back --------------------------------------------------------------------------------------


def test_a_centres_listener_who_is_back_has_the_caller_by_the_centres_queue_and_the_board_names_the_centre() -> None:
    state, wire = PbxState("pbx1"), Wire()
    talks(wire)
    is_lost(wire)
    is_back(wire)
    assert the_return(follow(wire, state)).queue == "centre-38"
    assert shown(state.calls[CALL]) == (Stage.TALKING, "centre-38", "national", False)


def test_the_journal_tells_the_same_of_a_centres_listener_who_is_back() -> None:
    wire = Wire()
    talks(wire)
    is_lost(wire)
    is_back(wire)
    events = [event for line in wire.journal if (event := parse_line(line)) is not None]
    assert the_return(list(JournalReplay("pbx1").feed(events))).queue == "centre-38"


def test_a_listener_of_the_line_who_is_back_after_a_centre_did_not_take_the_caller_is_of_the_line() -> None:
    state, wire = PbxState("pbx1"), Wire()
    offered(wire)
    for n, words in enumerate(["centre-called centre-38 queue", "centre-refused centre-38 no-answer"], 4):
        wire.step(n, words)
    wire.step(6, "queued national")
    wire.step(7, f"connecting national PJSIP/l9 {FIRST[0]}", FIRST)
    wire.bridge(CALLER)
    wire.step(8, "listener-lost PJSIP/l9 44")
    is_back(wire, 9)
    assert the_return(follow(wire, state)).queue == "national"
    assert state.calls[CALL].centre == ""


# --- as a service finds it that just started ------------------------------------------------------------------------


def grace(**values: object) -> LegListed:
    """The caller in the grace; waited since 1000, overflowed at 1060."""
    usual: dict[str, object] = {
        "step": 6,
        "stage": "lost",
        "queue_now": "return",
        "centre": "centre-38",
        "listener": "PJSIP/l9",
        "step_what": "listener-lost",
        "step_detail": "PJSIP/l9 44",
        "overflow_at": 1060.0,
    }
    return listed(**{**usual, **values})


def test_whoever_is_back_after_the_list_was_made_in_the_grace_is_of_the_centre_that_had_the_caller() -> None:
    state = PbxState("pbx1")
    snapshot(state, grace())
    assert shown(state.calls[CALL]) == (Stage.LOST, "centre-38", "national", False)
    wire = Wire()
    is_back(wire)
    assert the_return(follow(wire, state)).queue == "centre-38"
    assert state.calls[CALL].centre == "centre-38"


def test_a_centre_that_took_the_caller_in_a_gap_has_them_back_by_its_queue() -> None:
    state, wire = PbxState("pbx1"), waiting(Wire())
    snapshot(state)
    follow(wire, state)
    snapshot(state, grace())
    more = Wire()
    is_back(more)
    assert the_return(follow(more, state)).queue == "centre-38"


@pytest.mark.parametrize(
    ("waited_since", "overflowed_at", "queue"),
    [(1000.0, 1060.0, "centre-38"), (1060.0, 1060.0, "centre-38"), (1061.0, 1060.0, "national"), (1.0, None, "")],
)
def test_a_centre_that_was_offered_before_the_caller_waited_again_has_no_part_in_the_return(
    waited_since: float, overflowed_at: float | None, queue: str
) -> None:
    """CENTRE is never emptied. In one second nobody comes back from an overflow; out of the queue they may be taken."""
    state = PbxState("pbx1")
    centre = "centre-38" if queue else ""
    snapshot(state, grace(waiting_since=waited_since, overflow_at=overflowed_at, centre=centre))
    wire = Wire()
    is_back(wire)
    assert the_return(follow(wire, state)).queue == (queue or "national")
    assert state.calls[CALL].centre == ("centre-38" if queue == "centre-38" else "")


def test_a_conversation_with_a_centres_listener_who_is_back_is_listed_as_the_centres() -> None:
    state = PbxState("pbx1")
    talk = grace(step=7, stage="talking", bridge="b", step_what="connecting", connected_at=1.0)
    snapshot(state, talk, member_leg(2, up=True, bridge="b"))
    assert shown(state.calls[CALL]) == (Stage.TALKING, "centre-38", "national", False)


def test_a_centres_listener_who_was_listed_in_the_conversation_is_back_by_the_centres_queue() -> None:
    state = PbxState("pbx1")
    talk = grace(step=5, stage="talking", bridge="b", queue_now="centre-38", step_what="connecting", connected_at=1.0)
    snapshot(state, talk, member_leg(1, up=True, bridge="b"))
    wire = Wire()
    is_lost(wire)
    is_back(wire)
    assert the_return(follow(wire, state)).queue == "centre-38"


def test_a_caller_who_is_listed_before_the_centres_queue_has_begun_has_it_for_the_return() -> None:
    """The step is told before QUEUE_NOW is set."""
    state = PbxState("pbx1")
    called = {"step": 4, "stage": "overflow", "step_what": "centre-called", "step_detail": "centre-38 queue"}
    snapshot(state, grace(queue_now="national", listener="", **called))
    wire = Wire()
    wire.step(5, f"connecting centre-38 PJSIP/l9 {FIRST[0]}", FIRST)
    wire.bridge(CALLER)
    is_lost(wire)
    is_back(wire)
    assert the_return(follow(wire, state)).queue == "centre-38"


def test_a_caller_who_is_listed_on_their_way_back_to_the_queue_has_left_the_centre() -> None:
    """STAGE is set before QUEUE_NOW: whoever takes them from here on and is lost is of the line."""
    state = PbxState("pbx1")
    back = {"step": 7, "stage": "waiting", "step_what": "queued", "step_detail": "national"}
    snapshot(state, grace(queue_now="centre-38", listener="", waiting_since=1070.0, **back))
    assert state.calls[CALL].centre == ""
    wire = Wire()
    wire.step(8, f"connecting national PJSIP/l9 {FIRST[0]}", FIRST)
    wire.bridge(CALLER)
    wire.step(9, "listener-lost PJSIP/l9 44")
    is_back(wire, 10)
    assert the_return(follow(wire, state)).queue == "national"


def test_that_the_centres_queue_was_called_outranks_an_older_list() -> None:
    state = PbxState("pbx1")
    state.apply(SessionBegan(at=1.0, started="one", version=""))
    wire = Wire()
    wire.step(4, "centre-called centre-38 queue")
    follow(wire, state)
    asked = {"step": 3, "stage": "overflow", "step_what": "overflow", "step_detail": "centre:centre-38 service"}
    state.apply(LegsListed(at=2.0, legs=(grace(queue_now="national", listener="", **asked),)))
    more = Wire()
    more.step(5, f"connecting centre-38 PJSIP/l9 {FIRST[0]}", FIRST)
    more.bridge(CALLER)
    is_lost(more)
    is_back(more)
    assert the_return(follow(more, state)).queue == "centre-38"


# --- a telephone ----------------------------------------------------------------------------------------------------


def test_a_caller_whose_centres_telephone_was_lost_is_shown_as_a_service_finds_them_that_just_started() -> None:
    live, wire = PbxState("pbx1"), Wire()
    offered(wire)
    wire.step(4, "centre-called centre-38 telephone")
    wire.step(5, f"connecting centre-38 centre-38 {TELEPHONE[0]}", TELEPHONE)
    wire.bridge(CALLER)
    wire.hangup(TELEPHONE, 44)
    wire.step(6, "listener-lost centre-38 44")
    follow(wire, live)
    fresh = PbxState("pbx1")
    snapshot(fresh, grace(stage="overflow", queue_now="national", listener="centre-38", step_detail="centre-38 44"))
    assert shown(live.calls[CALL]) == (Stage.OVERFLOW, "centre-38", "national", False)
    assert shown(fresh.calls[CALL]) == shown(live.calls[CALL])
    for state in (live, fresh):
        more = Wire()
        more.step(7, "queued national")
        follow(more, state)
        assert shown(state.calls[CALL]) == (Stage.WAITING, "", "national", True)
