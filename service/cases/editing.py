"""What people do with contacts and cases: read, write notes, keep, discard, link, shield; one transaction each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts.viewer import Viewer
from service.audit.model import Action
from service.audit.use_cases import Act, append
from service.calls import queries as calls
from service.cases import naming, queries
from service.cases.model import (
    Case,
    CaseNumber,
    CaseStatus,
    Contact,
    ContactParticipant,
    DiscardReason,
    ReferenceCounter,
    ShieldedNumber,
)
from service.cases.queries import Seen
from service.cases.schemas import CaseNames, CaseOut, CaseState, ContactOut, ContactSummary, NotesSaved, StoredNotes
from service.cases.use_cases import number_context, state_of
from service.errors import Conflict, Forbidden, NotFound
from service.keys import DataKey, Keyring
from service.store.sql import count_up, insert_once

#: between two saves of one author: longer, and old words are rewritten rather than new ones written
_SAME_SITTING: Final = timedelta(minutes=15)


def _notes_context(contact_id: int) -> str:
    return f"contact:{contact_id}:notes"


async def read_contact(
    session: AsyncSession, keyring: Keyring, viewer: Viewer, contact_id: int, at: datetime
) -> ContactOut:
    """A contact with its notes; on the audit trail."""
    seen = await queries.contact_for(session, viewer, contact_id)
    return await _read(session, keyring, viewer, seen, at)


async def read_contact_of_call(
    session: AsyncSession, keyring: Keyring, viewer: Viewer, call_id: str, at: datetime
) -> ContactOut:
    """The same, found by the call: for a page that knew the call before the contact."""
    seen = await queries.contact_of_call_for(session, viewer, call_id)
    return await _read(session, keyring, viewer, seen, at)


async def _read(session: AsyncSession, keyring: Keyring, viewer: Viewer, seen: Seen | None, at: datetime) -> ContactOut:
    if seen is None:
        raise _no_contact()
    state = await state_of(session, seen.contact, seen.case)
    shown = ContactOut(**state.model_dump(), notes=_notes(keyring, seen.contact, seen.case))
    act = Act(action=Action.CONTACT_READ, subject="contact", subject_id=seen.contact.id)
    await append(session, keyring, [act], account_id=viewer.account_id, at=at)
    return shown


async def read_case(session: AsyncSession, keyring: Keyring, viewer: Viewer, case_id: int, at: datetime) -> CaseOut:
    """A case with the list of its contacts; on the audit trail."""
    case = await queries.case_for(session, viewer, case_id)
    if case is None:
        raise _no_case()
    contacts = [seen.contact for seen in await queries.contacts_of_case_for(session, viewer, case_id)]
    names = await queries.listener_names(session, [contact.id for contact in contacts])
    shown = CaseOut(
        case_id=case.id,
        reference=case.reference,
        status=case.status,
        department=case.department,
        centre=case.centre,
        opened_at=case.opened_at,
        last_contact_at=case.last_contact_at,
        names=await naming.names_of(session, _key(keyring, case), case.id),
        contacts=[
            ContactSummary(
                contact_id=contact.id,
                call_id=contact.call_id,
                started_at=contact.started_at,
                ended_at=contact.ended_at,
                listener_name=names.get(contact.id),
                has_notes=contact.notes is not None,
            )
            for contact in contacts
        ],
    )
    act = Act(action=Action.CASE_READ, subject="case", subject_id=case_id)
    await append(session, keyring, [act], account_id=viewer.account_id, at=at)
    return shown


async def save_notes(
    session: AsyncSession,
    keyring: Keyring,
    viewer: Viewer,
    contact_id: int,
    *,
    text: str,
    version: int,
    at: datetime,
) -> NotesSaved | StoredNotes:
    """Save, if `version` is the one that was changed; else what is stored comes back, and nothing is written.

    A save that is repeated because its answer got lost is a save. Saved means: once the transaction is committed.
    """
    contact, case, _ = await _writable(session, viewer, contact_id)
    if case.wrapped_key is None:
        raise Conflict("case-discarded", "This contact was discarded: nothing can be written in it any more.")
    key = keyring.unwrap(case.wrapped_key)
    if contact.notes_version != version:
        stored = _notes(keyring, contact, case)
        saved_at = contact.notes_saved_at or contact.started_at
        if contact.notes_version == version + 1 and stored == text:
            return NotesSaved(version=contact.notes_version, saved_at=saved_at)
        act = Act(action=Action.CONTACT_READ, subject="contact", subject_id=contact_id)
        await append(session, keyring, [act], account_id=viewer.account_id, at=at)
        return StoredNotes(version=contact.notes_version, saved_at=saved_at, text=stored)
    anew = await _writes_anew(session, viewer, contact, at)
    contact.notes = key.seal(text, _notes_context(contact.id))
    contact.notes_version += 1
    contact.notes_saved_at, contact.notes_saved_by = at, viewer.account_id
    if anew:
        act = Act(action=Action.NOTES_SAVED, subject="contact", subject_id=contact_id)
        await append(session, keyring, [act], account_id=viewer.account_id, at=at)
    return NotesSaved(version=contact.notes_version, saved_at=at)


async def _writes_anew(session: AsyncSession, viewer: Viewer, contact: Contact, at: datetime) -> bool:
    """Another author, or the same after their writing-up or a pause: on the trail. Not each save while they type."""
    last = contact.notes_saved_at
    if last is None or contact.notes_saved_by != viewer.account_id or abs(at - last) > _SAME_SITTING:
        return True
    part = await session.get(ContactParticipant, (contact.id, viewer.account_id))
    return part is not None and part.released_at is not None and part.released_at > last


async def save_names(
    session: AsyncSession, keyring: Keyring, viewer: Viewer, case_id: int, *, names: CaseNames, at: datetime
) -> CaseNames:
    """Say what the caller chose to be called, and who the person concerned is."""
    case = await _decidable(session, viewer, case_id)
    key = _key(keyring, case)
    if key is None:
        raise Conflict("case-discarded", "This case was discarded: nothing can be written in it any more.")
    await naming.put_names(session, keyring, key, case_id, names)
    act = Act(action=Action.NAMES_SAVED, subject="case", subject_id=case_id)
    await append(session, keyring, [act], account_id=viewer.account_id, at=at)
    return names


async def keep(
    session: AsyncSession,
    keyring: Keyring,
    viewer: Viewer,
    case_id: int,
    *,
    department: str,
    at: datetime,
    timezone: ZoneInfo,
) -> CaseState:
    """The draft becomes a case, with the next reference of the year and department. Twice is once."""
    case = await _decidable(session, viewer, case_id)
    if case.status is CaseStatus.OPEN and case.department == department:
        return _state(case)
    if case.status is not CaseStatus.DRAFT:
        raise Conflict("case-decided", "This case was kept or discarded already: read it again.")
    year = at.astimezone(timezone).year
    number = await count_up(session, ReferenceCounter, {"year": year, "department": department}, "last")
    case.status, case.department, case.kept_at = CaseStatus.OPEN, department, at
    case.reference = f"{year}-{department}-{number:05}"
    act = Act(action=Action.CASE_KEPT, subject="case", subject_id=case_id)
    await append(session, keyring, [act], account_id=viewer.account_id, at=at)
    return _state(case)


async def discard(
    session: AsyncSession, keyring: Keyring, viewer: Viewer, case_id: int, *, reason: DiscardReason, at: datetime
) -> CaseState:
    """The draft was no case: its key, notes and numbers are erased, counts stay. Twice is once."""
    case = await _decidable(session, viewer, case_id)
    if case.status is CaseStatus.DISCARDED:
        return _state(case)
    contacts = [seen.contact for seen in await queries.contacts_of_case_for(session, viewer, case_id)]
    if case.status is not CaseStatus.DRAFT or len(await queries.contact_ids_of_case(session, case_id)) != 1:
        raise Conflict("case-decided", "Only the draft of a single contact can be discarded: this is a case already.")
    case.status, case.discard_reason, case.discarded_at = CaseStatus.DISCARDED, reason, at
    case.wrapped_key = None
    await session.flush()
    await queries.forget_numbers(session, case_id)
    await queries.forget_name(session, case_id)
    await queries.erase_contacts(session, case_id)
    await calls.forget_numbers(session, [contact.call_id for contact in contacts])
    act = Act(action=Action.CASE_DISCARDED, subject="case", subject_id=case_id)
    await append(session, keyring, [act], account_id=viewer.account_id, at=at)
    return _state(case)


async def link(
    session: AsyncSession, keyring: Keyring, viewer: Viewer, contact_id: int, *, case_id: int, at: datetime
) -> None:
    """The contact belongs to a known case: it moves there, re-encrypted with that case's key; its draft disappears."""
    contact, old, _ = await _writable(session, viewer, contact_id)
    if old.id == case_id:
        return
    locked = await queries.lock_cases(session, [old.id, case_id])
    if await queries.case_for(session, viewer, case_id) is None:  # or no more: a draft goes with its last contact
        raise _no_case()
    old, target = locked[old.id], locked[case_id]
    if old.wrapped_key is None or target.wrapped_key is None:
        raise Conflict("case-discarded", "One of the two was discarded meanwhile: read the contact again.")
    others = [other for other in await queries.contact_ids_of_case(session, old.id) if other != contact_id]
    if not others and old.status is not CaseStatus.DRAFT:
        raise Conflict("case-decided", "This contact was kept as a case of its own already.")
    old_key, new_key = keyring.unwrap(old.wrapped_key), keyring.unwrap(target.wrapped_key)
    if contact.notes is not None:
        context = _notes_context(contact.id)
        contact.notes = new_key.seal(old_key.open(contact.notes, context), context)
    await _take_number_along(session, contact, old_key, new_key, target)
    contact.case_id = target.id
    target.last_contact_at = max(target.last_contact_at, contact.started_at)
    await session.flush()
    acts = [
        Act(action=Action.CONTACT_LINKED, subject="contact", subject_id=contact_id),
        Act(action=Action.CONTACT_LINKED, subject="case", subject_id=old.id),
        Act(action=Action.CONTACT_LINKED, subject="case", subject_id=case_id),
    ]
    if not others:
        if await naming.take_names_along(session, keyring, (old.id, old_key), (target.id, new_key)):
            acts.append(Act(action=Action.NAMES_SAVED, subject="case", subject_id=case_id))
        await session.delete(old)
    await append(session, keyring, acts, account_id=viewer.account_id, at=at)


