"""From the answer to the end of writing, as the pump tells of it; and what is known of a caller."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from service.accounts.rights import Role
from service.accounts.viewer import Viewer
from service.audit import queries as audit
from service.cases import editing, queries, use_cases
from service.cases.model import Case, CaseClosedTo, CaseNumber, CaseStatus, Contact, ContactParticipant, DiscardReason
from service.cases.schemas import Known
from service.cases.use_cases import OpenedContact
from service.keys import Keyring
from service.store.engine import Store
from tests.integration.store.conftest import NOW, Hire
from tests.support.contacts import open_contact

CALLER = "+33639980101"
LINE = "+33199003133"
SOON = timedelta(minutes=1)


async def answer(
    store: Store,
    keyring: Keyring,
    listener: Viewer | None,
    *,
    call_id: str = "",
    number: str | None = CALLER,
    at: datetime = NOW,
    centre: str | None = None,
) -> OpenedContact:
    async with store.transaction() as session:
        return await open_contact(
            session,
            keyring,
            pbx="pbx1",
            call_id=call_id or str(uuid4()),
            account_id=None if listener is None else listener.account_id,
            number=number,
            line=LINE,
            at=at,
            centre=centre,
        )


async def look_up(
    store: Store, keyring: Keyring, listener: Viewer | None, *, number: str | None = CALLER, call_id: str = "next"
) -> Known:
    index = None if number is None else keyring.blind_index(number)
    async with store.reading() as session:
        return await use_cases.known(
            session, index, account_id=None if listener is None else listener.account_id, call_id=call_id
        )


async def counts(store: Store) -> tuple[int, int]:
    async with store.reading() as session:
        contacts = await session.scalar(select(func.count()).select_from(Contact))
        cases = await session.scalar(select(func.count()).select_from(Case))
    return contacts or 0, cases or 0


async def participants(store: Store, contact_id: int) -> Sequence[ContactParticipant]:
    async with store.reading() as session:
        return (
            await session.scalars(
                select(ContactParticipant)
                .where(ContactParticipant.contact_id == contact_id)
                .order_by(ContactParticipant.joined_at)
            )
        ).all()


# --- one answered call, one contact -----------------------------------------------------------------------------------


async def test_an_answered_call_gets_one_contact_on_one_draft_case(store: Store, keyring: Keyring, hire: Hire) -> None:
    lise = await hire("lise", Role.LISTENER)
    opened = await answer(store, keyring, lise)
    async with store.reading() as session:
        state = await use_cases.contact_state(session, opened.contact_id)
    assert opened.new
    assert state is not None
    assert (state.case_id, state.case_status, state.case_reference) == (opened.case_id, CaseStatus.DRAFT, None)
    assert (state.notes_version, state.listener_name, state.ended_at) == (0, "Lise", None)


async def test_the_same_answer_told_again_changes_nothing(store: Store, keyring: Keyring, hire: Hire) -> None:
    lise = await hire("lise", Role.LISTENER)
    first = await answer(store, keyring, lise, call_id="call-1")
    second = await answer(store, keyring, lise, call_id="call-1")
    assert (second.contact_id, second.case_id, second.new) == (first.contact_id, first.case_id, False)
    assert await counts(store) == (1, 1)
    assert len(await participants(store, first.contact_id)) == 1


async def test_the_same_answer_told_by_many_at_once_makes_one_contact(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    lise = await hire("lise", Role.LISTENER)
    opened = await asyncio.gather(*(answer(store, keyring, lise, call_id="call-1") for _ in range(8)))
    assert len({one.contact_id for one in opened}) == 1
    assert sum(one.new for one in opened) == 1
    assert await counts(store) == (1, 1)


async def test_a_call_answered_again_by_another_listener_keeps_its_contact_and_gets_a_second_participant(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    lise, paul = await hire("lise", Role.LISTENER), await hire("paul", Role.LISTENER)
    first = await answer(store, keyring, lise, call_id="call-1")
    again = await answer(store, keyring, paul, call_id="call-1", at=NOW + SOON)
    assert again.contact_id == first.contact_id
    rows = await participants(store, first.contact_id)
    assert [row.account_id for row in rows] == [lise.account_id, paul.account_id]
    async with store.reading() as session:
        state = await use_cases.contact_state(session, first.contact_id)
    assert state is not None
    assert state.listener_name == "Paul"


#: call, who answered, seconds: two callers in turn, one of them twice, a colleague, and an answer that comes late
_ANSWERS = [("c1", 0, 10), ("c2", 0, 30), ("c3", 1, 20), ("c1", 0, 50), ("c3", 0, 60), ("c4", 1, 5), ("c5", 1, 70)]


async def test_answers_that_are_told_together_leave_what_they_leave_one_by_one(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    left: list[set[tuple[str, int, float, float | None]]] = []
    for pbx, at_once in (("pbx1", 1), ("pbx2", 3), ("pbx3", len(_ANSWERS))):
        people = [(await hire(f"{name}-{pbx}", Role.LISTENER)).account_id for name in ("lise", "paul")]
        told = _ANSWERS if at_once == len(_ANSWERS) else sorted(_ANSWERS, key=lambda answer: answer[2])
        answers = [
            use_cases.Answer(
                call_id=call, account_id=people[who], number=CALLER, line=LINE, at=NOW + timedelta(seconds=seconds)
            )
            for call, who, seconds in told
        ]
        for start in range(0, len(answers), at_once):
            async with store.transaction() as session:
                await use_cases.open_contacts(session, keyring, pbx, answers[start : start + at_once])
        async with store.reading() as session:
            rows = await session.execute(
                select(Contact.call_id, ContactParticipant)
                .join(Contact, Contact.id == ContactParticipant.contact_id)
                .where(Contact.pbx == pbx)
            )
            left.append(
                {
                    (
                        call,
                        people.index(row.account_id),
                        (row.joined_at - NOW).total_seconds(),
                        None if row.released_at is None else (row.released_at - NOW).total_seconds(),
                    )
                    for call, row in rows
                }
            )
    assert left[0] == left[1] == left[2]
    assert left[0] == {
        ("c1", 0, 50.0, 60.0),
        ("c2", 0, 30.0, 50.0),
        ("c3", 0, 60.0, None),
        ("c3", 1, 20.0, 70.0),
        ("c4", 1, 5.0, 20.0),
        ("c5", 1, 70.0, None),
    }


async def test_an_answer_that_is_told_after_a_later_one_brings_nobody_back(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    lise = await hire("lise", Role.LISTENER)
    early = await answer(store, keyring, lise, call_id="early", at=NOW)
    late = await answer(store, keyring, lise, call_id="late", at=NOW + timedelta(minutes=9))
    await answer(store, keyring, lise, call_id="early", at=NOW + timedelta(minutes=3))
    (before,) = await participants(store, early.contact_id)
    (now,) = await participants(store, late.contact_id)
    assert (before.joined_at, before.released_at) == (NOW + timedelta(minutes=3),) * 2
    assert now.released_at is None


async def test_of_two_answers_in_one_instant_the_listener_is_still_in_one(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    lise = await hire("lise", Role.LISTENER)
    answers = [
        use_cases.Answer(call_id=call, account_id=lise.account_id, number=None, line=LINE, at=NOW)
        for call in ("call-1", "call-2")
    ]
    async with store.transaction() as session:
        opened = await use_cases.open_contacts(session, keyring, "pbx1", answers)
    found = [await participants(store, one.contact_id) for one in opened]
    assert [row.released_at for (row,) in found] == [NOW, None]


async def test_batches_told_by_many_processes_at_once_make_each_contact_once(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    lise = await hire("lise", Role.LISTENER)

    async def tell(calls: Sequence[str]) -> list[OpenedContact]:
        answers = [
            use_cases.Answer(call_id=call, account_id=lise.account_id, number=CALLER, line=LINE, at=NOW)
            for call in calls
        ]
        async with store.transaction() as session:
            return await use_cases.open_contacts(session, keyring, "pbx1", answers)

    calls = [f"call-{n}" for n in range(6)]
    opened = await asyncio.gather(*(tell(calls[n:] if n % 2 else calls[: 6 - n]) for n in range(6)))
    assert sum(one.new for batch in opened for one in batch) == 6
    assert await counts(store) == (6, 6)


async def test_the_same_call_on_two_pbxs_is_two_calls(store: Store, keyring: Keyring) -> None:
    for pbx in ("pbx1", "pbx2"):
        async with store.transaction() as session:
            await open_contact(
                session, keyring, pbx=pbx, call_id="same", account_id=None, number=None, line=LINE, at=NOW
            )
    assert await counts(store) == (2, 2)


async def test_a_centre_s_telephone_answers_without_a_listener_and_the_draft_is_the_centre_s(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    opened = await answer(store, keyring, None, centre="centre-38")
    there = await hire("ines", Role.COORDINATOR, centre="centre-38")
    elsewhere = await hire("omar", Role.COORDINATOR, centre="centre-73")
    async with store.reading() as session:
        assert await queries.case_for(session, there, opened.case_id) is not None
        assert await queries.case_for(session, elsewhere, opened.case_id) is None
    assert await participants(store, opened.contact_id) == []


async def test_the_end_is_noted_however_often_it_is_told(store: Store, keyring: Keyring) -> None:
    opened = await answer(store, keyring, None, call_id="call-1")
    end = NOW + timedelta(hours=1)
    async with store.transaction() as session:
        for _ in range(2):
            await use_cases.end_contacts(session, "pbx1", {"call-1": end, "never-answered": end})
        state = await use_cases.contact_state(session, opened.contact_id)
    assert state is not None
    assert state.ended_at == end


# --- in contact, until the writing is ended ---------------------------------------------------------------------------


async def test_a_listener_is_in_contact_until_they_end_their_writing(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    lise = await hire("lise", Role.LISTENER)
    opened = await answer(store, keyring, lise)
    async with store.transaction() as session:
        assert await queries.current_contact_of(session, lise.account_id) == opened.contact_id
        assert list(await use_cases.end_writing(session, lise.account_id, NOW + SOON)) == [opened.contact_id]
        assert await queries.current_contact_of(session, lise.account_id) is None
        assert list(await use_cases.end_writing(session, lise.account_id, NOW + SOON)) == []


async def test_answering_the_next_call_ends_the_contact_before_it(store: Store, keyring: Keyring, hire: Hire) -> None:
    lise = await hire("lise", Role.LISTENER)
    first = await answer(store, keyring, lise, call_id="call-1")
    second = await answer(store, keyring, lise, call_id="call-2", at=NOW + SOON)
    assert [row.released_at is None for row in await participants(store, first.contact_id)] == [False]
    async with store.reading() as session:
        assert await queries.current_contact_of(session, lise.account_id) == second.contact_id


async def test_an_old_answer_told_late_does_not_bring_the_listener_back_into_it(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    lise = await hire("lise", Role.LISTENER)
    current = await answer(store, keyring, lise, call_id="call-2", at=NOW + SOON)
    late = await answer(store, keyring, lise, call_id="call-1", at=NOW)
    assert [row.released_at is None for row in await participants(store, late.contact_id)] == [False]
    async with store.transaction() as session:
        assert await queries.current_contact_of(session, lise.account_id) == current.contact_id
        await use_cases.end_writing(session, lise.account_id, NOW + 2 * SOON)
    again = await answer(store, keyring, lise, call_id="call-2", at=NOW + SOON)
    assert again.contact_id == current.contact_id
    for contact_id in (late.contact_id, current.contact_id):
        assert [row.released_at is None for row in await participants(store, contact_id)] == [False]


async def test_the_same_listener_back_after_a_crash_is_in_contact_again(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    lise = await hire("lise", Role.LISTENER)
    opened = await answer(store, keyring, lise, call_id="call-1")
    async with store.transaction() as session:
        await use_cases.end_writing(session, lise.account_id, NOW + SOON)
    await answer(store, keyring, lise, call_id="call-1", at=NOW + 2 * SOON)
    async with store.reading() as session:
        assert await queries.current_contact_of(session, lise.account_id) == opened.contact_id


# --- what is known of a caller ----------------------------------------------------------------------------------------


async def test_a_caller_without_a_number_is_anonymous_and_leaves_none(store: Store, keyring: Keyring) -> None:
    await answer(store, keyring, None, number=None)
    assert (await look_up(store, keyring, None, number=None)).number == "anonymous"
    async with store.reading() as session:
        assert (await session.scalars(select(CaseNumber))).all() == []


async def test_a_number_never_seen_is_unknown(store: Store, keyring: Keyring) -> None:
    await answer(store, keyring, None)
    shown = await look_up(store, keyring, None, number="+33639980102")
    assert (shown.number, shown.contacts, shown.cases) == ("unknown", 0, [])


async def test_a_number_used_before_leads_to_its_contacts_and_cases(store: Store, keyring: Keyring) -> None:
    first = await answer(store, keyring, None, call_id="call-1")
    second = await answer(store, keyring, None, call_id="call-2", at=NOW + SOON)
    shown = await look_up(store, keyring, None)
    assert (shown.number, shown.contacts, shown.last_contact_at) == ("known", 2, NOW + SOON)
    assert [case.case_id for case in shown.cases] == [second.case_id, first.case_id]


async def test_the_call_itself_is_not_an_earlier_contact(store: Store, keyring: Keyring) -> None:
    await answer(store, keyring, None, call_id="call-1")
    assert (await look_up(store, keyring, None, call_id="call-1")).number == "unknown"


async def test_the_number_itself_is_nowhere_in_clear(store: Store, keyring: Keyring) -> None:
    opened = await answer(store, keyring, None)
    async with store.reading() as session:
        row = (await session.scalars(select(CaseNumber))).one()
        case = await session.get_one(Case, opened.case_id)
    assert b"639980101" not in bytes(row.sealed)
    assert "639980101" not in row.number_index
    assert case.wrapped_key is not None
    key = keyring.unwrap(case.wrapped_key)
    assert key.open(row.sealed, use_cases.number_context(case.id)) == CALLER


async def test_a_shielded_number_tells_nothing_until_the_listener_confirms_who_is_speaking(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    lise = await hire("lise", Role.LISTENER)
    first = await answer(store, keyring, lise, call_id="call-1")
    async with store.transaction() as session:
        await editing.shield(session, keyring, lise, first.contact_id, shielded=True, at=NOW)
    shown = await look_up(store, keyring, lise)
    assert shown == Known(number="known", shielded=True, contacts=0, last_contact_at=None, cases=[])
    async with store.transaction() as session:
        confirmed = await use_cases.show_known(
            session,
            keyring,
            lise,
            call_id="next",
            number_index=keyring.blind_index(CALLER),
            confirmed=True,
            at=NOW,
        )
        trail = [entry.action for entry in await audit.entries(session)][-2:]
    assert confirmed.shielded
    assert [case.case_id for case in confirmed.cases] == [first.case_id]
    assert trail == ["speaker.confirmed", "case.shown"]


async def test_a_case_closed_to_a_volunteer_is_not_shown_to_them_on_ringing(
    store: Store, keyring: Keyring, hire: Hire
) -> None:
    lise, paul = await hire("lise", Role.LISTENER), await hire("paul", Role.LISTENER)
    first = await answer(store, keyring, lise, call_id="call-1")
    async with store.transaction() as session:
        session.add(CaseClosedTo(case_id=first.case_id, account_id=paul.account_id))
    assert (await look_up(store, keyring, paul)).number == "unknown"
    assert (await look_up(store, keyring, lise)).number == "known"
    async with store.reading() as session:
        index = keyring.blind_index(CALLER)
        assert await queries.closed_to_of_number(session, index) == {paul.account_id}


@pytest.mark.parametrize("shielded", [False, True])
async def test_a_discarded_contact_is_not_remembered(
    store: Store, keyring: Keyring, hire: Hire, shielded: bool
) -> None:
    lise = await hire("lise", Role.LISTENER)
    opened = await answer(store, keyring, lise)
    async with store.transaction() as session:
        if shielded:
            await editing.shield(session, keyring, lise, opened.contact_id, shielded=True, at=NOW)
        await editing.discard(session, keyring, lise, opened.case_id, reason=DiscardReason.HOAX, at=NOW)
    shown = await look_up(store, keyring, lise)
    assert (shown.number, shown.shielded) == ("unknown", False)
