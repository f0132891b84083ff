"""What the board is told of those who wait."""

from __future__ import annotations

from typing import cast

from pbx.facts import PbxConnected, Stage
from service.calls.known import ANONYMOUS, KnownCaller
from service.calls.lookup import Lookup
from service.push.audiences import Kind
from service.push.hub import Board
from service.push.views import Views
from service.world import Person, Touched
from tests.unit.service_live.worlds import PBX, talking, waiting, world


def test_who_is_offered_a_centre_or_lost_their_listener_keeps_their_rank() -> None:
    calls = [waiting(f"c{n}", arrived=1000 + n, since=1010 + n) for n in range(1, 4)]
    calls[0].stage, calls[1].stage = Stage.OVERFLOW, Stage.LOST
    calls[1].waiting_since = None
    board, nothing = Board(), cast("Lookup", None)
    Views(world(*calls), board, nothing).refresh_all(1020.0)
    shown = [board.value(Kind.CALL, call.call_id) for call in calls]
    assert [value and (value["stage"], value["position"]) for value in shown] == [
        ("overflow", 1),
        ("lost", 2),
        ("waiting", 3),
    ]


def test_who_is_taken_has_no_rank_and_the_others_move_up() -> None:
    first, second = waiting("c1", arrived=1001), waiting("c2", arrived=1002)
    made, board = world(first, second), Board()
    views = Views(made, board, cast("Lookup", None))
    views.refresh_all(1020.0)
    first.stage = Stage.TALKING
    views.refresh_all(1021.0)
    ranks = [value and value["position"] for value in (board.value(Kind.CALL, "c1"), board.value(Kind.CALL, "c2"))]
    assert ranks == [None, 1]
    assert made.lines[PBX].call("c1") is first


def test_an_arrival_that_is_not_known_is_no_instant() -> None:
    board = Board()
    Views(world(waiting(arrived=0)), board, cast("Lookup", None)).refresh_all(1020.0)
    value = board.value(Kind.CALL, "c1")
    assert value is not None
    assert value["arrived_at"] is None


def test_who_talked_on_a_call_that_ended_is_not_shown_talking_on_it() -> None:
    call = talking("c1", "PJSIP/l12")
    made, board = world(call), Board()
    views = Views(made, board, cast("Lookup", None))
    views.refresh_all(1020.0)
    del made.lines[PBX].state.calls["c1"]
    views.refresh(PBX, Touched(calls={"c1"}), 1021.0)
    me = board.value(Kind.ME, "12", 12)
    assert me is not None
    assert me["state"] == "absent"
    assert board.ids(Kind.LISTENER) == []


def test_who_was_rung_by_a_caller_who_left_is_not_shown_ringing() -> None:
    call = waiting()
    call.ringing["PJSIP/l12"] = "PJSIP/l12-0001"
    made, board = world(call), Board()
    views = Views(made, board, cast("Lookup", None))
    views.refresh_all(1020.0)
    del made.lines[PBX].state.calls["c1"]
    views.refresh(PBX, Touched(calls={"c1"}), 1021.0)
    me = board.value(Kind.ME, "12", 12)
    assert me is not None
    assert (me["state"], board.ids(Kind.OFFER, 12)) == ("absent", [])


def test_a_name_that_is_known_now_goes_with_the_call_at_once() -> None:
    made, board = world(talking("c1", "PJSIP/l12")), Board()
    views = Views(made, board, cast("Lookup", None))
    views.refresh_all(1020.0)
    made.people[12] = Person(12, "Camille")
    views.show_again(12)
    call = board.value(Kind.CALL, "c1")
    assert call is not None
    assert call["listener_name"] == "Camille"


def test_what_is_known_of_a_caller_who_left_in_a_gap_is_forgotten() -> None:
    made = world()
    made.known["c1"] = KnownCaller(ANONYMOUS)
    made.rung_at["c1", 12] = 1000.0
    made.apply(PBX, [PbxConnected(pbx=PBX, at=1020.0, version="")], 5.0)
    assert (made.known, made.rung_at) == ({}, {})
