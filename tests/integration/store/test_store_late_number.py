"""Who calls may be told after the answer was stored: the number lies where it would lie had it come in time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import func, select

from pbx.facts import AnsweredVia, CallAnswered, CallEnded, CallEntered, CallFact, CallQueued, EndedBy, Stage
from service.accounts.rights import Role
from service.accounts.viewer import Viewer
from service.calls import queries, use_cases
from service.calls.model import Call, NumberKind
from service.calls.numbers import CallerNumbers
from service.calls.use_cases import Archive
from service.cases import editing
from service.cases import queries as case_queries
from service.cases.model import Case, CaseNumber, Contact, DiscardReason
from service.cases.use_cases import known, number_context
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.store.conftest import Hire
from tests.support.caller_tokens import KEY, ring, token

NUMBER = "+33639980101"
BASE = 1_795_301_760.0
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def call_id(n: int) -> str:
    return f"9d72c80a-0000-4000-8000-{n:012d}"


def facts(listener: Viewer, n: int = 1) -> tuple[CallEntered, CallQueued, CallAnswered, CallEnded]:
    """A call from a number that came with it, from entry to end."""
    of_it: dict[str, Any] = {"pbx": "pbx1", "call_id": call_id(n)}
    interface = f"PJSIP/l{listener.account_id}"
    return (
        CallEntered(
            **of_it, ordinal=1, at=BASE, line="+33199003133", caller_token=token("0639980101"), arrived=int(BASE)
        ),
        CallQueued(**of_it, ordinal=2, at=BASE + 8, queue="national"),
        CallAnswered(**of_it, ordinal=3, at=BASE + 20, interface=interface, via=AnsweredVia.QUEUE, queue="national"),
        CallEnded(**of_it, ordinal=4, at=BASE + 900, by=EndedBy.LISTENER, stage=Stage.TALKING),
    )


@pytest.fixture
def archive(keyring: Keyring) -> Archive:
    return Archive("pbx1", keyring, CallerNumbers(ring(("k1", KEY)), "FR"))


@pytest.fixture
async def camille(hire: Hire) -> Viewer:
    return await hire("camille", Role.LISTENER)


async def record(store: Store, archive: Archive, *batch: CallFact) -> None:
    async with store.transaction() as session:
        await use_cases.record(session, archive, batch)


async def the_call(store: Store, n: int = 1) -> Call:
    async with store.reading() as session:
        return (await queries.calls_by_id(session, "pbx1", [call_id(n)]))[call_id(n)]


async def the_contact(store: Store, n: int = 1) -> Contact:
    async with store.reading() as session:
        return (await session.scalars(select(Contact).where(Contact.call_id == call_id(n)))).one()


async def opened_number(store: Store, archive: Archive, case_id: int) -> str:
    """The one number of a case, opened with that case's key."""
    async with store.reading() as session:
        number = (await session.scalars(select(CaseNumber).where(CaseNumber.case_id == case_id))).one()
        case = await session.get_one(Case, case_id)
    assert number.number_index == archive.keyring.blind_index(NUMBER)
    assert case.wrapped_key is not None
    return archive.keyring.unwrap(case.wrapped_key).open(number.sealed, number_context(case_id))


async def assert_in_its_case_alone(store: Store, archive: Archive, n: int = 1) -> None:
    call, contact = await the_call(store, n), await the_contact(store, n)
    index = archive.keyring.blind_index(NUMBER)
    assert (call.number_kind, call.number_index, call.number is None) == (NumberKind.GIVEN, index, True)
    assert contact.number_index == index
    assert await opened_number(store, archive, contact.case_id) == NUMBER


async def test_in_whatever_order_a_call_is_told_its_number_lies_in_its_case_alone(
    store: Store, archive: Archive, camille: Viewer
) -> None:
    orders = list(permutations(range(4)))
    for n, order in enumerate(orders):
        happened = facts(camille, n)
        for place in [*order, *order]:
            await record(store, archive, happened[place])
    for n in range(len(orders)):
        await assert_in_its_case_alone(store, archive, n)
    async with store.reading() as session:
        again = await known(session, archive.keyring.blind_index(NUMBER), account_id=None, call_id="the next one")
    assert (again.number, again.contacts, len(again.cases)) == ("known", len(orders), len(orders))


@pytest.mark.parametrize("split", range(1, 4))
async def test_however_what_was_heard_and_what_the_journal_told_come_together_the_number_is_in_its_case(
    store: Store, archive: Archive, camille: Viewer, split: int
) -> None:
    for n, order in enumerate(permutations(range(4))):
        happened = facts(camille, n)
        for part in (order[:split], order[split:]):
            await record(store, archive, *(happened[place] for place in part))
        await assert_in_its_case_alone(store, archive, n)


async def test_a_second_answer_that_comes_with_the_beginning_changes_nothing_of_it(
    store: Store, archive: Archive, camille: Viewer, hire: Hire
) -> None:
    lise = await hire("lise", Role.LISTENER)
    entered, queued, answered, _ = facts(camille)
    again = replace(answered, ordinal=5, at=BASE + 60, interface=f"PJSIP/l{lise.account_id}")
    await record(store, archive, answered)
    await record(store, archive, entered, queued, again)
    await assert_in_its_case_alone(store, archive)


async def test_a_number_told_after_its_draft_was_discarded_is_kept_nowhere(
    store: Store, archive: Archive, camille: Viewer
) -> None:
    entered, queued, answered, ended = facts(camille)
    await record(store, archive, queued, answered)
    case_id = (await the_contact(store)).case_id
    async with store.transaction() as session:
        await editing.discard(session, archive.keyring, camille, case_id, reason=DiscardReason.HOAX, at=NOW)
    for batch in ([entered], [entered, ended]):
        await record(store, archive, *batch)
        call, contact = await the_call(store), await the_contact(store)
        assert (call.number_kind, call.number_index, call.number) == (NumberKind.GIVEN, None, None)
        assert contact.number_index is None
    async with store.reading() as session:
        assert await session.scalar(select(func.count()).select_from(CaseNumber)) == 0


async def test_a_number_told_after_its_contact_was_linked_goes_to_the_case_in_which_the_contact_is(
    store: Store, archive: Archive, camille: Viewer
) -> None:
    await record(store, archive, *facts(camille, 1))
    before = await the_contact(store, 1)
    entered, queued, answered, ended = facts(camille, 2)
    await record(store, archive, queued, answered)
    late = await the_contact(store, 2)
    async with store.transaction() as session:
        await editing.link(session, archive.keyring, camille, late.id, case_id=before.case_id, at=NOW)
    await record(store, archive, entered, ended)
    assert (await the_contact(store, 2)).case_id == before.case_id
    await assert_in_its_case_alone(store, archive, 2)


async def test_a_number_told_while_its_draft_is_being_discarded_waits_and_is_kept_nowhere(
    store: Store, archive: Archive, camille: Viewer
) -> None:
    entered, queued, answered, _ = facts(camille)
    await record(store, archive, queued, answered)
    contact = await the_contact(store)
    async with store.transaction() as session:
        await case_queries.lock_contacts(session, [contact.id])
        telling = asyncio.create_task(record(store, archive, entered))
        done, _ = await asyncio.wait({telling}, timeout=0.5)
        assert not done
        await editing.discard(session, archive.keyring, camille, contact.case_id, reason=DiscardReason.HOAX, at=NOW)
    await asyncio.wait_for(telling, 10)
    call = await the_call(store)
    assert (call.number_kind, call.number_index, call.number) == (NumberKind.GIVEN, None, None)
    assert (await the_contact(store)).number_index is None
