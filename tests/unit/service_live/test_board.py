"""The live view: snapshot and changes make what a fresh snapshot says; nobody gets what they may not see."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.accounts.rights import Role
from service.accounts.viewer import Viewer
from service.push import hub
from service.push.audiences import (
    EVERYBODY,
    WATCHING,
    WRITING,
    Audience,
    Kind,
    audience_of,
    audiences_for,
    is_own,
    own,
    rung,
)
from service.push.hub import REFETCH_FRAME, Board, Group, Reader
from tests.unit.service_live.live_pages import UNREAD_LIMIT, Inbox

ACCOUNTS = [1, 2]
PERSONAL = (Kind.ME, Kind.OFFER, Kind.CONTACT)


def viewer(*roles: Role, account_id: int = 1) -> Viewer:
    return Viewer(
        account_id=account_id,
        session_id=7,
        username="camille",
        display_name="Camille",
        locale="fr",
        roles=frozenset(roles),
        centre=None,
    )


def reader(*audiences: Audience) -> Reader:
    return Reader(audiences, account_id=1, session_id=7)


def taken_in(state: dict[tuple[str, str], Any], frames: list[bytes]) -> None:
    """As a page takes messages in."""
    for message in map(json.loads, frames):
        if message["type"] == "snapshot":
            state.clear()
        for entity in message["entities"]:
            key = (entity["kind"], entity["id"])
            if entity["value"] is None:
                state.pop(key, None)
            else:
                state[key] = entity["value"]


changes = st.lists(
    st.tuples(
        st.sampled_from(Kind),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(ACCOUNTS),
        st.one_of(st.none(), st.integers(0, 2)),
        st.booleans(),
    ),
    max_size=60,
)


class Paced:
    """Groups that have something to send, until a test says that it is time."""

    def __init__(self) -> None:
        self.due: list[Group] = []

    def __call__(self, group: Group, *, urgent: bool) -> None:
        waits = group in self.due
        assert urgent or not waits, "asked for once, and again only because somebody's own matter is in a hurry"
        if not waits:
            self.due.append(group)

    def pass_(self) -> None:
        due, self.due = self.due, []
        for group in due:
            group.send()


@given(changes, st.integers(0, 60), st.sets(st.integers(0, 60)))
def test_old_state_plus_changes_equals_a_fresh_snapshot(
    done: list[Any], joins_after: int, sent_after: set[int]
) -> None:
    pace, inbox = Paced(), Inbox()
    board, page = Board(pace), reader(EVERYBODY, WATCHING, own(1))
    board.join(reader(EVERYBODY, WATCHING, own(1)), Inbox())  # an older page of the same group
    state: dict[tuple[str, str], Any] = {}
    for number, (kind, id_, account, value, flush) in enumerate(done):
        if number == min(joins_after, len(done) - 1):
            board.join(page, inbox)
        personal = account if kind in PERSONAL else None
        if value is None:
            board.remove(kind, id_, personal)
        else:
            board.show(kind, id_, {"value": value}, personal)
        if flush:
            board.flush()
        if number in sent_after:
            pace.pass_()
            taken_in(state, inbox.take())
    board.flush()
    pace.pass_()
    taken_in(state, inbox.take())
    fresh: dict[tuple[str, str], Any] = {}
    again = Inbox()
    board.join(reader(EVERYBODY, WATCHING, own(1)), again)
    taken_in(fresh, again.take())
    if done:
        assert state == fresh


def test_the_same_value_again_is_no_change() -> None:
    board, inbox = Board(), Inbox()
    board.join(reader(WATCHING), inbox)
    board.show(Kind.CALL, "c1", {"stage": "waiting"})
    board.flush()
    inbox.take()
    board.show(Kind.CALL, "c1", {"stage": "waiting"})
    board.flush()
    assert inbox.take() == []


def test_a_change_is_encoded_once_and_framed_once_for_all_pages_that_see_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoded, encode = [], hub._encode

    def count(value: object) -> bytes:
        encoded.append(value)
        return encode(value)

    monkeypatch.setattr(hub, "_encode", count)
    board = Board()
    inboxes = [Inbox() for _ in range(100)]
    for inbox in inboxes:
        board.join(reader(WATCHING), inbox)
        inbox.take()
    board.show(Kind.CALL, "c1", {"stage": "waiting"})
    board.flush()
    frames = [inbox.take() for inbox in inboxes]
    assert len({id(frame) for (frame,) in frames}) == 1, "the very same bytes"
    assert len(encoded) == 1


def test_numbers_go_on_from_that_of_the_snapshot_whenever_a_page_came() -> None:
    pace = Paced()
    board, first, second = Board(pace), Inbox(), Inbox()
    board.join(reader(WATCHING), first)
    for number in range(3):
        board.show(Kind.CALL, "c1", {"position": number})
        board.flush()
        if number == 1:
            board.join(reader(WATCHING), second)
        pace.pass_()
    assert [json.loads(frame)["seq"] for frame in first.take()] == [0, 1, 2, 3]
    assert [json.loads(frame)["seq"] for frame in second.take()] == [1, 2, 3]


def test_a_page_that_falls_behind_is_told_so_once_and_gets_nothing_more() -> None:
    board, inbox, page = Board(), Inbox(), reader(WATCHING)
    board.join(page, inbox)
    for number in range(UNREAD_LIMIT + 5):
        board.show(Kind.CALL, "c1", {"position": number})
        board.flush()
    board.tick("2026-03-01T08:00:00Z")
    assert page.behind
    assert inbox.closed is True
    frames = inbox.take()
    assert len(frames) == UNREAD_LIMIT + 1
    assert frames[-1] == REFETCH_FRAME


def test_a_page_that_left_gets_nothing_and_the_next_of_its_kind_everything() -> None:
    board, inbox, page = Board(), Inbox(), reader(WATCHING)
    board.join(page, inbox)
    board.leave(page)
    inbox.take()
    board.show(Kind.CALL, "c1", {"stage": "waiting"})
    board.flush()
    assert inbox.take() == []
    board.join(reader(WATCHING), inbox)
    assert json.loads(inbox.take()[0])["entities"] == [{"kind": "call", "id": "c1", "value": {"stage": "waiting"}}]


def test_a_listener_sees_their_own_offer_and_no_board() -> None:
    seen = set(audiences_for(viewer(Role.LISTENER)))
    assert seen == {EVERYBODY, WRITING, own(1), rung(1)}
    assert audience_of(Kind.OFFER, 1) in seen
    assert audience_of(Kind.OFFER, 2) not in seen
    assert audience_of(Kind.CALL) not in seen


def test_who_has_lost_their_rights_in_a_contact_is_told_that_their_caller_rings_and_no_more() -> None:
    who = replace(viewer(Role.LISTENER, Role.SUPERVISOR), ended=True, contact=3)
    seen = set(audiences_for(who))
    assert seen == {EVERYBODY, WRITING, own(1), rung(1, confined=True)}
    assert audience_of(Kind.OFFER, 1) not in seen
    assert audience_of(Kind.OFFER, 1, confined=True) in seen
    assert is_own(rung(1, confined=True)), "and it waits for nobody's"


def test_a_supervisor_sees_the_board_and_nobodys_caller() -> None:
    seen = set(audiences_for(viewer(Role.SUPERVISOR)))
    assert seen == {EVERYBODY, WATCHING}
    assert not {audience_of(kind, account) for kind in PERSONAL for account in ACCOUNTS} & seen


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.ANALYST, Role.DPO])
def test_everybody_else_sees_the_state_of_the_line_alone(role: Role) -> None:
    assert audiences_for(viewer(role)) == (EVERYBODY,)


def test_a_coordinator_sees_the_state_of_the_line_and_whether_what_they_write_is_saved() -> None:
    assert audiences_for(viewer(Role.COORDINATOR)) == (EVERYBODY, WRITING)


def test_alarms_are_for_those_who_watch_and_notices_for_those_who_write() -> None:
    assert (audience_of(Kind.ALARM), audience_of(Kind.NOTICE)) == (WATCHING, WRITING)


def test_a_personal_entity_without_its_person_is_refused() -> None:
    for kind in PERSONAL:
        with pytest.raises(ValueError, match="belongs to one listener"):
            Board().show(kind, "x", {})


def test_who_signs_out_is_dismissed_and_the_others_stay() -> None:
    board = Board()
    mine, other = Reader([EVERYBODY], 1, session_id=7), Reader([EVERYBODY], 1, session_id=8)
    board.join(mine, Inbox())
    board.join(other, Inbox())
    board.dismiss(7)
    assert (mine.dismissed, other.dismissed) == (True, False)
