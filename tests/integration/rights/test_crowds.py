"""Very many who sign in at once: strangers keep nobody from writing, colleagues of one house all get in."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import aiohttp
import pytest

from service.accounts import attempts
from service.accounts.attempts import AT_ONCE, PER_MINUTE, WAITING, Doorway
from service.accounts.rights import Role
from service.accounts.use_cases import make_account
from service.errors import TooMany
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.rights.flood import flood
from tests.integration.rights.house import API, House, open_house
from tests.integration.rights.records import NOW
from tests.support.web import browser

#: of the 10 s that a page waits; while a database is busy with strangers it takes 3 s and more, or refuses
SOON_SECONDS = 2.0
#: a house's people share one address
TEAM = 30


async def test_notes_are_saved_at_once_while_a_stranger_tries_to_sign_in_on_600_connections(
    sqlite_store: Store, keyring: Keyring
) -> None:
    async with open_house(sqlite_store, keyring, casts=["listener"]) as house:
        viewer = house.viewers[0]
        notes = f"{API}/contacts/{house.held[viewer.account_id].contact_id}/notes"
        taken: list[float] = []
        async with flood(house.base, 600) as flows:
            while not flows.done() or len(taken) < 10:
                began = time.monotonic()
                async with viewer.client.put(notes, json={"text": "elle dit", "version": len(taken) + 1}) as saved:
                    assert saved.status == 200, await saved.text()
                taken.append(time.monotonic() - began)
        flows.result()
        assert max(taken) < SOON_SECONDS


async def _team(house: House) -> list[dict[str, str]]:
    """Colleagues, with what each types to sign in."""
    found = []
    async with house.store.transaction() as session:
        for number in range(TEAM):
            name = f"colleague{number}"
            made = await make_account(
                session, house.keyring, username=name, display_name=name, roles={Role.LISTENER}, at=NOW
            )
            found.append({"username": name, "password": made.password})
    return found


async def _tried(client: aiohttp.ClientSession, *typed: dict[str, str]) -> list[int]:
    """One after the other."""
    statuses = []
    for body in typed:
        async with client.post(f"{API}/session", json=body) as response:
            statuses.append(response.status)
    return statuses


async def test_thirty_colleagues_behind_one_address_sign_in_at_the_same_instant(store: Store, keyring: Keyring) -> None:
    async with open_house(store, keyring, casts=["listener"]) as house, AsyncExitStack() as stack:
        people = await _team(house)
        browsers = [await stack.enter_async_context(browser(house.base)) for _ in people]
        wrong = [person | {"password": "mistyped"} for person in people]
        tries = [
            _tried(client, *([wrong[n], person] if n % 3 == 0 else [person]))
            for n, (client, person) in enumerate(zip(browsers, people, strict=True))
        ]
        last = [statuses[-1] for statuses in await asyncio.gather(*tries)]
    assert last == [200] * TEAM


# --- the doorway ------------------------------------------------------------------------------------------------------


async def _refused(doorway: Doorway, store: Store, address: str, now: float, token: str | None = None) -> str | None:
    """Why somebody does not come in; none: they do."""
    try:
        async with doorway.passed(store, address, token, now):
            return None
    except TooMany as error:
        return error.id


async def _filled(store: Store, address: str) -> Doorway:
    """Nobody more may ask from this address now."""
    doorway = Doorway(late_seconds=0)
    for _ in range(PER_MINUTE):
        assert await _refused(doorway, store, address, 0.0) is None
    return doorway


@pytest.mark.parametrize(
    ("address", "same", "other"),
    [("192.0.2.7", "::ffff:192.0.2.7", "192.0.2.8"), ("2001:db8::7", "2001:db8::ffff:1", "2001:db8:0:1::7")],
)
async def test_an_address_has_a_pace_of_its_own_and_a_house_one_for_all_that_it_may_choose_from(
    sqlite_store: Store, address: str, same: str, other: str
) -> None:
    doorway = await _filled(sqlite_store, address)
    assert await _refused(doorway, sqlite_store, same, 0.0) == "address-too-often"
    assert await _refused(doorway, sqlite_store, other, 0.0) is None
    assert await _refused(doorway, sqlite_store, same, 60 / PER_MINUTE) is None, "it fills evenly"


async def test_a_browser_that_was_signed_in_here_is_not_kept_out_by_others_at_its_address(
    sqlite_store: Store, keyring: Keyring
) -> None:
    async with open_house(sqlite_store, keyring, casts=["listener"]) as house:
        (token,) = [cookie.value for cookie in house.viewers[0].client.cookie_jar]
        doorway = await _filled(sqlite_store, "192.0.2.7")
        assert await _refused(doorway, sqlite_store, "192.0.2.7", 0.0, "invented") == "address-too-often"
        tried = [await _refused(doorway, sqlite_store, "192.0.2.7", 0.0, token) for _ in range(PER_MINUTE + 1)]
    assert tried == [None] * PER_MINUTE + ["address-too-often"], "a stolen cookie has a pace, too"


async def test_so_many_are_under_way_so_many_wait_and_the_rest_are_refused(sqlite_store: Store) -> None:
    doorway, leave, inside = Doorway(late_seconds=0), asyncio.Event(), 0

    async def come(number: int) -> None:
        nonlocal inside
        async with doorway.passed(sqlite_store, f"192.0.2.{number}", None, 0.0):
            inside += 1
            await leave.wait()
            inside -= 1

    async with asyncio.TaskGroup() as people:
        for number in range(AT_ONCE + WAITING):
            people.create_task(come(number))
        await asyncio.sleep(0)
        assert inside == AT_ONCE
        assert await _refused(doorway, sqlite_store, "192.0.2.200", 0.0) == "sign-in-too-often"
        leave.set()
    assert await _refused(doorway, sqlite_store, "192.0.2.200", 0.0) is None


async def test_who_is_refused_waits_for_it_but_not_without_end_many(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "_HELD_MOST", 1)
    doorway = await _filled(sqlite_store, "192.0.2.7")
    doorway._late_seconds = 3600
    held = asyncio.create_task(_refused(doorway, sqlite_store, "192.0.2.7", 0.0))
    await asyncio.sleep(0)
    assert await _refused(doorway, sqlite_store, "192.0.2.7", 0.0) == "address-too-often", "at once"
    assert not held.done()
    held.cancel()
    await asyncio.wait([held])
