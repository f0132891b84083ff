"""The key with which a PBX encrypts callers' numbers: made once a day, whatever becomes of handing it over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from pbx.commands import Command, PutRoute
from pbx.link import CommandRefused, Reply
from service.calls.caller_keys import ROTATE_AFTER, CallerKeys
from service.keys import CallerKeyRing, Keyring
from service.store.engine import Store
from service.store.model import CallerKey


class FakePbx:
    """Takes keys, or refuses the account that hands them over."""

    class config:  # noqa: N801 - as PbxLink names it
        pbx = "pbx1"

    def __init__(self) -> None:
        self.refuses = False
        self.has: dict[str, str] = {}

    async def send(self, command: Command) -> Reply:
        if self.refuses:
            raise CommandRefused("not-allowed", "the account may not")
        assert isinstance(command, PutRoute)
        self.has[command.key] = command.value
        return Reply("ok")


@pytest.fixture
def pbx() -> FakePbx:
    return FakePbx()


@pytest.fixture
def keys(store: Store, keyring: Keyring, pbx: Any) -> CallerKeys:
    return CallerKeys(store, keyring, CallerKeyRing(), pbx)


async def made(store: Store) -> list[str]:
    async with store.reading() as session:
        return list(await session.scalars(select(CallerKey.key_id).order_by(CallerKey.made_at)))


async def grow_old(store: Store) -> None:
    async with store.transaction() as session:
        await session.execute(update(CallerKey).values(made_at=datetime.now(UTC) - ROTATE_AFTER - timedelta(hours=1)))


async def test_a_key_that_the_pbx_did_not_take_is_handed_over_again_and_no_other_is_made(
    store: Store, keys: CallerKeys, pbx: FakePbx
) -> None:
    pbx.refuses = True
    for _ in range(5):
        assert keys.due
        with pytest.raises(CommandRefused):
            await keys.rotate()
    pbx.refuses = False
    await keys.rotate()
    assert not keys.due
    assert await made(store) == [pbx.has["caller_key_id"]]


async def test_a_service_that_starts_again_goes_on_with_the_key_of_the_day(
    store: Store, keyring: Keyring, keys: CallerKeys, pbx: Any
) -> None:
    await keys.rotate()
    before = dict(pbx.has)
    pbx.has.clear()
    again = CallerKeys(store, keyring, CallerKeyRing(), pbx)
    due_at_start = again.due  # the PBX may have lost it
    await again.rotate()
    assert pbx.has == before
    assert (due_at_start, again.due) == (True, False)
    assert len(await made(store)) == 1


async def test_a_key_of_yesterday_is_replaced_at_a_start(
    store: Store, keyring: Keyring, keys: CallerKeys, pbx: Any
) -> None:
    await keys.rotate()
    await grow_old(store)
    await CallerKeys(store, keyring, CallerKeyRing(), pbx).rotate()
    both = await made(store)
    assert len(both) == 2
    assert pbx.has["caller_key_id"] == both[-1]


async def test_a_key_is_replaced_after_a_day(
    store: Store, keys: CallerKeys, pbx: FakePbx, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keys.rotate()
    first = pbx.has["caller_key_id"]
    monkeypatch.setattr("service.calls.caller_keys.ROTATE_AFTER", timedelta(0))
    assert keys.due
    await keys.rotate()
    assert await made(store) == [first, pbx.has["caller_key_id"]]
