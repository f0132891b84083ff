"""A contact from the answer to the end of its writing-up, as the pump tells of it; and what is known of a caller.

All of it idempotent: the same answer may be told live, from the PBX's journal, or twice. Everything runs in the
caller's transaction, so that facts and contacts are committed together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts.viewer import Viewer
from service.audit.model import Action
from service.audit.use_cases import Act, append
from service.cases import queries
from service.cases.model import Case, CaseNumber, CaseStatus, Contact, ContactParticipant
from service.cases.schemas import ContactState, Known, KnownCase
from service.keys import Keyring
from service.store.sql import insert_once


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


async def open_contact(
    session: AsyncSession,
    keyring: Keyring,
    *,
    pbx: str,
    call_id: str,
    account_id: int | None,
    number: str | None,
    line: str,
    at: datetime,
    centre: str | None = None,
) -> OpenedContact:
    """The contact of an answered call, on a draft case; the one that is there when the call was answered before.

    `account_id`: the listener; none where a centre's telephone answered. `number`: E.164; none: anonymous. `centre`:
    whose person answered: the draft belongs to it; none: the national team. A second listener becomes a second
    participant. Whoever answers is no longer in contact with their earlier callers.
    """
    contact = await queries.contact_of_call(session, pbx, call_id)
    new = False
    if contact is None:
        try:
            async with session.begin_nested():
                fresh = Contact(pbx=pbx, call_id=call_id, line=line, started_at=at, notes_version=0)
                contact = await _draft(session, keyring, fresh, number=number, centre=centre)
            new = True
        except IntegrityError:  # another process was told of the same answer, and was first
            contact = await queries.contact_of_call(session, pbx, call_id)
            if contact is None:
                raise
    if account_id is not None:
        await _join(session, contact.id, account_id, at)
    numbered = contact.number_index is not None
    return OpenedContact(contact_id=contact.id, case_id=contact.case_id, new=new, numbered=numbered)


async def _draft(
    session: AsyncSession, keyring: Keyring, contact: Contact, *, number: str | None, centre: str | None
) -> Contact:
    at = contact.started_at
    key, wrapped = keyring.new_data_key()
    case = Case(status=CaseStatus.DRAFT, centre=centre, opened_at=at, last_contact_at=at, wrapped_key=wrapped)
    session.add(case)
    await session.flush()
    contact.case_id = case.id
    if number is not None:
        contact.number_index = keyring.blind_index(number)
        sealed = key.seal(number, number_context(case.id))
        session.add(CaseNumber(case_id=case.id, number_index=contact.number_index, sealed=sealed, first_at=at))
    session.add(contact)
    await session.flush()
    return contact


async def _join(session: AsyncSession, contact_id: int, account_id: int, at: datetime) -> None:
    """An answer told late, after the listener took another call, does not bring them back into contact."""
    gone = await queries.answered_later(session, account_id, at)
    row = {
        "contact_id": contact_id,
        "account_id": account_id,
        "joined_at": at,
        "released_at": at if gone else None,
    }
    if not await insert_once(session, ContactParticipant, [row], keys=["contact_id", "account_id"]):
        await queries.join_again(session, contact_id, account_id, at)
    await queries.release(session, account_id, at, keep_contact=contact_id)


async def end_contact(session: AsyncSession, *, pbx: str, call_id: str, at: datetime) -> int | None:
    """The call is over; writing goes on. The contact's id where that is news, to be published."""
    return await queries.mark_ended(session, pbx, call_id, at)


async def end_writing(session: AsyncSession, account_id: int, at: datetime) -> Sequence[int]:
    """The listener ended their writing-up: no longer in contact. Ids of the contacts left."""
    return await queries.release(session, account_id, at)


async def contact_state(session: AsyncSession, contact_id: int) -> ContactState | None:
    """A contact as the live feed shows it: nothing that was written."""
    found = await queries.contact_with_case(session, contact_id)
    if found is None:
        return None
    contact, case = found
    names = await queries.listener_names(session, [contact_id])
    return state_of(contact, case, names.get(contact_id))


def state_of(contact: Contact, case: Case, listener_name: str | None) -> ContactState:
    """As the wire has it."""
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
        listener_name=listener_name,
    )


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
