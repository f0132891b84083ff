"""Contacts and cases, on the wire and for the live feed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from service.cases.model import CaseStatus, DiscardReason
from service.http.routing import Wire

#: A French department: 01…95, 2A, 2B, overseas; `00` where the caller does not say.
Department = Annotated[str, Field(pattern=r"^(0[0-9]|1[0-9]|2[1-9AB]|[3-8][0-9]|9[0-5]|97[1-8]|98[4678])$")]


class KnownCase(Wire):
    """A case in which this number was used before."""

    case_id: int
    reference: str | None
    status: CaseStatus
    department: str | None
    opened_at: datetime
    last_contact_at: datetime


class Known(Wire):
    """What is known about a caller's number. A number is not a person.

    `shielded`: the accused may use it too; nothing else is told until the listener confirms who is speaking.
    `contacts`: earlier ones from this number, this call's not counted.
    """

    number: Literal["known", "unknown", "anonymous"]
    shielded: bool
    contacts: int
    last_contact_at: datetime | None
    cases: list[KnownCase]


class ContactState(Wire):
    """A contact without what was written in it."""

    contact_id: int
    call_id: str
    case_id: int
    case_reference: str | None
    case_status: CaseStatus
    notes_version: int
    saved_at: datetime | None
    started_at: datetime
    ended_at: datetime | None
    listener_name: str | None


class ContactOut(ContactState):
    """A contact with its notes."""

    notes: str


class ContactSummary(Wire):
    """A contact in the list of its case."""

    contact_id: int
    call_id: str
    started_at: datetime
    ended_at: datetime | None
    listener_name: str | None
    has_notes: bool


class CaseOut(Wire):
    """A case with its contacts, the first one first."""

    case_id: int
    reference: str | None
    status: CaseStatus
    department: str | None
    centre: str | None
    opened_at: datetime
    last_contact_at: datetime
    contacts: list[ContactSummary]


class CaseState(Wire):
    """What became of a case record."""

    case_id: int
    reference: str | None
    status: CaseStatus
    department: str | None


class NotesIn(Wire):
    """`version`: of the notes that were changed; 0 for the first."""

    text: Annotated[str, Field(max_length=200_000, repr=False)]
    version: Annotated[int, Field(ge=0)]


class NotesSaved(Wire):
    """Committed."""

    version: int
    saved_at: datetime


class StoredNotes(NotesSaved):
    """What is stored instead."""

    text: str


class NotesConflictError(Wire):
    """`notes-changed-elsewhere`, with what is stored."""

    id: Literal["notes-changed-elsewhere"]
    message: str
    stored: StoredNotes


class NotesConflict(Wire):
    """The 409 of saving notes."""

    error: NotesConflictError


class LinkIn(Wire):
    """The known case that this contact belongs to."""

    case_id: int


class KeepIn(Wire):
    """Where the person concerned is."""

    department: Department


class DiscardIn(Wire):
    """Why it was no case."""

    reason: DiscardReason


class ShieldIn(Wire):
    """Whether the accused may use this contact's number too."""

    shielded: bool
