"""Accounts, sign-in, sessions and phones, on both databases."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from service.accounts import passwords, queries, sessions, signing, use_cases
from service.accounts.model import Account, FailedSignIn, SignedInSession
from service.accounts.rights import Right, Role
from service.accounts.signing import SignedIn
from service.accounts.use_cases import NewAccount
from service.errors import Conflict, ServiceError, TooMany, Unauthenticated, Unfit
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.store.conftest import NOW

HOME = "192.0.2.7"


async def _make(store: Store, keyring: Keyring, username: str = "lise", *roles: Role) -> NewAccount:
    async with store.transaction() as session:
        return await use_cases.make_account(
            session, keyring, username=username, display_name="Lise", roles=roles or (Role.LISTENER,), at=NOW
        )


async def _sign_in(
    store: Store,
    keyring: Keyring,
    username: str,
    password: str,
    *,
    address: str = HOME,
    at: datetime = NOW,
    had: str | None = None,
) -> SignedIn:
    return await signing.sign_in(
        store, keyring, username=username, password=password, address=address, at=at, browser_had=had
    )


async def test_a_made_account_signs_in_with_its_random_password(store: Store, keyring: Keyring) -> None:
    made = await _make(store, keyring, "Lise", Role.LISTENER, Role.SUPERVISOR)
    signed_in = await _sign_in(store, keyring, " LISE ", made.password)
    async with store.reading() as session:
        found = await sessions.viewer_of(session, signed_in.token, NOW)
    assert found is not None
    assert found.viewer == signed_in.viewer
    assert found.viewer.roles == {Role.LISTENER, Role.SUPERVISOR}
    assert found.viewer.may(Right.WATCH_LINE)


async def test_neither_password_nor_token_is_stored(store: Store, keyring: Keyring) -> None:
    made = await _make(store, keyring)
    signed_in = await _sign_in(store, keyring, "lise", made.password)
    async with store.reading() as session:
        account = (await session.scalars(select(Account))).one()
        row = (await session.scalars(select(SignedInSession))).one()
    assert account.password_hash.startswith("$argon2id$")
    assert made.password not in account.password_hash
    assert signed_in.token not in row.token_hash


async def test_a_name_is_taken_once_whatever_its_capitals(store: Store, keyring: Keyring) -> None:
    await _make(store, keyring, "lise")
    with pytest.raises(Conflict) as caught:
        await _make(store, keyring, "Lise")
    assert caught.value.id == "username-taken"
    with pytest.raises(Unfit):
        await _make(store, keyring, "li se\n")


@pytest.mark.parametrize(("username", "password"), [("lise", "wrong"), ("nobody", "wrong"), ("lise", "")])
async def test_what_is_wrong_at_sign_in_is_not_told(
    store: Store, keyring: Keyring, username: str, password: str
) -> None:
    await _make(store, keyring)
    with pytest.raises(Unauthenticated) as caught:
        await _sign_in(store, keyring, username, password)
    assert caught.value.id == "sign-in-refused"


async def test_an_account_that_is_no_longer_active_is_out_at_once(store: Store, keyring: Keyring) -> None:
    made = await _make(store, keyring)
    signed_in = await _sign_in(store, keyring, "lise", made.password)
    async with store.transaction() as session:
        (await session.get_one(Account, made.account_id)).active = False
    async with store.reading() as session:
        assert await sessions.viewer_of(session, signed_in.token, NOW) is None
    with pytest.raises(Unauthenticated):
        await _sign_in(store, keyring, "lise", made.password)


async def test_an_unknown_name_takes_an_argon2_verification_like_a_known_one(
    store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _make(store, keyring)
    verified: list[str] = []
    verify = passwords._HASHER.verify

    class Watching:
        def verify(self, stored: str, password: str) -> bool:
            verified.append(stored.rsplit("$", 2)[0])
            return verify(stored, password)

        hash = staticmethod(passwords._HASHER.hash)

    monkeypatch.setattr(passwords, "_HASHER", Watching())
    for username in ("lise", "nobody"):
        with pytest.raises(Unauthenticated):
            await _sign_in(store, keyring, username, "wrong")
    known, unknown = verified
    assert known == unknown, "same algorithm, same parameters"


async def _failures(store: Store, keyring: Keyring, address: str, times: int) -> list[str]:
    found = []
    for _ in range(times):
        try:
            await _sign_in(store, keyring, "lise", "wrong", address=address)
        except ServiceError as error:
            found.append(error.id)
    return found


async def test_guessing_is_stopped_for_that_address_and_the_listener_elsewhere_still_gets_in(
    store: Store, keyring: Keyring
) -> None:
    made = await _make(store, keyring)
    tried = await _failures(store, keyring, "198.51.100.9", 8)
    assert tried == ["sign-in-refused"] * 6 + ["sign-in-too-often"] * 2
    with pytest.raises(TooMany):
        await _sign_in(store, keyring, "lise", made.password, address="198.51.100.9")
    assert (await _sign_in(store, keyring, "lise", made.password)).viewer.username == "lise"


async def test_the_limit_ends_after_a_quarter_of_an_hour(store: Store, keyring: Keyring) -> None:
    made = await _make(store, keyring)
    await _failures(store, keyring, HOME, 7)
    later = NOW + timedelta(minutes=15, seconds=1)
    assert (await _sign_in(store, keyring, "lise", made.password, at=later)).viewer.username == "lise"


async def test_an_address_that_tries_many_names_is_stopped(store: Store, keyring: Keyring) -> None:
    async with store.transaction() as session:
        index = keyring.attempt_index(f"address:{HOME}")
        session.add_all(FailedSignIn(username_index=str(n), address_index=index, at=NOW) for n in range(30))
    with pytest.raises(TooMany):
        await _sign_in(store, keyring, "somebody", "wrong")


async def test_who_has_a_whole_network_of_ipv6_is_one_address(store: Store, keyring: Keyring) -> None:
    made = await _make(store, keyring)
    tried = [(await _failures(store, keyring, f"2001:db8:0:1::{n:x}", 1))[0] for n in range(8)]
    assert tried == ["sign-in-refused"] * 6 + ["sign-in-too-often"] * 2
    assert await _sign_in(store, keyring, "lise", made.password, address="2001:db8:0:2::1"), "the next house"


async def test_guesses_from_many_addresses_do_not_lock_out_a_browser_that_was_signed_in(
    store: Store, keyring: Keyring
) -> None:
    made, other = await _make(store, keyring), await _make(store, keyring, "omar")
    mine = await _sign_in(store, keyring, "lise", made.password)
    theirs = await _sign_in(store, keyring, "omar", other.password)
    async with store.transaction() as session:
        await sessions.sign_out(session, keyring, mine.viewer, NOW)
    async with store.transaction() as session:
        index = keyring.attempt_index("name:lise")
        session.add_all(FailedSignIn(username_index=index, address_index=str(n), at=NOW) for n in range(60))
    for had in (None, "nonsense", theirs.token):
        with pytest.raises(TooMany):
            await _sign_in(store, keyring, "lise", made.password, had=had)
    assert (await _sign_in(store, keyring, "lise", made.password, had=mine.token)).viewer.username == "lise"
    refused = []
    for _ in range(8):
        with pytest.raises(ServiceError) as caught:
            await _sign_in(store, keyring, "lise", "wrong", had=mine.token)
        refused.append(caught.value.id)
    assert refused == ["sign-in-refused"] * 6 + ["sign-in-too-often"] * 2, "its own guesses count"


async def test_guesses_from_one_s_own_house_do_not_lock_out_a_browser_that_was_signed_in(
    store: Store, keyring: Keyring
) -> None:
    made = await _make(store, keyring)
    mine = await _sign_in(store, keyring, "lise", made.password)
    await _failures(store, keyring, HOME, 8)
    async with store.transaction() as session:
        index = keyring.attempt_index(f"address:{HOME}")
        session.add_all(FailedSignIn(username_index=str(n), address_index=index, at=NOW) for n in range(30))
    with pytest.raises(TooMany):
        await _sign_in(store, keyring, "lise", made.password)
    again = await _sign_in(store, keyring, "lise", made.password, had=mine.token)
    assert again.viewer.username == "lise"
    refused = []
    for _ in range(8):
        with pytest.raises(ServiceError) as caught:
            await _sign_in(store, keyring, "lise", "wrong", had=again.token)
        refused.append(caught.value.id)
    assert refused == ["sign-in-refused"] * 6 + ["sign-in-too-often"] * 2, "its own guesses count"


async def test_attempts_made_at_once_are_all_counted(store: Store, keyring: Keyring) -> None:
    await _make(store, keyring)
    tries = (_sign_in(store, keyring, "lise", "wrong") for _ in range(12))
    results = await asyncio.gather(*tries, return_exceptions=True)
    verified = [error for error in results if isinstance(error, Unauthenticated)]
    assert len(verified) == 6
    assert sum(isinstance(error, TooMany) for error in results) == 6


async def test_names_and_addresses_of_failed_attempts_are_not_in_clear(store: Store, keyring: Keyring) -> None:
    await _failures(store, keyring, HOME, 1)
    async with store.reading() as session:
        row = (await session.scalars(select(FailedSignIn))).one()
    assert "lise" not in row.username_index
    assert HOME not in row.address_index


async def test_a_session_in_use_never_ends_and_one_unused_for_a_month_does(store: Store, keyring: Keyring) -> None:
    made = await _make(store, keyring)
    token = (await _sign_in(store, keyring, "lise", made.password)).token
    now = NOW
    for _ in range(4):
        now += timedelta(days=29)
        async with store.transaction() as session:
            found = await sessions.viewer_of(session, token, now)
            assert found is not None
            assert found.stale
            await sessions.touch(session, found, token, now)
            again = await sessions.viewer_of(session, token, now)
            assert again is not None
            assert not again.stale
    async with store.reading() as session:
        assert await sessions.viewer_of(session, token, now + timedelta(days=30, seconds=1)) is None


async def test_signing_out_ends_this_session_and_no_other(store: Store, keyring: Keyring) -> None:
    made = await _make(store, keyring)
    here = await _sign_in(store, keyring, "lise", made.password)
    there = await _sign_in(store, keyring, "lise", made.password)
    async with store.transaction() as session:
        await sessions.sign_out(session, keyring, here.viewer, NOW)
    async with store.reading() as session:
        assert await sessions.viewer_of(session, here.token, NOW) is None
        assert await sessions.viewer_of(session, there.token, NOW) is not None


async def test_a_phone_has_one_password_per_session_and_belongs_to_the_session_that_asked_last(
    store: Store, keyring: Keyring
) -> None:
    made = await _make(store, keyring)
    here = await _sign_in(store, keyring, "lise", made.password)
    there = await _sign_in(store, keyring, "lise", made.password)
    async with store.transaction() as session:
        assert await use_cases.phone_accounts(session, keyring, NOW) == []
        first, changed = await use_cases.take_phone(session, keyring, here.viewer, NOW)
        assert changed
        assert await use_cases.take_phone(session, keyring, here.viewer, NOW) == (first, False)
        other, changed = await use_cases.take_phone(session, keyring, there.viewer, NOW + timedelta(seconds=1))
        assert changed
        assert await use_cases.phone_accounts(session, keyring, NOW) == [other]
        assert await use_cases.take_phone(session, keyring, here.viewer, NOW + timedelta(seconds=2)) == (first, True)
    assert first.endpoint == other.endpoint == f"l{made.account_id}"
    assert first.password != other.password
    assert first.password not in repr(first)


async def test_a_phone_leaves_the_pbx_with_its_session(store: Store, keyring: Keyring) -> None:
    made = await _make(store, keyring)
    signed_in = await _sign_in(store, keyring, "lise", made.password)
    async with store.transaction() as session:
        await use_cases.take_phone(session, keyring, signed_in.viewer, NOW)
        await sessions.sign_out(session, keyring, signed_in.viewer, NOW)
        assert await use_cases.phone_accounts(session, keyring, NOW) == []


async def test_a_new_password_replaces_the_old_one(store: Store, keyring: Keyring) -> None:
    made = await _make(store, keyring)
    async with store.transaction() as session:
        renewed = await use_cases.new_password(session, keyring, username="lise", at=NOW)
    with pytest.raises(Unauthenticated):
        await _sign_in(store, keyring, "lise", made.password)
    await _sign_in(store, keyring, "lise", renewed.password)
    async with store.reading() as session:
        assert await queries.display_names(session) == {made.account_id: "Lise"}


async def test_a_phone_goes_with_the_session_that_has_it_unless_another_one_takes_it_on(
    store: Store, keyring: Keyring
) -> None:
    made = await _make(store, keyring)
    viewers = [(await _sign_in(store, keyring, "lise", made.password)).viewer for _ in range(4)]
    leaving = (viewers[3], viewers[1], viewers[2], viewers[0])
    async with store.transaction() as session:
        for minute, viewer in enumerate(viewers[:3]):
            await use_cases.take_phone(session, keyring, viewer, NOW + timedelta(minutes=minute))
        goes = [await sessions.sign_out(session, keyring, viewer, NOW) for viewer in leaving]
    assert goes == [False, False, False, True], "without a phone; without; the one before takes it on; the last one"


async def test_a_new_password_opens_to_somebody_who_tried_the_old_one_too_often(store: Store, keyring: Keyring) -> None:
    await _make(store, keyring)
    await _failures(store, keyring, HOME, 7)
    async with store.transaction() as session:
        index = keyring.attempt_index("name:lise")
        session.add_all(FailedSignIn(username_index=index, address_index=str(n), at=NOW) for n in range(60))
        renewed = await use_cases.new_password(session, keyring, username="lise", at=NOW)
    assert (await _sign_in(store, keyring, "lise", renewed.password)).viewer.username == "lise"


async def test_a_new_password_for_one_name_lets_an_address_guess_no_more_of_the_others(
    store: Store, keyring: Keyring
) -> None:
    await _make(store, keyring)
    async with store.transaction() as session:
        index = keyring.attempt_index(f"address:{HOME}")
        session.add_all(FailedSignIn(username_index=str(n), address_index=index, at=NOW) for n in range(30))
        await use_cases.new_password(session, keyring, username="lise", at=NOW)
    with pytest.raises(TooMany):
        await _sign_in(store, keyring, "lise", "wrong")


@pytest.mark.parametrize("more", [0, 2], ids=["as many as may", "more, of their own browser"])
async def test_who_tried_too_often_is_told_when_it_may_be_tried_again(
    store: Store, keyring: Keyring, more: int
) -> None:
    made = await _make(store, keyring)
    async with store.transaction() as session:
        index = keyring.attempt_index("name:lise")
        session.add_all(
            FailedSignIn(username_index=index, address_index=str(n), at=NOW + timedelta(seconds=5 * n))
            for n in range(60 + more)
        )
    later = NOW + timedelta(minutes=7)
    with pytest.raises(TooMany) as caught:
        await _sign_in(store, keyring, "lise", made.password, at=later)
    wait = caught.value.details["retry_after_seconds"]
    assert wait == 8 * 60 + 5 * more, "until there is one fewer than may be"
    again = later + timedelta(seconds=int(str(wait)))
    assert (await _sign_in(store, keyring, "lise", made.password, at=again)).viewer.username == "lise"


async def _filled(store: Store, keyring: Keyring, *, others: int) -> None:
    """Others tried so many names from home."""
    async with store.transaction() as session:
        index = keyring.attempt_index(f"address:{HOME}")
        session.add_all(FailedSignIn(username_index=str(n), address_index=index, at=NOW) for n in range(others))


async def test_an_address_that_others_filled_is_told_as_that_for_no_new_password_opens_there(
    store: Store, keyring: Keyring
) -> None:
    await _make(store, keyring)
    await _filled(store, keyring, others=30)
    async with store.transaction() as session:
        renewed = await use_cases.new_password(session, keyring, username="lise", at=NOW)
    with pytest.raises(TooMany) as caught:
        await _sign_in(store, keyring, "lise", renewed.password)
    assert caught.value.id == "address-too-often"
    assert "password" not in caught.value.message
    assert caught.value.details == {"retry_after_seconds": 15 * 60}


async def test_a_new_password_is_offered_where_it_opens_also_at_an_address_that_is_full(
    store: Store, keyring: Keyring
) -> None:
    await _make(store, keyring)
    await _filled(store, keyring, others=24)
    assert await _failures(store, keyring, HOME, 7) == ["sign-in-refused"] * 6 + ["sign-in-too-often"]
    async with store.transaction() as session:
        renewed = await use_cases.new_password(session, keyring, username="lise", at=NOW)
    assert (await _sign_in(store, keyring, "lise", renewed.password)).viewer.username == "lise"
