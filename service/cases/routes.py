"""Contacts and cases for the listener's page."""

from __future__ import annotations

from collections.abc import Iterable
from zoneinfo import ZoneInfo

from aiohttp import web

from service.accounts.rights import Right
from service.cases import editing, queries
from service.cases.schemas import (
    CaseOut,
    CaseState,
    ContactOut,
    DiscardIn,
    KeepIn,
    Known,
    LinkIn,
    NotesConflict,
    NotesIn,
    NotesSaved,
    ShieldIn,
    StoredNotes,
)
from service.errors import Conflict
from service.http.keys import CLOCK, KEYRING, OPTIONS, PUBLISH, STORE, ContactChanged
from service.http.routing import RouteTable, Visit

routes = RouteTable("cases", schemas=[Known])


@routes.get("/contacts/{contact_id}", right=Right.READ_CASES, response=ContactOut)
async def contact(visit: Visit) -> ContactOut:
    """A contact with its notes."""
    app = visit.app
    async with app[STORE].transaction() as session:
        return await editing.read_contact(session, app[KEYRING], visit.viewer, visit.number("contact_id"), app[CLOCK]())


@routes.get("/calls/{call_id}/contact", right=Right.READ_CASES, response=ContactOut)
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
    if isinstance(result, StoredNotes):
        raise Conflict(
            "notes-changed-elsewhere",
            "These notes were changed elsewhere: compare both texts, then save again.",
            details={"stored": result.model_dump(mode="json")},
        )
    app[PUBLISH](ContactChanged(contact_id=contact_id))
    return result


@routes.change("POST", "/contacts/{contact_id}/case", right=Right.WRITE_CASES, body=LinkIn, response=ContactOut)
async def link_contact(visit: Visit[LinkIn]) -> ContactOut:
    """Put a contact on a known case."""
    app, contact_id, now = visit.app, visit.number("contact_id"), visit.app[CLOCK]()
    async with app[STORE].transaction() as session:
        await editing.link(session, app[KEYRING], visit.viewer, contact_id, case_id=visit.body.case_id, at=now)
        shown = await editing.read_contact(session, app[KEYRING], visit.viewer, contact_id, now)
    app[PUBLISH](ContactChanged(contact_id=contact_id))
    return shown


@routes.change("PUT", "/contacts/{contact_id}/shield", right=Right.WRITE_CASES, body=ShieldIn, response=ShieldIn)
async def shield_number(visit: Visit[ShieldIn]) -> ShieldIn:
    """Say whether the accused may use the caller's number too."""
    app, contact_id = visit.app, visit.number("contact_id")
    async with app[STORE].transaction() as session:
        await editing.shield(
            session, app[KEYRING], visit.viewer, contact_id, shielded=visit.body.shielded, at=app[CLOCK]()
        )
    app[PUBLISH](ContactChanged(contact_id=contact_id))
    return visit.body


@routes.get("/cases/{case_id}", right=Right.READ_CASES, response=CaseOut)
async def case(visit: Visit) -> CaseOut:
    """A case with the list of its contacts."""
    app = visit.app
    async with app[STORE].transaction() as session:
        return await editing.read_case(session, app[KEYRING], visit.viewer, visit.number("case_id"), app[CLOCK]())


@routes.change("POST", "/cases/{case_id}/keep", right=Right.WRITE_CASES, body=KeepIn, response=CaseState)
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


@routes.change("POST", "/cases/{case_id}/discard", right=Right.WRITE_CASES, body=DiscardIn, response=CaseState)
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
        app[PUBLISH](ContactChanged(contact_id=contact_id))
