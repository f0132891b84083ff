"""Sessions: their token is renewed while it is used, and they end from elsewhere; nobody is signed out in between."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from service.accounts import sessions, signing, use_cases
from service.accounts.model import Account
from service.accounts.rights import Role
from service.accounts.signing import SignedIn
from service.accounts.use_cases import NewAccount
from service.audit import queries as audit
from service.audit.model import Action
from service.cases.use_cases import end_writing
from service.errors import NotFound, Unauthenticated
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.store.conftest import NOW
from tests.support.contacts import open_contact

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


async def _make(store: Store, keyring: Keyring, username: str = "lise") -> NewAccount:
    async with store.transaction() as session:
        return await use_cases.make_account(
            session, keyring, username=username, display_name=username, roles=(Role.LISTENER,), at=NOW
        )


async def _sign_in(
    store: Store, keyring: Keyring, made: NewAccount, *, had: str | None = None, at: datetime = NOW
) -> SignedIn:
    return await signing.sign_in(
        store,
        keyring,
        username=made.username,
        password=made.password,
        address="192.0.2.7",
        at=at,
        browser_had=had,
    )


async def _opens(store: Store, token: str, at: datetime) -> bool:
    async with store.reading() as session:
        return await sessions.viewer_of(session, token, at) is not None


async def _use(store: Store, keyring: Keyring, token: str, at: datetime) -> str:
    """What the guard does with each request: the token that the browser has afterwards."""
    async with store.transaction() as session:
        found = await sessions.viewer_of(session, token, at)
        assert found is not None
        if found.due:
            return await sessions.rotate(session, keyring, found, token, at) or token
        if found.stale:
            await sessions.touch(session, found, token, at)
    return token


async def test_a_token_is_renewed_after_a_day_and_the_old_one_ends_a_little_after_the_new_one_came_back(
    store: Store, keyring: Keyring
) -> None:
    old = (await _sign_in(store, keyring, await _make(store, keyring))).token
    assert await _use(store, keyring, old, NOW + DAY - MINUTE) == old
    renewed_at = NOW + DAY
    new = await _use(store, keyring, old, renewed_at)
    assert new != old
    assert await _opens(store, old, renewed_at), "a request that was under way"
    back_at = renewed_at + 2 * MINUTE
    assert await _use(store, keyring, new, back_at) == new
    assert await _opens(store, old, back_at + 4 * MINUTE)
    assert not await _opens(store, old, back_at + 6 * MINUTE)
    assert await _opens(store, new, back_at + 6 * MINUTE)


async def test_requests_at_the_same_instant_get_one_new_token_and_none_is_signed_out(
    store: Store, keyring: Keyring
) -> None:
    old = (await _sign_in(store, keyring, await _make(store, keyring))).token
    tokens = [await _use(store, keyring, old, NOW + DAY) for _ in range(5)]
    assert len({token for token in tokens if token != old}) == 1
    for token in tokens:
        assert await _opens(store, token, NOW + DAY + MINUTE)


async def test_two_processes_that_renew_the_same_token_at_once_give_one_new_one(store: Store, keyring: Keyring) -> None:
    old = (await _sign_in(store, keyring, await _make(store, keyring))).token
    async with store.reading() as session:
        found = await sessions.viewer_of(session, old, NOW + DAY)
    assert found is not None
    given = []
    for _ in range(2):
        async with store.transaction() as session:
            given.append(await sessions.rotate(session, keyring, found, old, NOW + DAY))
    assert given[0] is not None
    assert given[0] != old
    assert given[1] == given[0]
    assert await _opens(store, given[0], NOW + DAY)


async def test_a_new_token_that_got_lost_on_its_way_signs_nobody_out(store: Store, keyring: Keyring) -> None:
    old = (await _sign_in(store, keyring, await _make(store, keyring))).token
    lost = await _use(store, keyring, old, NOW + DAY)
    week_later = NOW + 7 * DAY
    again = await _use(store, keyring, old, week_later)
    assert again == lost != old, "the same once more"
    assert await _use(store, keyring, again, week_later + MINUTE) == again
    assert not await _opens(store, old, week_later + 7 * MINUTE)


async def test_whoever_has_the_old_token_takes_the_new_one_from_nobody(store: Store, keyring: Keyring) -> None:
    old = (await _sign_in(store, keyring, await _make(store, keyring))).token
    new = await _use(store, keyring, old, NOW + DAY)
    for minutes in (1, 2, 60):  # a thief, before the owner's browser used its new token
        await _use(store, keyring, old, NOW + DAY + minutes * MINUTE)
        assert await _opens(store, new, NOW + DAY + minutes * MINUTE)
    assert await _opens(store, new, NOW + 29 * DAY)


def test_what_follows_a_token_cannot_be_known_without_the_store_s_key(keyring: Keyring) -> None:
    other = Keyring(bytes(range(1, 33)))
    assert keyring.next_token(1, "token") == keyring.next_token(1, "token")
    assert len({keyring.next_token(1, "token"), keyring.next_token(2, "token"), other.next_token(1, "token")}) == 3


async def test_signing_in_again_in_the_same_browser_ends_the_old_session_and_leaves_the_phone_as_it_is(
    store: Store, keyring: Keyring
) -> None:
    made = await _make(store, keyring)
    first = await _sign_in(store, keyring, made)
    async with store.transaction() as session:
        phone, _ = await use_cases.take_phone(session, keyring, first.viewer, NOW)
    second = await _sign_in(store, keyring, made, had=first.token)
    assert second.replaced == first.viewer.session_id
    assert not await _opens(store, first.token, NOW)
    async with store.transaction() as session:
        again, changed = await use_cases.take_phone(session, keyring, second.viewer, NOW)
    assert (again.password, changed) == (phone.password, False)


async def _renewed_long_ago(store: Store, keyring: Keyring, made: NewAccount) -> tuple[SignedIn, str, datetime]:
    """A session, its new token, and an instant at which the first token opens nothing any more."""
    signed_in = await _sign_in(store, keyring, made)
    new = await _use(store, keyring, signed_in.token, NOW + DAY)
    await _use(store, keyring, new, NOW + DAY + MINUTE)
    return signed_in, new, NOW + DAY + 7 * MINUTE


async def _replays(store: Store) -> list[tuple[int | None, str]]:
    async with store.reading() as session:
        entries = await audit.entries(session)
    return [(one.account_id, one.subject_id) for one in entries if one.action is Action.TOKEN_REPLAYED]


async def test_a_token_from_before_the_renewal_ends_the_session_when_it_comes_back_long_after(
    store: Store, keyring: Keyring
) -> None:
    made = await _make(store, keyring)
    signed_in, new, late = await _renewed_long_ago(store, keyring, made)
    for token, at, replay in (
        ("nonsense", late, False),
        (new, late, False),
        (signed_in.token, NOW + DAY + 2 * MINUTE, False),  # it opens still
        (signed_in.token, late, True),
        (signed_in.token, late + MINUTE, False),  # it is over
    ):
        assert await _opens(store, new, at) == (at <= late)
        async with store.transaction() as session:
            assert await sessions.replayed(session, token, at) == replay
            found = await sessions.end_replayed(session, keyring, token, at)
        assert (found is not None) == replay
        assert found is None or (found.ended, found.noted, found.account_id) == (True, True, made.account_id)
    assert await _replays(store) == [(None, str(made.account_id))]
    assert not await _opens(store, new, late), "whoever has the new token has it no more"


async def test_a_replay_cuts_nobody_off_from_their_contact_and_is_noted_once_meanwhile(
    store: Store, keyring: Keyring
) -> None:
    made = await _make(store, keyring)
    signed_in, new, late = await _renewed_long_ago(store, keyring, made)
    async with store.transaction() as session:
        await use_cases.take_phone(session, keyring, signed_in.viewer, NOW)
        await open_contact(
            session,
            keyring,
            pbx="pbx1",
            call_id="c1",
            account_id=made.account_id,
            number=None,
            line="+33199003133",
            at=late,
        )
    ended = []
    for at in (late, late + MINUTE):
        async with store.transaction() as session:
            found = await sessions.end_replayed(session, keyring, signed_in.token, at)
        assert found is not None
        ended.append((found.ended, found.noted))
    assert ended == [(False, True), (False, False)]
    assert await _opens(store, new, late + MINUTE)
    async with store.transaction() as session:
        await end_writing(session, made.account_id, late + 2 * MINUTE)
        found = await sessions.end_replayed(session, keyring, signed_in.token, late + 3 * MINUTE)
    assert found is not None
    assert (found.ended, found.noted) == (True, False)
    assert not await _opens(store, new, late + 3 * MINUTE)
    assert len(await _replays(store)) == 1


async def test_signing_in_where_the_old_token_is_ends_the_session_that_went_on_elsewhere(
    store: Store, keyring: Keyring
) -> None:
    made = await _make(store, keyring)
    signed_in, new, late = await _renewed_long_ago(store, keyring, made)
    async with store.transaction() as session:
        phone, _ = await use_cases.take_phone(session, keyring, signed_in.viewer, late)
    again = await _sign_in(store, keyring, made, had=signed_in.token, at=late)
    assert again.replaced == signed_in.viewer.session_id
    assert not await _opens(store, new, late)
    async with store.transaction() as session:
        fresh, changed = await use_cases.take_phone(session, keyring, again.viewer, late)
    assert changed
    assert fresh.password != phone.password, "whoever had the session knows the old one"


async def test_somebody_else_at_the_same_browser_does_not_inherit_the_phone(store: Store, keyring: Keyring) -> None:
    first = await _sign_in(store, keyring, await _make(store, keyring, "lise"))
    async with store.transaction() as session:
        phone, _ = await use_cases.take_phone(session, keyring, first.viewer, NOW)
    other = await _sign_in(store, keyring, await _make(store, keyring, "omar"), had=first.token)
    assert not await _opens(store, first.token, NOW)
    async with store.transaction() as session:
        theirs, _ = await use_cases.take_phone(session, keyring, other.viewer, NOW)
    assert theirs.password != phone.password


async def test_one_s_own_sessions_are_listed_and_ended_one_by_one_or_all_but_this(
    store: Store, keyring: Keyring
) -> None:
    made = await _make(store, keyring)
    here, there, elsewhere = [await _sign_in(store, keyring, made, at=NOW + n * MINUTE) for n in range(3)]
    stranger = await _sign_in(store, keyring, await _make(store, keyring, "omar"))
    async with store.transaction() as session:
        listed = [row.id for row in await sessions.own(session, here.viewer, NOW)]
        assert listed == [one.viewer.session_id for one in (elsewhere, there, here)]
        await sessions.end_one(session, keyring, here.viewer, there.viewer.session_id, NOW)
    assert not await _opens(store, there.token, NOW)
    with pytest.raises(NotFound) as foreign:
        async with store.transaction() as session:
            await sessions.end_one(session, keyring, here.viewer, stranger.viewer.session_id, NOW)
    with pytest.raises(NotFound) as missing:
        async with store.transaction() as session:
            await sessions.end_one(session, keyring, here.viewer, 777_777, NOW)
    assert foreign.value.message == missing.value.message
    assert await _opens(store, stranger.token, NOW)
    async with store.transaction() as session:
        assert await sessions.end_others(session, keyring, here.viewer, NOW) == [elsewhere.viewer.session_id]
    assert await _opens(store, here.token, NOW)
    assert not await _opens(store, elsewhere.token, NOW)


async def test_who_leaves_is_signed_out_everywhere_and_their_phone_stays_while_a_call_is_on_it(
    store: Store, keyring: Keyring
) -> None:
    made = await _make(store, keyring)
    signed_in = await _sign_in(store, keyring, made)
    async with store.transaction() as session:
        phone, _ = await use_cases.take_phone(session, keyring, signed_in.viewer, NOW)
        await use_cases.set_active(session, keyring, username="Lise", active=False, at=NOW)
    assert not await _opens(store, signed_in.token, NOW)
    with pytest.raises(Unauthenticated):
        await _sign_in(store, keyring, made)
    async with store.reading() as session:
        in_call = {made.account_id}
        assert await use_cases.phone_accounts(session, keyring, NOW, in_call=in_call) == [phone]
        assert await use_cases.phone_holders(session, NOW, in_call) == {made.account_id: signed_in.viewer.session_id}
        assert await use_cases.phone_accounts(session, keyring, NOW) == []
    async with store.transaction() as session:
        await use_cases.set_active(session, keyring, username="lise", active=True, at=NOW)
    assert not await _opens(store, signed_in.token, NOW), "coming back does not open old sessions"
    assert await _opens(store, (await _sign_in(store, keyring, made)).token, NOW)
    async with store.reading() as session:
        actions = [entry.action for entry in await audit.entries(session, subject="account")]
    assert [action for action in actions if action in (Action.ACCOUNT_ENDED, Action.ACCOUNT_RETURNED)] == [
        Action.ACCOUNT_ENDED,
        Action.ACCOUNT_RETURNED,
    ]


async def test_a_session_of_an_account_that_is_not_active_opens_nothing_whatever_ended_it(
    store: Store, keyring: Keyring
) -> None:
    signed_in = await _sign_in(store, keyring, await _make(store, keyring))
    async with store.transaction() as session:
        await session.execute(update(Account).values(active=False))
    assert not await _opens(store, signed_in.token, NOW)


async def test_an_administrator_ends_every_session_of_a_lost_laptop(store: Store, keyring: Keyring) -> None:
    made = await _make(store, keyring)
    tokens = [(await _sign_in(store, keyring, made)).token for _ in range(2)]
    async with store.transaction() as session:
        await use_cases.sign_out_everywhere(session, keyring, username="lise", at=NOW)
    assert [await _opens(store, token, NOW) for token in tokens] == [False, False]
