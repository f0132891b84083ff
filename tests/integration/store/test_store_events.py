"""What somebody is told of their own account: what happened, by whom, and what was refused; nobody else's."""

from __future__ import annotations

from datetime import timedelta

import pytest

from service.accounts import events, sessions, signing, use_cases
from service.accounts.rights import Role
from service.accounts.schemas import EventsOut
from service.accounts.signing import SignedIn
from service.errors import ServiceError
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.store.conftest import NOW

DAY = timedelta(days=1)


class Person:
    """With an account; signs in at noon of day after day."""

    def __init__(self, store: Store, keyring: Keyring, name: str) -> None:
        self.store, self.keyring, self.name = store, keyring, name
        self.password = ""

    async def hired(self) -> Person:
        async with self.store.transaction() as session:
            made = await use_cases.make_account(
                session, self.keyring, username=self.name, display_name=self.name, roles=(Role.LISTENER,), at=NOW
            )
        self.password = made.password
        return self

    async def signs_in(self, days: int = 0, password: str = "") -> SignedIn:
        return await signing.sign_in(
            self.store,
            self.keyring,
            username=self.name,
            password=password or self.password,
            address="192.0.2.7",
            at=NOW + days * DAY,
        )

    async def told(self, signed_in: SignedIn, days: int = 0) -> EventsOut:
        async with self.store.reading() as session:
            return await events.own(session, signed_in.viewer, NOW + days * DAY)


async def test_what_happened_is_told_newest_first_with_whose_doing_it_was(store: Store, keyring: Keyring) -> None:
    lise, omar = await Person(store, keyring, "lise").hired(), await Person(store, keyring, "omar").hired()
    await omar.signs_in()
    first = await lise.signs_in(1)
    here = await lise.signs_in(2)
    async with store.transaction() as session:
        await sessions.end_one(session, keyring, here.viewer, first.viewer.session_id, NOW + 3 * DAY)
        await use_cases.sign_out_everywhere(session, keyring, username="lise", at=NOW + 4 * DAY)
    found = await lise.told(here, 5)
    assert [(event.what, event.by_me) for event in found.events] == [
        ("sessions.ended", False),
        ("sessions.ended", True),
        ("signed-in", True),
        ("signed-in", True),
        ("account.made", False),
    ]
    assert [event.at for event in found.events[:2]] == [NOW + 4 * DAY, NOW + 3 * DAY]
    assert found.refused == 0


async def test_refused_sign_ins_are_counted_for_thirty_days(store: Store, keyring: Keyring) -> None:
    lise = await Person(store, keyring, "lise").hired()
    omar = await Person(store, keyring, "omar").hired()
    for person, days in ((lise, 1), (lise, 2), (omar, 2), (lise, 20)):
        with pytest.raises(ServiceError):
            await person.signs_in(days, "wrong")
    here = await lise.signs_in(21)
    found = await lise.told(here, 21)
    assert found.refused == 3
    assert [event.what for event in found.events] == ["signed-in", *["sign-in.refused"] * 3, "account.made"]
    later = await lise.told(here, 40)
    assert (later.refused, [event.what for event in later.events]) == (1, ["signed-in", "sign-in.refused"])


async def test_a_session_that_ended_because_its_old_token_came_back_is_told_with_the_reason(
    store: Store, keyring: Keyring
) -> None:
    lise = await Person(store, keyring, "lise").hired()
    stolen = await lise.signs_in()
    async with store.transaction() as session:
        found = await sessions.viewer_of(session, stolen.token, NOW + DAY)
        assert found is not None
        renewed = await sessions.rotate(session, keyring, found, stolen.token, NOW + DAY)
        assert renewed is not None
    async with store.transaction() as session:
        back = NOW + DAY + timedelta(minutes=1)
        found = await sessions.viewer_of(session, renewed, back)
        assert found is not None
        await sessions.touch(session, found, renewed, back)
    async with store.transaction() as session:
        assert await sessions.end_replayed(session, keyring, stolen.token, NOW + 2 * DAY)
    told = (await lise.told(await lise.signs_in(3), 3)).events
    assert [event.what for event in told] == [
        "signed-in",
        "sessions.ended",
        "token.replayed",
        "signed-in",
        "account.made",
    ]
