"""Contacts and cases for the listener's page."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web

from service.accounts.rights import Right
from service.audit.model import Action
from service.cases import editing, naming, queries
from service.cases.schemas import (
    CaseNames,
    CaseOut,
    CasesFound,
    CaseState,
    ContactOut,
    DiscardIn,
    KeepIn,
    Known,
    LinkIn,
    NamesIn,
    NotesConflict,
    NotesIn,
    NotesSaved,
    SearchIn,
    ShieldIn,
    StoredNotes,
)
from service.errors import Conflict, Forbidden, NotFound, TooMany, Unfit
from service.http.keys import CLOCK, KEYRING, OPTIONS, PUBLISH, STORE, THROTTLE, ContactChanged, KnownChanged
from service.http.routing import Reach, RouteTable, Visit

routes = RouteTable("cases", schemas=[Known])
#: cases, contacts: what somebody at work reads. Notes are typed, and saved, without waiting for any of it
_READS_A_MINUTE: Final = 120

_NO_CONTACT = (NotFound, "contact-unknown")
_NO_CASE = (NotFound, "case-unknown")
_OF_ANOTHER = (Forbidden, "contact-of-another")
_DISCARDED = (Conflict, "case-discarded")
_DECIDED = (Conflict, "case-decided")


@routes.get(
    "/contacts/{contact_id}",
    right=Right.READ_CASES,
    response=ContactOut,
    reach=Reach.CASES,
    audits=(Action.CONTACT_READ,),
    per_minute=_READS_A_MINUTE,
    in_contact=True,
    fails=[_NO_CONTACT],
)
async def contact(visit: Visit) -> ContactOut:
    """A contact with its notes."""
    app = visit.app
    async with app[STORE].transaction() as session:
        return await editing.read_contact(session, app[KEYRING], visit.viewer, visit.number("contact_id"), app[CLOCK]())


@routes.get(
    "/calls/{call_id}/contact",
    right=Right.READ_CASES,
    response=ContactOut,
    reach=Reach.CASES,
    audits=(Action.CONTACT_READ,),
    per_minute=_READS_A_MINUTE,
    in_contact=True,
    fails=[_NO_CONTACT],
)
async def contact_of_call(visit: Visit) -> ContactOut:
    """The contact of a call that one took."""
    app = visit.app
    async with app[STORE].transaction() as session:
        return await editing.read_contact_of_call(
            session, app[KEYRING], visit.viewer, visit.word("call_id"), app[CLOCK]()
        )


@routes.change(
    "PUT",
    "/contacts/{contact_id}/notes",
    right=Right.WRITE_CASES,
    body=NotesIn,
    response=NotesSaved,
    conflict=NotesConflict,
    reach=Reach.CASES,
    audits=(Action.NOTES_SAVED,),
    audits_also=(Action.CONTACT_READ,),
    in_contact=True,
    fails=[
        _NO_CONTACT,
        _OF_ANOTHER,
        (Conflict, "notes-changed-elsewhere"),
        _DISCARDED,
        (TooMany, "asked-too-often"),
    ],
)
async def save_notes(visit: Visit[NotesIn]) -> NotesSaved:
    """Save the notes of a contact: answered once they are committed."""
    app, contact_id = visit.app, visit.number("contact_id")
    async with app[STORE].transaction() as session:
        result = await editing.save_notes(
            session,
            app[KEYRING],
            visit.viewer,
            contact_id,
            text=visit.body.text,
            version=visit.body.version,
            at=app[CLOCK](),
        )
        if isinstance(result, StoredNotes):  # to save has no limit; to be shown what is stored instead is to read
            app[THROTTLE].take(visit.viewer.session_id, "stored notes", _READS_A_MINUTE, time.monotonic())
    if isinstance(result, StoredNotes):
        raise Conflict(
            "notes-changed-elsewhere",
            "These notes were changed elsewhere: compare both texts, then save again.",
            details={"stored": result.model_dump(mode="json")},
        )
    app[PUBLISH](ContactChanged(contact_id=contact_id))
    return result


@routes.change(
    "POST",
    "/contacts/{contact_id}/case",
    right=Right.WRITE_CASES,
    body=LinkIn,
    response=ContactOut,
    reach=Reach.CASES,
    audits=(Action.CONTACT_LINKED, Action.CONTACT_READ),
    audits_also=(Action.NAMES_SAVED,),
    per_minute=_READS_A_MINUTE,
    fails=[_NO_CONTACT, _NO_CASE, _OF_ANOTHER, _DISCARDED, _DECIDED, (Conflict, "names-too-long")],
)
async def link_contact(visit: Visit[LinkIn]) -> ContactOut:
    """Put a contact on a known case."""
    app, contact_id, now = visit.app, visit.number("contact_id"), visit.app[CLOCK]()
    async with app[STORE].transaction() as session:
        await editing.link(session, app[KEYRING], visit.viewer, contact_id, case_id=visit.body.case_id, at=now)
        shown = await editing.read_contact(session, app[KEYRING], visit.viewer, contact_id, now)
    app[PUBLISH](KnownChanged(contact_id=contact_id))
    return shown


@routes.change(
    "PUT",
    "/contacts/{contact_id}/shield",
    right=Right.WRITE_CASES,
    body=ShieldIn,
    response=ShieldIn,
    reach=Reach.CASES,
    audits=(Action.NUMBER_SHIELDED,),
    audits_also=(Action.NUMBER_UNSHIELDED,),
    fails=[_NO_CONTACT, _OF_ANOTHER, (Conflict, "contact-without-number")],
)
async def shield_number(visit: Visit[ShieldIn]) -> ShieldIn:
    """Say whether the accused may use the caller's number too."""
    app, contact_id = visit.app, visit.number("contact_id")
    async with app[STORE].transaction() as session:
        await editing.shield(
            session, app[KEYRING], visit.viewer, contact_id, shielded=visit.body.shielded, at=app[CLOCK]()
        )
        seen = await queries.contact_for(session, visit.viewer, contact_id)
    index = seen.contact.number_index if seen is not None else None
    app[PUBLISH](KnownChanged(contact_id=contact_id, shielded=index if visit.body.shielded else None))
    if index is not None:
        async with app[STORE].reading() as session:  # after the commit: who answered meanwhile is among them
            others = await queries.contacts_in_hand(session, index)
        for other in set(others) - {contact_id}:
            app[PUBLISH](ContactChanged(contact_id=other))
    return visit.body


