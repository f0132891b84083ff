"""Two processes that work on the same rows at the same instant, again and again.

PostgreSQL locks row by row: whoever takes the same rows in another order may wait for somebody who waits for them. It
notices after a second, and one of the two fails. SQLite lets in one writer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from pbx.facts import CallFact
from service.accounts.viewer import Viewer
from service.calls import use_cases as recording
from service.calls.numbers import CallerNumbers
from service.calls.use_cases import Archive
from service.cases import editing
from service.cases.model import DiscardReason
from service.cases.schemas import CaseNames
from service.errors import ServiceError
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.store.conftest import NOW
from tests.integration.store.test_store_late_number import facts, the_contact
from tests.support.caller_tokens import KEY, ring

#: as many rounds as fit into the time, on a machine that others use too; SQLite has no rows to lock
SECONDS: Final = 2.0
ROUNDS: Final = {"postgresql": 60, "sqlite": 3}

Work = Callable[[Store], Awaitable[object]]


class Two:
    """Two processes of the service over one store."""

    def __init__(self, store: Store, keyring: Keyring, lise: Viewer, omar: Viewer) -> None:
        self.store, self.other = store, Store(store.url)
        self.keyring, self.lise, self.omar = keyring, lise, omar
        self.archive = Archive("pbx1", keyring, CallerNumbers(ring(("k1", KEY)), "FR"))

    async def race(self, prepare: Callable[[int], Awaitable[tuple[Work, Work]]]) -> int:
        """Rounds that were run. Whom the other was faster than may be told so; nothing else may go wrong."""
        until, rounds = time.monotonic() + SECONDS, 0
        while rounds < ROUNDS[self.store.dialect] and time.monotonic() < until:
            ours, theirs = await prepare(rounds)
            done = await asyncio.gather(ours(self.store), theirs(self.other), return_exceptions=True)
            wrong = [one for one in done if isinstance(one, BaseException) and not isinstance(one, ServiceError)]
            assert not wrong, f"round {rounds}: {wrong}"
            rounds += 1
        return rounds

    def recorded(self, *batch: CallFact) -> Work:
        async def work(store: Store) -> None:
            async with store.transaction() as session:
                await recording.record(session, self.archive, batch)

        return work

    def discarded(self, case_id: int) -> Work:
        async def work(store: Store) -> None:
            async with store.transaction() as session:
                await editing.discard(session, self.keyring, self.lise, case_id, reason=DiscardReason.HOAX, at=NOW)

        return work

    def named(self, case_id: int) -> Work:
        async def work(store: Store) -> None:
            async with store.transaction() as session:
                names = CaseNames(caller="Nour Exemple", person_concerned=None)
                await editing.save_names(session, self.keyring, self.lise, case_id, names=names, at=NOW)

        return work

    def linked(self, contact_id: int, case_id: int) -> Work:
        async def work(store: Store) -> None:
            async with store.transaction() as session:
                await editing.link(session, self.keyring, self.lise, contact_id, case_id=case_id, at=NOW)

        return work

    async def answered(self, n: int) -> tuple[int, int]:
        """Contact and case of a call that lise answered, and that goes on."""
        await self.recorded(*facts(self.lise, n)[:3])(self.store)
        contact = await the_contact(self.store, n)
        return contact.id, contact.case_id