async def shield(
    session: AsyncSession, keyring: Keyring, viewer: Viewer, contact_id: int, *, shielded: bool, at: datetime
) -> None:
    """The accused may use this contact's number too (or not after all): what is known hides behind a question."""
    contact, _, _ = await _writable(session, viewer, contact_id)
    if contact.number_index is None:
        raise Conflict("contact-without-number", "This caller gave no number: there is nothing to shield.")
    row = await session.get(ShieldedNumber, contact.number_index)
    if shielded and row is None:
        values = {"number_index": contact.number_index, "shielded_at": at, "shielded_by": viewer.account_id}
        await insert_once(session, ShieldedNumber, [values], keys=["number_index"])
    elif not shielded and row is not None:
        await session.delete(row)
    action = Action.NUMBER_SHIELDED if shielded else Action.NUMBER_UNSHIELDED
    act = Act(action=action, subject="contact", subject_id=contact_id)
    await append(session, keyring, [act], account_id=viewer.account_id, at=at)


async def _take_number_along(
    session: AsyncSession, contact: Contact, old_key: DataKey, new_key: DataKey, target: Case
) -> None:
    if contact.number_index is None:
        return
    row = await session.get(CaseNumber, (contact.case_id, contact.number_index))
    if row is None:
        return
    number = old_key.open(row.sealed, number_context(contact.case_id))
    values = {
        "case_id": target.id,
        "number_index": contact.number_index,
        "sealed": new_key.seal(number, number_context(target.id)),
        "first_at": row.first_at,
    }
    await insert_once(session, CaseNumber, [values], keys=["case_id", "number_index"])


