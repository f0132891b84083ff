"""The live view: snapshot and changes make what a fresh snapshot says; nobody gets what they may not see."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.accounts.rights import Role
from service.accounts.viewer import Viewer
from service.push import hub
from service.push.audiences import EVERYBODY, WATCHING, Audience, Kind, audience_of, audiences_for, own
from service.push.hub import READER_LIMIT, Board, Reader

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


def entities(pieces: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(b"[" + pieces + b"]")
    return found


def taken_in(state: dict[tuple[str, str], Any], pieces: bytes) -> None:
    """As a page takes entities in."""
    for entity in entities(pieces):
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


@given(changes, st.integers(0, 60))
def test_old_state_plus_changes_equals_a_fresh_snapshot(done: list[Any], joins_after: int) -> None:
    board, page = Board(), reader(EVERYBODY, WATCHING, own(1))
    state: dict[tuple[str, str], Any] = {}
    for number, (kind, id_, account, value, flush) in enumerate(done):
        if number == min(joins_after, len(done) - 1):
            taken_in(state, board.join(page))
        personal = account if kind in PERSONAL else None
        if value is None:
            board.remove(kind, id_, personal)
        else:
            board.show(kind, id_, {"value": value}, personal)
        if flush:
            board.flush()
            taken_in(state, page.take())
    board.flush()
    taken_in(state, page.take())
    fresh: dict[tuple[str, str], Any] = {}
    taken_in(fresh, board.join(reader(EVERYBODY, WATCHING, own(1))))
    if done:
        assert state == fresh


def test_the_same_value_again_is_no_change() -> None:
    board, page = Board(), reader(WATCHING)
    board.join(page)
    board.show(Kind.CALL, "c1", {"stage": "waiting"})
    board.flush()
    page.take()
    board.show(Kind.CALL, "c1", {"stage": "waiting"})
    board.flush()
    assert page.take() == b""


def test_a_change_is_encoded_once_for_all_its_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded, encode = [], hub._encode

    def count(value: object) -> bytes:
        encoded.append(value)
        return encode(value)

    monkeypatch.setattr(hub, "_encode", count)
    board = Board()
    pages = [reader(WATCHING) for _ in range(100)]
    for page in pages:
        board.join(page)
    board.show(Kind.CALL, "c1", {"stage": "waiting"})
    board.flush()
    assert len({page.take() for page in pages}) == 1
    assert len(encoded) == 1


def test_a_reader_that_falls_behind_is_behind_for_good_and_holds_nothing() -> None:
    board, page = Board(), reader(WATCHING)
    board.join(page)
    for number in range(READER_LIMIT + 1):
        assert not page.behind
        board.show(Kind.CALL, "c1", {"position": number})
        board.flush()
    assert page.behind
    assert page.take() == b""


def test_a_listener_sees_their_own_offer_and_no_board() -> None:
    seen = set(audiences_for(viewer(Role.LISTENER)))
    assert seen == {EVERYBODY, own(1)}
    assert audience_of(Kind.OFFER, 1) in seen
    assert audience_of(Kind.OFFER, 2) not in seen
    assert audience_of(Kind.CALL) not in seen


def test_a_supervisor_sees_the_board_and_nobodys_caller() -> None:
    seen = set(audiences_for(viewer(Role.SUPERVISOR)))
    assert seen == {EVERYBODY, WATCHING}
    assert not {audience_of(kind, account) for kind in PERSONAL for account in ACCOUNTS} & seen


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.ANALYST, Role.DPO, Role.COORDINATOR])
def test_everybody_else_sees_the_state_of_the_line_alone(role: Role) -> None:
    assert audiences_for(viewer(role)) == (EVERYBODY,)


def test_a_personal_entity_without_its_person_is_refused() -> None:
    for kind in PERSONAL:
        with pytest.raises(ValueError, match="belongs to one listener"):
            Board().show(kind, "x", {})


def test_who_signs_out_is_dismissed_and_the_others_stay() -> None:
    board = Board()
    mine, other = Reader([EVERYBODY], 1, session_id=7), Reader([EVERYBODY], 1, session_id=8)
    board.join(mine)
    board.join(other)
    board.dismiss(7)
    assert (mine.dismissed, other.dismissed) == (True, False)
