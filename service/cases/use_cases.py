"""A contact from the answer to the end of its writing-up, as the pump tells of it; and what is known of a caller.

All of it idempotent: the same answer may be told live, from the PBX's journal, or twice. Everything runs in the
caller's transaction, so that facts and contacts are committed together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts.viewer import Viewer
from service.audit.model import Action
from service.audit.use_cases import Act, append
from service.cases import queries
from service.cases.model import Case, CaseNumber, CaseStatus, Contact
from service.cases.queries import Joined
from service.cases.schemas import ContactState, Known, KnownCase
from service.keys import Keyring


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Somebody took a call.

    `account_id`: the listener; None where a centre's telephone answered. `number`: E.164; None: anonymous. `centre`:
    whose person answered: the draft belongs to it; None: the national team.
    """

    call_id: str
    account_id: int | None
    number: str | None
    line: str
    at: datetime
    centre: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedContact:
    """`new`: this answer was the first that we heard of. `numbered`: its case has the caller's number."""

    contact_id: int
    case_id: int
    new: bool
    numbered: bool


def number_context(case_id: int) -> str:
    """What a caller's number is sealed as in a case."""
    return f"case:{case_id}:number"


async def open_contacts(
    session: AsyncSession, keyring: Keyring, pbx: str, answers: Sequence[Answer]
) -> list[OpenedContact]:
    """The contact of each answered call, on a draft case; the one that is there when it was answered before.

    A second listener becomes a second participant. Whoever answers is no longer in contact with their earlier callers.
    As many statements for many answers as for one: after a gap there are thousands.
    """
    contacts = await queries.contacts_of_calls(session, pbx, {answer.call_id for answer in answers})
    known = set(contacts)
    while missing := [answer for answer in _first_of_each(answers) if answer.call_id not in contacts]:
        try:
            async with session.begin_nested():
                contacts |= await _drafts(session, keyring, pbx, missing)
        except IntegrityError:  # another process was told of one of them, and was first
            there = await queries.contacts_of_calls(session, pbx, {answer.call_id for answer in missing})
            if not there:
                raise
            contacts |= there
            known |= set(there)
    await _join(session, contacts, answers)
    return [_opened(contacts[answer.call_id], known) for answer in answers]


def _first_of_each(answers: Sequence[Answer]) -> list[Answer]:
    first: dict[str, Answer] = {}
    for answer in answers:
        first.setdefault(answer.call_id, answer)
    return list(first.values())


def _opened(contact: Contact, known: Collection[str]) -> OpenedContact:
    return OpenedContact(
        contact_id=contact.id,
        case_id=contact.case_id,
        new=contact.call_id not in known,
        numbered=contact.number_index is not None,
    )


async def _drafts(session: AsyncSession, keyring: Keyring, pbx: str, answers: Sequence[Answer]) -> dict[str, Contact]:
    made: dict[str, Contact] = {}
    drafts = [(answer, *keyring.new_data_key()) for answer in answers]
    cases = [
        Case(
            status=CaseStatus.DRAFT,
            centre=answer.centre,
            opened_at=answer.at,
            last_contact_at=answer.at,
            wrapped_key=wrapped,
        )
        for answer, _, wrapped in drafts
    ]
    session.add_all(cases)
    await session.flush()
    for (answer, key, _), case in zip(drafts, cases, strict=True):
        contact = Contact(
            pbx=pbx, call_id=answer.call_id, line=answer.line, started_at=answer.at, notes_version=0, case_id=case.id
        )
        if answer.number is not None:
            contact.number_index = keyring.blind_index(answer.number)
            sealed = key.seal(answer.number, number_context(case.id))
            number = CaseNumber(case_id=case.id, number_index=contact.number_index, sealed=sealed, first_at=answer.at)
            session.add(number)
        session.add(contact)
        made[answer.call_id] = contact
    await session.flush()
    return made


async def _join(session: AsyncSession, contacts: Mapping[str, Contact], answers: Sequence[Answer]) -> None:
    """An answer told late, after the listener took another call, does not bring them back into contact."""
    joined = sorted(
        (
            Joined(contacts[answer.call_id].id, answer.account_id, answer.at)
            for answer in answers
            if answer.account_id is not None
        ),
        key=lambda join: (join.account_id, join.at),  # always in order, so that no two wait for each other
    )
    if joined:
        latest = await queries.last_answers(session, {join.account_id for join in joined})
        await queries.join(session, joined, latest)


