"""Who calls is looked up while somebody else writes: no pop-up waits for the audit trail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select

from service.accounts.rights import Role
from service.audit.model import Action, AuditEntry
from service.audit.use_cases import Act, append
from service.calls.known import KnownCaller
from service.calls.lookup import Lookup, Question
from service.calls.numbers import CallerNumbers
from service.keys import CallerKeyRing, Keyring
from service.store.engine import Store
from tests.integration.store.conftest import NOW, Hire
from tests.support.caller_tokens import KEY, token
from tests.support.contacts import open_contact
from tests.support.tasks import end

NUMBER = "+33639980101"


@pytest.fixture
async def told(store: Store, keyring: Keyring) -> AsyncIterator[tuple[Lookup, asyncio.Queue[KnownCaller]]]:
    """A lookup that runs, and what it tells."""
    ring = CallerKeyRing()
    ring.add("k1", KEY)
    lookup, answers = Lookup(store, keyring, CallerNumbers(ring, "FR")), asyncio.Queue[KnownCaller]()
    lookup.tell = lambda _question, known: answers.put_nowait(known)
    task = asyncio.create_task(lookup.run())
    yield lookup, answers
    await end(task)


async def shown_on_the_trail(store: Store) -> int:
    async with store.reading() as session:
        entries = await session.scalars(select(AuditEntry).where(AuditEntry.action == Action.CASE_SHOWN))
        return len(entries.all())


async def test_a_caller_is_known_while_what_was_shown_before_waits_for_the_trail(
    store: Store, keyring: Keyring, hire: Hire, told: tuple[Lookup, asyncio.Queue[KnownCaller]]
) -> None:
    lookup, answers = told
    lise = (await hire("lise", Role.LISTENER)).account_id
    async with store.transaction() as session:
        await open_contact(
            session, keyring, pbx="pbx1", call_id="before", account_id=lise, number=NUMBER, line="", at=NOW
        )
    async with store.transaction() as session:  # somebody holds the trail
        await append(session, keyring, [Act(action=Action.NOTES_SAVED, subject="contact", subject_id=1)],
                     account_id=lise, at=NOW)  # fmt: skip
        for number in range(3):
            lookup.ask(Question(f"call-{number}", token(NUMBER)))
            known = (await asyncio.wait_for(answers.get(), 15)).known
            assert (known.number, len(known.cases)) == ("known", 1)
            lookup.shown(lise, known)
    async with asyncio.timeout(5):
        while await shown_on_the_trail(store) < 3:
            await asyncio.sleep(0.01)