async def _writable(session: AsyncSession, viewer: Viewer, contact_id: int) -> Seen:
    seen = await queries.contact_for(session, viewer, contact_id, lock=True)
    if seen is None:
        raise _no_contact()
    if not seen.writable:
        raise Forbidden("contact-of-another", "Only who took part in this contact may write in it.")
    return seen


async def _decidable(session: AsyncSession, viewer: Viewer, case_id: int) -> Case:
    """The case, locked with its contacts, for somebody who may write in one of them."""
    await queries.lock_contacts(session, await queries.contact_ids_of_case(session, case_id))
    seen = await queries.contacts_of_case_for(session, viewer, case_id)
    if not seen:
        raise _no_case()
    if not any(contact.writable for contact in seen):
        raise Forbidden("contact-of-another", "Only who took part in this contact may decide on its draft.")
    return (await queries.lock_cases(session, [case_id]))[case_id]


def _notes(keyring: Keyring, contact: Contact, case: Case) -> str:
    if contact.notes is None or case.wrapped_key is None:
        return ""
    return keyring.unwrap(case.wrapped_key).open(contact.notes, _notes_context(contact.id))


def _key(keyring: Keyring, case: Case) -> DataKey | None:
    """None: erased."""
    return None if case.wrapped_key is None else keyring.unwrap(case.wrapped_key)


def _state(case: Case) -> CaseState:
    return CaseState(case_id=case.id, reference=case.reference, status=case.status, department=case.department)


def _no_contact() -> NotFound:
    return NotFound("contact-unknown", "There is no such contact, or it is not yours to see.")


def _no_case() -> NotFound:
    return NotFound("case-unknown", "There is no such case, or it is not yours to see.")