async def end_contacts(session: AsyncSession, pbx: str, ends: Mapping[str, datetime]) -> None:
    """The calls are over (call id → when); writing goes on."""
    await queries.mark_ended(session, pbx, ends)


async def end_writing(session: AsyncSession, account_id: int, at: datetime) -> Sequence[int]:
    """The listener ended their writing-up: no longer in contact. Ids of the contacts left."""
    return await queries.release(session, account_id, at)


async def contact_state(session: AsyncSession, contact_id: int) -> ContactState | None:
    """A contact as the live feed shows it: nothing that was written."""
    found = await queries.contact_with_case(session, contact_id)
    if found is None:
        return None
    contact, case = found
    return await state_of(session, contact, case)


async def state_of(session: AsyncSession, contact: Contact, case: Case) -> ContactState:
    """As the wire has it."""
    names = await queries.listener_names(session, [contact.id])
    return ContactState(
        contact_id=contact.id,
        call_id=contact.call_id,
        case_id=case.id,
        case_reference=case.reference,
        case_status=case.status,
        notes_version=contact.notes_version,
        saved_at=contact.notes_saved_at,
        started_at=contact.started_at,
        ended_at=contact.ended_at,
        listener_name=names.get(contact.id),
        known_hidden=await _hides_known(session, contact),
    )


async def _hides_known(session: AsyncSession, contact: Contact) -> bool:
    if contact.number_index is None or contact.speaker_confirmed_at is not None:
        return False
    return await queries.is_shielded(session, contact.number_index)


# --- what is known of a caller ----------------------------------------------------------------------------------------


async def known(
    session: AsyncSession, number_index: str | None, *, account_id: int | None, call_id: str, confirmed: bool = False
) -> Known:
    """What is known about the number of a call that is offered to, or with, this listener (none: not yet to anybody).

    Nothing of a shielded number until `confirmed`; nothing of a case closed to the listener; not this call itself.
    """
    if number_index is None:
        return Known(number="anonymous", shielded=False, contacts=0, last_contact_at=None, cases=[])
    shielded = await queries.is_shielded(session, number_index)
    if shielded and not confirmed:
        return Known(number="known", shielded=True, contacts=0, last_contact_at=None, cases=[])
    count, last = await queries.contacts_of_number(session, number_index, account_id, call_id)
    cases = await queries.cases_of_number(session, number_index, account_id, except_draft_of=call_id)
    return Known(
        number="known" if count or cases else "unknown",
        shielded=shielded,
        contacts=count,
        last_contact_at=last,
        cases=[
            KnownCase(
                case_id=case.id,
                reference=case.reference,
                status=case.status,
                department=case.department,
                opened_at=case.opened_at,
                last_contact_at=case.last_contact_at,
            )
            for case in cases
        ],
    )


async def audit_offer(session: AsyncSession, keyring: Keyring, shown: Known, *, account_id: int, at: datetime) -> None:
    """The cases in it were shown to the listener."""
    acts = [Act(action=Action.CASE_SHOWN, subject="case", subject_id=case.case_id) for case in shown.cases]
    await append(session, keyring, acts, account_id=account_id, at=at)


async def show_known(
    session: AsyncSession,
    keyring: Keyring,
    viewer: Viewer,
    *,
    call_id: str,
    number_index: str | None,
    confirmed: bool,
    at: datetime,
) -> Known:
    """`known` for somebody who asks: on the audit trail, with their word on who is speaking where they gave it."""
    shown = await known(session, number_index, account_id=viewer.account_id, call_id=call_id, confirmed=confirmed)
    if confirmed and shown.shielded:
        seen = await queries.contact_of_call_for(session, viewer, call_id)
        if seen is not None:
            seen.contact.speaker_confirmed_at = at
        act = Act(action=Action.SPEAKER_CONFIRMED, subject="call", subject_id=call_id)
        await append(session, keyring, [act], account_id=viewer.account_id, at=at)
    await audit_offer(session, keyring, shown, account_id=viewer.account_id, at=at)
    return shown
