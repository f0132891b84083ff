"""Contacts and cases, on the wire and for the live feed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from service.cases.model import CaseStatus, DiscardReason
from service.http.fields import Count, Day, RowId, Word
from service.http.routing import Wire, example

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
    `contacts`: earlier ones from this number, this call's not counted. `unavailable`: whether it was used before is not
    known now.
    """

    number: Literal["known", "unknown", "anonymous", "unavailable"]
    shielded: bool
    contacts: int
    last_contact_at: datetime | None
    cases: list[KnownCase]


class ContactState(Wire):
    """A contact without what was written in it.

    `known_hidden`: its number is shielded, and nobody confirmed in it who is speaking: no page goes on showing `Known`.
    """

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
    known_hidden: bool


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


#: What somebody is called, as it was said. Never in an address: it would stay in logs of what lies between.
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
#: characters of all names that contacts gave a case, joined (`naming.py`): what was read can be saved again
NAMES_LENGTH: Final = 4000
Names = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=NAMES_LENGTH)]


class CaseNames(Wire):
    """Names in a case; null: not known. `caller`: what whoever rings chose to be called."""

    caller: Annotated[str | None, Field(repr=False)]
    person_concerned: Annotated[str | None, Field(repr=False)]


class NamesIn(Wire):
    """The names that a case has from now on."""

    caller: Annotated[Names | None, Field(repr=False)]
    person_concerned: Annotated[Names | None, Field(repr=False)]


class CaseOut(Wire):
    """A case with its contacts, the first one first."""

    case_id: int
    reference: str | None
    status: CaseStatus
    department: str | None
    centre: str | None
    opened_at: datetime
    last_contact_at: datetime
    names: CaseNames
    contacts: list[ContactSummary]


class SearchIn(Wire):
    """What cases are looked for by; all that is given has to fit. `name`: words of a name, in any order and writing.

    `opened_from`, `opened_to`: days at the line's place, both included.
    """

    reference: Annotated[Word, Field(max_length=20)] | None = None
    department: Department | None = None
    status: CaseStatus | None = None
    opened_from: Day | None = None
    opened_to: Day | None = None
    name: Annotated[Name | None, Field(repr=False)] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class CaseFound(Wire):
    """A case in what a search found."""

    case_id: int
    reference: str | None
    status: CaseStatus
    department: str | None
    centre: str | None
    opened_at: datetime
    last_contact_at: datetime


class CasesFound(Wire):
    """The latest first. `more`: there are others, ask more narrowly."""

    cases: list[CaseFound]
    more: bool


class CaseState(Wire):
    """What became of a case record."""

    case_id: int
    reference: str | None
    status: CaseStatus
    department: str | None


class NotesIn(Wire):
    """`version`: of the notes that were changed; 0 for the first."""

    model_config = example(text="Sa voisine ne sort plus depuis mars.", version=0)

    text: Annotated[str, Field(max_length=200_000, repr=False)]
    version: Count


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

    model_config = example(case_id=123)

    case_id: RowId


class KeepIn(Wire):
    """Where the person concerned is."""

    model_config = example(department="38")

    department: Department


class DiscardIn(Wire):
    """Why it was no case."""

    model_config = example(reason="wrong-number")

    reason: DiscardReason


class ShieldIn(Wire):
    """Whether the accused may use this contact's number too."""

    model_config = example(shielded=True)

    shielded: bool
