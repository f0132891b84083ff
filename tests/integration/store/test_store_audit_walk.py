"""Walking the audit trail while the line works: the trail goes on and is purged meanwhile, and nobody waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest

from service.accounts.rights import Role
from service.audit import chain, queries, use_cases
from service.audit.chain import purge, verify
from service.audit.model import Action, Written
from service.audit.use_cases import Act, append
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.store.conftest import NOW
from tests.integration.store.site import API, Site


async def _append(store: Store, keyring: Keyring, *cases: int, at: datetime = NOW) -> None:
    acts = [Act(action=Action.CASE_READ, subject="case", subject_id=case) for case in cases]
    async with store.transaction() as session:
        await append(session, keyring, acts, account_id=12, at=at)


def _between_stretches(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], Awaitable[None]]) -> None:
    """Stretches of three; before the second one the first step happens, and so on."""
    monkeypatch.setattr(chain, "STRETCH", 3)
    read, left = queries.stretch, [None, *steps]

    async def stretch(*args: Any, **named: Any) -> queries.Stretch | None:
        step = left.pop(0) if left else None
        if step is not None:
            await step()
        return await read(*args, **named)

    monkeypatch.setattr(queries, "stretch", stretch)


async def test_what_is_put_on_the_trail_while_it_is_walked_breaks_nothing(
    store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _append(store, keyring, 1, 2, 3, 4)

    async def goes_on() -> None:
        await _append(store, keyring, 5, 6)

    _between_stretches(monkeypatch, goes_on, goes_on)
    state = await verify(store, keyring)
    assert (state.whole, state.entries) == (True, 8)


async def test_a_purge_while_the_trail_is_walked_breaks_nothing(
    store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _append(store, keyring, 1, 2, 3, 4, 5, at=NOW - timedelta(days=800))
    await _append(store, keyring, 6, 7)

    async def purged() -> None:
        async with store.transaction() as session:
            assert await purge(session, keyring, before=NOW - timedelta(days=365), at=NOW) == 5

    _between_stretches(monkeypatch, purged)
    state = await verify(store, keyring)
    assert (state.whole, state.entries, state.purged, state.last) == (True, 3, 5, 8)


async def test_what_is_tampered_with_behind_a_walk_s_back_is_found_where_it_comes_to(
    store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _append(store, keyring, 1, 2, 3, 4, 5)

    async def put_in() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(use_cases, "content_of", lambda _entry: b"something else")
            await _append(store, keyring, 6)

    _between_stretches(monkeypatch, put_in)
    assert (await verify(store, keyring)).broken_at == 6


async def test_a_walk_holds_no_transaction_and_no_event_loop_while_it_reckons(
    store: Store, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "STRETCH", 2)
    await _append(store, keyring, 1, 2, 3)
    follow, seen = chain._Walk.take_all, []

    def take_all(walk: chain._Walk, entries: Iterable[Written], keyring: Keyring) -> int | None:
        seen.append((store.engine.pool.checkedout(), threading.current_thread() is threading.main_thread()))  # type: ignore[attr-defined]
        return follow(walk, entries, keyring)

    monkeypatch.setattr(chain._Walk, "take_all", take_all)
    assert (await verify(store, keyring)).whole
    assert seen == [(0, False), (0, False)]


async def test_one_walk_at_a_time_and_whoever_asks_meanwhile_is_told(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, officer = await site.signed_in("ines", Role.DPO)
    _, colleague = await site.signed_in("omar", Role.DPO)
    follow, begun, may_end = chain._Walk.take_all, threading.Event(), threading.Event()

    def take_all(walk: chain._Walk, entries: Iterable[Written], keyring: Keyring) -> int | None:
        begun.set()
        assert may_end.wait(30)
        return follow(walk, entries, keyring)

    monkeypatch.setattr(chain._Walk, "take_all", take_all)

    async def walk() -> tuple[int, Any]:
        async with officer.get(f"{API}/audit/chain") as response:
            return response.status, await response.json()

    first = asyncio.create_task(walk())
    try:
        assert await asyncio.to_thread(begun.wait, 30), "the first walk is under way"
        async with colleague.get(f"{API}/audit/chain") as response:
            status, body = response.status, await response.json()
    finally:
        may_end.set()
    assert (status, body["error"]["id"]) == (409, "asked-already")
    status, body = await first
    assert (status, body["broken_at"]) == (200, None)
    async with colleague.get(f"{API}/audit/chain") as response:
        assert response.status == 200


async def test_reading_the_trail_keeps_no_writer_waiting(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    _, officer = await site.signed_in("ines", Role.DPO)
    read = queries.entries

    async def entries(*args: Any, **named: Any) -> Any:
        await _append(site.store, site.keyring, 77)  # somebody else's act, while the trail is being read
        return await read(*args, **named)

    monkeypatch.setattr(queries, "entries", entries)
    async with officer.get(f"{API}/audit", params={"subject": "case", "subject_id": "77"}) as response:
        assert response.status == 200, await response.text()
        assert [entry["subject_id"] for entry in (await response.json())["entries"]] == ["77"]


async def test_a_subject_s_number_without_its_kind_is_refused_with_what_is_missing(site: Site) -> None:
    _, officer = await site.signed_in("ines", Role.DPO)
    async with officer.get(f"{API}/audit", params={"subject_id": "7"}) as response:
        status, body = response.status, await response.json()
    assert (status, body["error"]["id"], body["error"]["field"]) == (422, "subject-missing", "subject")
    async with officer.get(f"{API}/audit", params={"subject": "case", "subject_id": "7"}) as response:
        assert response.status == 200
