"""What a PBX has, held against what it should have: who is right depends on what it is."""

from __future__ import annotations

from pbx.commands import AddMember, PauseMember, PutRoute, ReloadDialplan, ReloadQueues, RemoveMember, SetPenalty
from pbx.replies import MemberListed
from service.decisions import drift
from service.decisions.drift import Drift, DriftKind, Pause

FREE = MemberListed(0, paused=False, reason="")
MEAL = MemberListed(0, paused=True, reason="meal")


def members(
    wishes: dict[tuple[int, str], bool],
    there: dict[str, dict[str, MemberListed]],
    pauses: dict[int, Pause] | None = None,
) -> list[Drift]:
    return list(drift.members("pbx1", wishes, there, pauses or {}))


def test_an_entry_that_is_missing_wrong_or_nobody_s_is_put_right() -> None:
    found = drift.values(
        "pbx1", DriftKind.ROUTE, "department", {"38": "a", "05": "b"}, {"05": "x", "99": "y"}, strangers=True
    )
    assert {one.mend for one in found} == {
        (PutRoute(pbx="pbx1", family="department", key="38", value="a"),),
        (PutRoute(pbx="pbx1", family="department", key="05", value="b"),),
        (PutRoute(pbx="pbx1", family="department", key="99", value=""),),
    }
    assert list(drift.values("pbx1", DriftKind.CALLER_KEY, "line", {}, {"other": "z"}, strangers=False)) == []


def test_a_key_is_not_in_what_may_be_printed() -> None:
    (found,) = drift.values("pbx1", DriftKind.CALLER_KEY, "line", {"caller_key": "s3cret"}, {}, strangers=False)
    assert "s3cret" not in repr(found) + found.subject


def test_a_listener_whom_the_pbx_forgot_comes_back_as_they_were() -> None:
    (found,) = members({(5, "national"): True}, {"national": {}}, {5: Pause(paused=True, reason="meal")})
    (add,) = found.mend
    assert isinstance(add, AddMember)
    assert (add.interface, add.name, add.paused, add.pause_reason) == ("PJSIP/l5", "l5", True, "meal")


def test_whoever_answered_since_they_were_seen_free_comes_back_to_their_wrap_up() -> None:
    wrap_up, free, meal = Pause(paused=True, reason="wrap-up"), Pause(), Pause(paused=True, reason="meal")
    seen = drift.remembered({}, {"national": {"PJSIP/l5": FREE, "PJSIP/l6": MEAL, "PJSIP/l7": FREE}}, busy={5, 6})
    assert seen == {5: free, 6: meal, 7: free}, "while they are listed, the PBX is right about their pause"
    assert drift.remembered(seen, {"national": {}}, busy={5, 6, 8}) == {5: wrap_up, 6: meal, 7: free, 8: wrap_up}
    assert drift.remembered({5: wrap_up}, {"national": {}}, busy=set()) == {5: wrap_up}, "the listener ends it"
    assert drift.remembered({5: wrap_up}, {"national": {"PJSIP/l5": FREE}}, busy={5}) == {5: free}


def test_a_listener_who_left_stays_away_and_one_who_is_there_still_is_let_go() -> None:
    assert members({(5, "national"): False}, {"national": {}}) == []
    (found,) = members({(5, "national"): False}, {"national": {"PJSIP/l5": FREE}})
    assert found.mend == (RemoveMember(pbx="pbx1", queue="national", interface="PJSIP/l5"),)


def test_a_listener_of_whom_nothing_was_said_is_taken_at_the_pbx_s_word() -> None:
    there = {"national": {"PJSIP/l5": FREE, "PJSIP/trunk": FREE}}
    assert members({}, there) == []
    assert drift.unspoken({}, there) == {(5, "national")}
    assert drift.unspoken({(5, "national"): False}, there) == set()


def test_a_queue_that_is_not_loaded_is_the_queues_matter_alone() -> None:
    assert members({(5, "centre-38"): True}, {"national": {}}) == []
    (found,) = drift.queues("pbx1", ["national", "centre-38"], ["national"], as_written=True)
    assert (found.subject, found.mend) == ("centre-38", (ReloadQueues(pbx="pbx1"),))
    assert list(drift.queues("pbx1", ["national"], ["national", "centre-01"], as_written=True)) == []
    assert len(list(drift.queues("pbx1", ["national"], ["national"], as_written=False))) == 1


def test_nobody_is_rung_first_or_last_by_a_penalty() -> None:
    (found,) = members({}, {"national": {"PJSIP/l5": MemberListed(7, paused=False, reason="")}})
    assert found.mend == (SetPenalty(pbx="pbx1", queue="national", interface="PJSIP/l5"),)


def test_half_a_pause_becomes_a_whole_one_and_a_whole_one_or_none_stays() -> None:
    (found,) = members({}, {"national": {"PJSIP/l5": FREE}, "centre-38": {"PJSIP/l5": MEAL}})
    assert found.mend == (PauseMember(pbx="pbx1", interface="PJSIP/l5", paused=True, reason="meal"),)
    assert members({}, {"national": {"PJSIP/l5": MEAL}, "centre-38": {"PJSIP/l5": MEAL}}) == []
    assert members({}, {"national": {"PJSIP/l5": FREE}, "centre-38": {"PJSIP/l5": FREE}}) == []


def test_other_hours_loaded_or_written_are_put_back() -> None:
    wanted = ["Set(OPEN=0)", "Return()"]
    assert list(drift.hours("pbx1", wanted, wanted, as_written=True)) == []
    for loaded, as_written in ((["Set(OPEN=1)", "Return()"], True), ([], True), (wanted, False)):
        (found,) = drift.hours("pbx1", wanted, loaded, as_written=as_written)
        assert found.mend == (ReloadDialplan(pbx="pbx1"),)
