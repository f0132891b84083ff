"""Pages, the master key's rotation and whoever else is at work at the same instant: one waits, and neither fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import text

from service.accounts import queries as accounts
from service.accounts import second_step
from service.accounts.model import SignedInSession
from service.accounts.rights import Role
from service.keys import KeysError
from service.store import rotation
from service.store.engine import Store
from service.store.secrets import open_keys
from tests.integration.store.conftest import NOW, Hire
from tests.integration.store.racing import Two, Work
from tests.integration.store.rotating import nobody


@pytest.fixture
async def two(store: Store, tmp_path: Path, hire: Hire) -> AsyncIterator[Two]:
    keyring = await open_keys(store, tmp_path)
    two = Two(store, keyring, await hire("lise", Role.LISTENER), await hire("omar", Role.LISTENER))
    yield two
    await two.other.close()


async def test_two_drafts_are_linked_to_each_other_and_each_to_the_other(two: Two) -> None:
    async def prepare(n: int) -> tuple[Work, Work]:
        (first, case), (second, other) = await two.answered(2 * n), await two.answered(2 * n + 1)
        return two.linked(first, other), two.linked(second, case)

    assert await two.race(prepare)


async def sessions(two: Two, count: int) -> list[SignedInSession]:
    """Sessions of lise."""
    sealed = two.keyring.seal("secret", f"phone:{two.lise.account_id}")
    of_all = {"account_id": two.lise.account_id, "made_at": NOW, "used_at": NOW, "phone_password": sealed}
    rows = [SignedInSession(token_hash=str(n), **of_all) for n in range(count)]
    async with two.store.transaction() as session:
        session.add_all(rows)
    return rows


async def test_sessions_are_asked_for_a_second_step_while_the_master_key_is_rotated(two: Two, tmp_path: Path) -> None:
    rows = await sessions(two, 150)

    async def prepare(_: int) -> tuple[Work, Work]:
        done = asyncio.Event()
        async with two.store.transaction() as session:
            for row in reversed(rows):  # they are in use: where a row lies says nothing of its number
                await accounts.touch_session(session, row.id, NOW)

        async def rotated(store: Store) -> None:
            try:
                await rotation.rotate(store, two.keyring, tmp_path, tell=nobody)
            finally:
                done.set()

        async def asked(store: Store) -> None:
            while not done.is_set():
                await second_step.ask_of_sessions(store, two.keyring, [Role.LISTENER], NOW)
                await second_step.ask_of_sessions(store, two.keyring, [], NOW)

        return rotated, asked

    assert await two.race(prepare)
    assert (await rotation.status(two.store, two.keyring)).elsewhere == 0


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
async def test_a_rotation_goes_on_beside_a_row_that_somebody_holds_and_comes_back_for_it(
    two: Two, tmp_path: Path
) -> None:
    come_last = sum((await rotation.status(two.store, two.keyring)).values.values())  # the keys that hash
    held, *_ = await sessions(two, 20)
    async with two.other.transaction() as session:
        await accounts.touch_session(session, held.id, NOW)
        rotating = asyncio.create_task(rotation.rotate(two.store, two.keyring, tmp_path, tell=nobody))
        while not rotating.done() and (await rotation.status(two.store, two.keyring)).elsewhere != 1 + come_last:
            await asyncio.sleep(0.02)
        assert not rotating.done(), "the row that is held is not forgotten"
    assert (await rotating).elsewhere == 0


async def test_drafts_are_discarded_while_old_master_keys_are_put_away(two: Two, tmp_path: Path) -> None:
    async def prepare(n: int) -> tuple[Work, Work]:
        drafts = [(await two.answered(3 * n + i))[1] for i in range(3)]
        done = asyncio.Event()

        async def discarded(store: Store) -> None:
            try:
                for case in drafts:
                    await two.discarded(case)(store)
            finally:
                done.set()

        async def retired(store: Store) -> None:
            while not done.is_set():
                await rotation.retire(store, tmp_path)

        return discarded, retired

    assert await two.race(prepare)


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
async def test_old_keys_are_put_away_once_a_long_write_is_over_and_not_before(two: Two, tmp_path: Path) -> None:
    (row,) = await sessions(two, 1)
    before = {path.name for path in (tmp_path / "secrets").glob("master*.key")}
    await rotation.rotate(two.store, two.keyring, tmp_path, tell=nobody)
    asked: set[datetime] = set()
    async with two.other.transaction() as session:
        await accounts.touch_session(session, row.id, NOW)
        retiring = asyncio.create_task(rotation.retire(two.store, tmp_path))
        while len(asked) < 3 and not retiring.done():
            async with two.other.reading() as looking:
                asked.update(await looking.scalars(_WAITING))
            await asyncio.sleep(0.02)
        assert not retiring.done()
    moved = await retiring
    assert len(moved) == len(before)


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
async def test_no_key_is_put_away_while_somebody_writes_without_end_and_what_to_do_is_said(
    two: Two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "_TABLES_ASKED", 2)
    (row,) = await sessions(two, 1)
    await rotation.rotate(two.store, two.keyring, tmp_path, tell=nobody)
    async with two.other.transaction() as session:
        await accounts.touch_session(session, row.id, NOW)
        with pytest.raises(KeysError, match="Run `ecoute keys retire` again") as refused:
            await rotation.retire(two.store, tmp_path)
    assert refused.value.id == "store-busy"


_WAITING: Final = text(
    "SELECT query_start FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'LOCK TABLE%'"
)