@routes.get(
    "/cases/{case_id}",
    right=Right.READ_CASES,
    response=CaseOut,
    reach=Reach.CASES,
    audits=(Action.CASE_READ,),
    per_minute=_READS_A_MINUTE,
    fails=[_NO_CASE],
)
async def case(visit: Visit) -> CaseOut:
    """A case with the list of its contacts."""
    app = visit.app
    async with app[STORE].transaction() as session:
        return await editing.read_case(session, app[KEYRING], visit.viewer, visit.number("case_id"), app[CLOCK]())


@routes.change(
    "POST",
    "/cases/search",
    right=Right.READ_CASES,
    body=SearchIn,
    response=CasesFound,
    reach=Reach.CASES,
    audits=(Action.CASE_SEARCHED, Action.CASE_SHOWN),
    per_minute=60,
    fails=[(Unfit, "reference-unfit"), (Unfit, "name-without-words")],
)
async def search_cases(visit: Visit[SearchIn]) -> CasesFound:
    """Cases by reference, department, status, dates or name. A POST, so that no name stays in an address."""
    app = visit.app
    async with app[STORE].transaction() as session:
        return await naming.search(
            session,
            app[KEYRING],
            visit.viewer,
            visit.body,
            at=app[CLOCK](),
            timezone=ZoneInfo(app[OPTIONS].timezone),
        )


@routes.change(
    "PUT",
    "/cases/{case_id}/names",
    right=Right.WRITE_CASES,
    body=NamesIn,
    response=CaseNames,
    reach=Reach.CASES,
    audits=(Action.NAMES_SAVED,),
    fails=[_NO_CASE, _OF_ANOTHER, _DISCARDED],
)
async def save_names(visit: Visit[NamesIn]) -> CaseNames:
    """Say what the caller chose to be called, and who the person concerned is; null: not known."""
    app = visit.app
    names = CaseNames(caller=visit.body.caller, person_concerned=visit.body.person_concerned)
    async with app[STORE].transaction() as session:
        return await editing.save_names(
            session, app[KEYRING], visit.viewer, visit.number("case_id"), names=names, at=app[CLOCK]()
        )


@routes.change(
    "POST",
    "/cases/{case_id}/keep",
    right=Right.WRITE_CASES,
    body=KeepIn,
    response=CaseState,
    reach=Reach.CASES,
    audits=(Action.CASE_KEPT,),
    fails=[_NO_CASE, _OF_ANOTHER, _DECIDED],
)
async def keep_case(visit: Visit[KeepIn]) -> CaseState:
    """Make a draft a case, with a reference."""
    app, case_id = visit.app, visit.number("case_id")
    async with app[STORE].transaction() as session:
        state = await editing.keep(
            session,
            app[KEYRING],
            visit.viewer,
            case_id,
            department=visit.body.department,
            at=app[CLOCK](),
            timezone=ZoneInfo(app[OPTIONS].timezone),
        )
        contacts = await queries.contact_ids_of_case(session, case_id)
    _publish(app, contacts)
    return state


@routes.change(
    "POST",
    "/cases/{case_id}/discard",
    right=Right.WRITE_CASES,
    body=DiscardIn,
    response=CaseState,
    reach=Reach.CASES,
    audits=(Action.CASE_DISCARDED,),
    fails=[_NO_CASE, _OF_ANOTHER, _DECIDED],
)
async def discard_case(visit: Visit[DiscardIn]) -> CaseState:
    """Erase a draft that was no case; counts stay."""
    app, case_id = visit.app, visit.number("case_id")
    async with app[STORE].transaction() as session:
        state = await editing.discard(
            session, app[KEYRING], visit.viewer, case_id, reason=visit.body.reason, at=app[CLOCK]()
        )
        contacts = await queries.contact_ids_of_case(session, case_id)
    _publish(app, contacts)
    return state


def _publish(app: web.Application, contact_ids: Iterable[int]) -> None:
    for contact_id in contact_ids:
        app[PUBLISH](KnownChanged(contact_id=contact_id))
